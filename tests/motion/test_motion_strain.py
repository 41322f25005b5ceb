import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer.motion.strain import strain

SLOPES = st.floats(-0.1, 0.1)


@given(ux=SLOPES, uy=SLOPES, vx=SLOPES, vy=SLOPES)
@pytest.mark.parametrize("variant, border", [("central", 0), ("forward", 0), ("backward", 1)])
def test_linear_field_has_its_analytic_strain(variant, border, ux, uy, vx, vy):
    y, x = np.mgrid[:9, :11].astype(float)
    flow = np.stack([ux * x + uy * y, vx * x + vy * y])
    expected = np.sqrt(ux**2 + vy**2 + 2 * ((uy + vx) / 2) ** 2)
    np.testing.assert_allclose(strain(flow, variant)[border:, border:], expected, atol=1e-12)


@pytest.mark.parametrize("variant", ["central", "forward", "backward"])
def test_translation_and_small_rotation_have_none(variant):
    y, x = np.mgrid[:9, :11].astype(float)
    flow = np.stack([2 - 0.03 * y, -1 + 0.03 * x])
    np.testing.assert_allclose(strain(flow, variant)[1:, 1:], 0, atol=1e-15)


# By hand: u = [[0, 1, 3], [2, 2, 2], [1, 0, 4]], v = [[0, 0, 1], [1, 3, 1], [0, 2, 2]].
U = np.array([[0, 1, 3], [2, 2, 2], [1, 0, 4]], float)
V = np.array([[0, 0, 1], [1, 3, 1], [0, 2, 2]], float)
# Squares of the strain; "backward": a missing left or upper neighbour makes that term 0, so that at (0, 1) only ux = 1
# and vx = 0 are left; "forward": (0, 0) has ux = 1, uy = 2, vx = 0, vy = 1, and the last column and row are copies.
GOLDEN = {
    "backward": [[0, 1, 4.5], [3, 13.5, 4.5], [1.5, 2, 19]],
    "forward": [[4, 15, 15], [1.5, 9, 9], [1.5, 9, 9]],
}


@pytest.mark.parametrize("variant", GOLDEN)
def test_published_variants_by_hand(variant):
    np.testing.assert_allclose(strain(np.stack([U, V]), variant) ** 2, GOLDEN[variant], atol=1e-12)


def test_leading_axes_are_independent():
    flows = np.random.default_rng(0).normal(size=(2, 3, 2, 7, 8))
    for variant in ("central", "forward", "backward"):
        together = strain(flows, variant)
        assert together.shape == (2, 3, 7, 8)
        np.testing.assert_array_equal(together[1, 2], strain(flows[1, 2], variant))
