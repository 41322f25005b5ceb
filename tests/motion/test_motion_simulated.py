import numpy as np
import pytest
from flow_errors import endpoint_error

from mer.motion import dis, tvl1
from mer.motion.grey import grey
from mer.simulate.camera import develop, to_bytes
from mer.simulate.params import SimulateParams
from mer.simulate.registry import plan
from mer.simulate.take import Take

SIDE = 224


@pytest.fixture(scope="module")
def simulated():
    """Onset, apex (224, 224, 3) uint8 with sensor noise of 1.5 grey levels, the true flow, and where the face moves."""
    params = SimulateParams(subjects=1, clips=1, seed=0)
    clip = plan(params)[0]
    take = Take(params, clip)
    points = take.landmarks(clip.onset)
    left, top = np.rint((points.min(axis=0) + points.max(axis=0) - SIDE) / 2).astype(int)
    window = np.s_[top : top + SIDE, left : left + SIDE]
    rng = np.random.default_rng(3)
    images = []
    for instant in (clip.onset, clip.apex):
        clean = to_bytes(develop(take.frame(instant)))[window]
        images.append(np.clip(np.rint(clean + rng.normal(0, 1.5, clean.shape)), 0, 255).astype(np.uint8))
    truth = take.flow(clip.onset, clip.apex)[window].transpose(2, 0, 1)
    return *images, truth, take.moving(clip.onset, clip.apex)[window]


@pytest.mark.slow
@pytest.mark.parametrize("flow", [tvl1.flow, dis.flow], ids=["tvl1", "dis"])
def test_error_on_a_simulated_face(simulated, flow):
    onset, apex, truth, moving = simulated
    error = endpoint_error(flow(grey(onset), grey(apex)), truth, moving)
    assert error < 0.12
    assert error < 0.25 * endpoint_error(np.zeros_like(truth), truth, moving)
