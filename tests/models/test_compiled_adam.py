"""The compiled Adam against torch's."""

import copy

import pytest
import torch

from mer.models.compiled.adam import Adam


def weights():
    torch.manual_seed(1)
    return [torch.nn.Parameter(torch.randn(shape)) for shape in ((4, 3, 5, 5), (4,), (3, 64), (1,))]


def give(parameters, step):
    torch.manual_seed(step)
    for weight in parameters:
        weight.grad = torch.randn_like(weight) * 10.0 ** torch.randint(-6, 2, ()).item()


@pytest.mark.parametrize("eps", [1e-8, 1e-7])
@pytest.mark.parametrize("decay", [0.0, 1e-3])
def test_it_moves_as_torch_does(eps, decay):
    own = weights()
    twin = copy.deepcopy(own)
    found = Adam(own, 1e-3, eps=eps, weight_decay=decay)
    exact = [each.detach().double().requires_grad_() for each in twin]
    wanted = torch.optim.Adam(exact, lr=1e-3, eps=eps, weight_decay=decay)
    for step in range(60):
        give(own, step)
        for weight, reference in zip(own, exact, strict=True):
            reference.grad = weight.grad.double()
        if step == 30:
            for optimiser in (found, wanted):
                optimiser.param_groups[0]["lr"] = 2e-4
        found.step()
        wanted.step()
    for weight, reference in zip(own, exact, strict=True):
        torch.testing.assert_close(weight.double(), reference, rtol=0, atol=2e-6)


def test_a_training_goes_on_from_its_state_to_the_same_weights():
    whole, halves = weights(), weights()
    first, second = Adam(whole, 1e-3), Adam(halves, 1e-3)
    assert first.state_dict()["state"] == {}
    for step in range(8):
        if step == 5:
            kept, second = second.state_dict(), Adam(halves, 1.0)
            second.load_state_dict(kept)
        for own, optimiser in ((whole, first), (halves, second)):
            give(own, step)
            optimiser.step()
    assert all(torch.equal(a, b) for a, b in zip(whole, halves, strict=True))


def test_its_state_is_that_of_torch():
    own = weights()
    found, torchs = Adam(own, 1e-3), torch.optim.Adam(weights(), lr=1e-3)
    give(own, 0)
    found.step()
    torchs.load_state_dict({**torchs.state_dict(), "state": found.state_dict()["state"]})
    for number, weight in enumerate(own):
        kept = torchs.state_dict()["state"][number]
        torch.testing.assert_close(kept["exp_avg"], weight.grad * 0.1)
        torch.testing.assert_close(kept["exp_avg_sq"], weight.grad.square() * 0.001)
        assert kept["step"] == 1


def test_a_weight_without_a_gradient_is_not_passed_over():
    own = weights()
    give(own, 0)
    own[1].grad = None
    with pytest.raises(ValueError, match=r"shape \(4,\) has no gradient"):
        Adam(own, 1e-3).step()
