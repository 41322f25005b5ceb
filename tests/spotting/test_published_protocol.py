"""What `ref` takes as published, down to the constants (docs/models.md, mean)."""

import numpy as np
import pytest
import torch
from spotting_world import world

from mer.core.container import Container, ContainerWriter
from mer.spotting.decode import ONE_EACH, decode_ref
from mer.spotting.experiment import SpotRecipe, SpottingExperiment
from mer.spotting.naming_head import Pairs
from mer.spotting.network import build, gather, optimiser_of
from mer.spotting.recordings import Opened
from mer.stages.spot.method import DistanceParams
from mer.stages.spot.stage import distance_of
from mer.testing.plain_face import landmarks


def of(model, protocol, **more):
    return SpottingExperiment(model, protocol, SpotRecipe(**more), halves={"micro": 6})


def test_optimisers_and_batches():
    mean, fixed = (optimiser_of(build("mean"), of("mean", protocol)) for protocol in ("ref", "fixed"))
    assert (mean.defaults["lr"], mean.defaults["eps"], mean.defaults["betas"]) == (5e-4, 1e-7, (0.9, 0.999))
    assert fixed.defaults["eps"] == 1e-8
    soft = optimiser_of(build("softnet"), of("softnet", "ref"))
    assert isinstance(soft, torch.optim.SGD) and (soft.defaults["lr"], soft.defaults["momentum"]) == (5e-4, 0)
    sizes = [of(*pair).batch_size for pair in (("softnet", "ref"), ("softnet", "fixed"), ("mean", "ref"))]
    assert sizes == [12, 32, 32] and of("softnet", "ref", batch_size=7).batch_size == 7


def test_labels_have_the_width_of_all_annotations(tmp_path):
    videos, containers = world(tmp_path, people=2)
    positives = []
    for half in (2, 30):
        experiment = SpottingExperiment("mean", "ref", SpotRecipe(ratio=1), halves={"micro": half})
        with Opened(videos, "micro", {"micro": containers}) as opened:
            positives.append(int(gather(opened.recordings, "micro", experiment, 0)[1].sum()))
    assert positives[1] > positives[0] > 0


def test_short_clips_have_exactly_one_interval():
    t = np.arange(200)
    score = 0.2 + 0.6 * np.exp(-(((t - 60) / 6) ** 2)) + 0.55 * np.exp(-(((t - 140) / 8) ** 2))
    several, one = (decode_ref(score, 6, 0.55, "mean", single)[0] for single in (False, True))
    assert len(several.intervals) == 2 and len(one.intervals) == 1
    # A flat score has no peak, and still one interval.
    assert len(decode_ref(np.zeros(50), 6, 0.55, "mean", True)[0].intervals) == 1
    assert "casme2" in ONE_EACH and "casme_sq" not in ONE_EACH


@pytest.mark.parametrize(("fps", "frames"), [(25, 3), (30, 3), (100, 10), (200, 20)])
def test_a_tenth_of_a_second_in_frames(tmp_path, fps, frames):
    with ContainerWriter(tmp_path / "a.h5", "align") as out, out.clip("c") as clip:
        clip.attributes({"fps": float(fps)})
    with Container(tmp_path / "a.h5") as box:
        assert distance_of(box.clip("c"), DistanceParams(distance=0.1)) == frames


def test_pairs_keep_to_the_landmarks_of_the_first_frame(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)
    moved = np.stack([landmarks(64), landmarks(64) + 9, landmarks(64) + 9])
    made = []
    for name, points in (("kept", np.stack([landmarks(64)] * 3)), ("moved", moved)):
        with ContainerWriter(tmp_path / f"{name}.h5", "align") as out, out.clip("c") as clip:
            clip.write("frames", frames)
            clip.write("landmarks", points.astype(np.float32))
        with Container(tmp_path / f"{name}.h5") as box:
            for method in ("published", "clean"):
                pairs = Pairs({"method": method, "size": 64, "distance_frames": 1})
                made.append(pairs(box.clip("c"), 1, 2))
    kept_published, kept_clean, moved_published, moved_clean = made
    assert np.array_equal(kept_published, moved_published) and not np.array_equal(kept_clean, moved_clean)
