"""Maximum pooling that repeats itself: torch's values and torch's gradients (mer.models.pooling)."""

import math

import pytest
import torch
from torch.nn import functional

from mer.models.pooling import MaxPool3d, _Pooled, max_pool3d
from mer.testing.cuda_stand_in import CardTensor, stand_in

WINDOWS = [
    ((2, 2, 2), (2, 2, 2), (0, 0, 0)),
    ((3, 3, 3), (3, 3, 3), (0, 0, 0)),
    ((2, 3, 3), (2, 2, 2), (0, 1, 1)),
    ((2, 1, 1), (2, 1, 1), (0, 0, 0)),
    ((7, 7, 7), (7, 7, 7), (0, 0, 0)),
]


def both(x, size, stride, padding, slope=None):
    """Return values and gradients of torch's kernel and of ours on the stand-in."""
    made = []
    for pooled in (functional.max_pool3d, max_pool3d):
        with stand_in():
            given = x.clone().requires_grad_() if pooled is functional.max_pool3d else x.to("cuda").requires_grad_()
            out = pooled(given, size, stride, padding)
            torch.manual_seed(0)
            weight = torch.randn(out.shape, dtype=x.dtype) if slope is None else slope
            out.backward(weight.to(out.device))
            made.append((out.detach().cpu(), given.grad.cpu()))
    return made


@pytest.mark.parametrize(("size", "stride", "padding"), WINDOWS)
@pytest.mark.parametrize("kind", ["spread", "ties", "bf16", "channels_last"])
def test_values_and_gradients_are_those_of_torch(size, stride, padding, kind):
    torch.manual_seed(1)
    x = torch.randn(2, 3, 14, 15, 17)
    if kind == "ties":
        x = torch.randint(0, 3, x.shape).float()
    if kind == "bf16":
        x = x.to(torch.bfloat16)
    if kind == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last_3d)
    (value, gradient), (ours, slope) = both(x, size, stride, padding)
    assert torch.equal(value, ours)
    if size == stride:
        assert torch.equal(gradient, slope)
    else:  # windows overlap, and the sums have another order
        torch.testing.assert_close(slope, gradient, atol=4e-2 if kind == "bf16" else 1e-6, rtol=0)


def test_gradients_do_not_go_into_the_padding():
    x = torch.full((1, 1, 2, 4, 4), -math.inf)
    x[..., 1, 1, 1] = 5.0
    for (value, gradient), (ours, slope) in [both(x, (2, 2, 2), (2, 2, 2), (0, 0, 0))]:
        assert torch.equal(value, ours) and torch.equal(gradient, slope)
    padded = functional.pad(torch.randn(1, 2, 3, 3, 3), (0, 1, 0, 1, 0, 1), value=-math.inf)
    (value, gradient), (ours, slope) = both(padded, (2, 2, 2), (2, 2, 2), (0, 0, 0))
    assert torch.equal(value, ours) and torch.equal(gradient, slope) and ours.isfinite().all()


def test_what_is_no_number_goes_on():
    x = torch.randn(1, 1, 4, 4, 4)
    x[0, 0, 1, 1, 1] = math.nan
    (value, _), (ours, _) = both(x, (2, 2, 2), (2, 2, 2), (0, 0, 0))
    assert torch.equal(value.isnan(), ours.isnan()) and int(ours.isnan().sum()) == 1


def test_the_gradient_is_that_of_differences():
    x = torch.randn(1, 2, 4, 5, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda one: _Pooled.apply(one, (2, 3, 3), (2, 2, 2)), x)


def test_a_cpu_keeps_the_kernel_of_torch():
    x = torch.randn(1, 1, 4, 4, 4, requires_grad=True)
    assert "MaxPool3D" in type(MaxPool3d((2, 2, 2))(x).grad_fn).__name__
    with stand_in():
        made = MaxPool3d((2, 2, 2))(x.detach().to("cuda").requires_grad_())
        assert isinstance(made, CardTensor) and "Pooled" in type(made.grad_fn).__name__
