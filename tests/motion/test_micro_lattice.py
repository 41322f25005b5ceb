"""The operators under micro-flow against SciPy's and against what they must keep."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d, map_coordinates

from mer.motion import micro_light, micro_solve
from mer.motion.micro_lattice import Band, apply, centres, gaussian, sample, spline, spline_coefficients


def test_sampling_is_cubic_spline_interpolation():
    rng = np.random.default_rng(0)
    image = rng.standard_normal((40, 30))
    x, y = rng.uniform(12, 17, (2, 25, 20)), rng.uniform(12, 27, (2, 25, 20))
    rows, columns = (spline_coefficients(n) for n in image.shape)
    coefficients = (rows @ torch.from_numpy(image) @ columns.T)[None].expand(2, 40, 30)
    points = torch.from_numpy(np.stack([x, y], axis=1))
    expected = np.stack([map_coordinates(image, [b, a], order=3) for a, b in zip(x, y, strict=True)])
    np.testing.assert_allclose(sample(coefficients, points).numpy(), expected, atol=1e-6)


def test_sampling_at_the_pixels_returns_them():
    image = torch.from_numpy(np.random.default_rng(1).standard_normal((20, 24)))
    coefficients = (spline_coefficients(20) @ image @ spline_coefficients(24).T)[None]
    grid = torch.stack(torch.meshgrid(torch.arange(20.0), torch.arange(24.0), indexing="ij")[::-1])[None].double()
    torch.testing.assert_close(sample(coefficients, grid)[0], image)


def test_gaussian_of_step_one_is_scipys():
    signal = np.random.default_rng(2).standard_normal(50)
    expected = gaussian_filter1d(signal, 2.0, mode="reflect", truncate=9)
    np.testing.assert_allclose(gaussian(50, 50, 1, 2.0).numpy() @ signal, expected, atol=1e-9)


@pytest.mark.parametrize("side, step", [(64, 4), (50, 4), (33, 2)])
def test_lattice_keeps_constants_and_inner_slopes(side, step):
    nodes = -(-side // step)
    matrix = spline(torch.arange(side, dtype=torch.float64), nodes, step)
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(side, dtype=torch.float64))
    inner = slice(2 * step, (nodes - 3) * step)
    torch.testing.assert_close((matrix @ centres(nodes, step))[inner], torch.arange(side, dtype=torch.float64)[inner])


def test_band_is_its_matrix():
    rng = np.random.default_rng(3)
    matrix, image = gaussian(130, 130, 1, 1.5).float(), torch.from_numpy(rng.standard_normal((2, 130, 130))).float()
    band = Band(matrix)
    assert max(stop - start for start, stop, _ in band.parts) < 70
    torch.testing.assert_close(band.rows(image), matrix @ image, atol=1e-5, rtol=0)
    torch.testing.assert_close(band.columns(image), image @ matrix.T, atol=1e-5, rtol=0)


def test_conjugate_gradients_solve_the_dense_system():
    rng = np.random.default_rng(4)
    root = torch.from_numpy(rng.standard_normal((1, 2, 2, 6, 7)))
    blocks = torch.einsum("bikyx,bjkyx->bijyx", root, root)
    normal = torch.stack([blocks[:, 0, 0], blocks[:, 1, 1], blocks[:, 0, 1]], dim=1)
    smooth = micro_solve.charbonnier(torch.from_numpy(rng.standard_normal((1, 2, 6, 7))), 3.0, 0.5)
    right = torch.from_numpy(rng.standard_normal((1, 2, 6, 7)))
    found = micro_solve.solve(normal, right, smooth, 200)
    left = torch.einsum("bijyx,bjyx->biyx", blocks, found) + smooth(found)
    torch.testing.assert_close(left, right, atol=1e-4, rtol=0)


def test_smoothness_is_the_gradient_of_its_energy():
    field = torch.from_numpy(np.random.default_rng(5).standard_normal((1, 2, 5, 6))).requires_grad_()
    smooth = micro_solve.charbonnier(field.detach() * 0.1, 2.0, 0.1)
    energy = (smooth.x * torch.diff(field, dim=3) ** 2).sum() + (smooth.y * torch.diff(field, dim=2) ** 2).sum()
    energy.backward()
    torch.testing.assert_close(smooth(field.detach()), field.grad / 2)


def test_light_is_recovered():
    rng = np.random.default_rng(6)
    second = torch.from_numpy(rng.uniform(40, 200, (1, 28, 28)))
    terms = micro_light.polynomial(*(torch.linspace(-1, 1, 28, dtype=torch.float64),) * 2)
    gain = torch.tensor([[0.02, -0.03, 0.01, 0.005, 0.01, -0.02]], dtype=torch.float64)
    first = second * (1 + (gain @ terms.flatten(1)).view(1, 28, 28)) + 2
    found, offset = micro_light.fit(first.float(), second.float(), terms.float())
    torch.testing.assert_close(found.double(), gain, atol=1e-3, rtol=0)
    torch.testing.assert_close(offset.double(), torch.full((1, 1, 1), 2.0, dtype=torch.float64), atol=0.1, rtol=0)


def test_both_axes_in_either_order():
    rng = np.random.default_rng(7)
    image, wide = torch.from_numpy(rng.standard_normal((2, 140, 150))), spline(centres(140, 1), 35, 4)
    rows, columns = wide.T.contiguous(), spline(centres(150, 1), 38, 4).T.contiguous()
    small = apply(Band(rows), image, Band(columns))
    torch.testing.assert_close(small, rows @ image @ columns.T, atol=1e-6, rtol=0)
    back = apply(Band(wide), small, Band(columns.T.contiguous()))
    torch.testing.assert_close(back, wide @ small @ columns, atol=1e-5, rtol=0)
