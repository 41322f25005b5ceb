"""Blocks, gaps and hours: what comes out in parts is what would come out whole, and is not held."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest

from mer.core.geometry import apply, canonical_eyes, invert
from mer.stages.align import finish, track
from mer.stages.align.finish import Finisher, Part, Smoothing
from mer.stages.align.flags import Flags
from mer.stages.align.measure import Measurement
from mer.stages.align.patch import EYES
from mer.stages.align.track import Fit

PLAIN = Smoothing(refine=True, recentre=0.06, smooth=5, rigid_smooth=11)
ROUGH = Smoothing(refine=False, recentre=0.06, smooth=7, rigid_smooth=21)
LOST = Fit(reasons=("no face",))


def fits(count: int, lost: Sequence[int], seed: int = 0) -> list[Fit]:
    """Fits of a face that wanders and whose landmarks jitter; none in the frames `lost`."""
    random = np.random.default_rng(seed)
    shape = random.uniform(40, 180, (68, 2))
    shape[[36, 39]], shape[[42, 45]] = EYES[0], EYES[1]
    found = []
    for k in range(count):
        shift = 8 * np.sin(k / 70), 5 * np.cos(k / 45)
        matrix = np.array([[1.0, 0.02, shift[0]], [-0.02, 1.0, shift[1]]])
        points = shape + 0.3 * random.normal(size=(68, 2)) + (0.1 * k, 0)
        found.append(LOST if k in lost else Fit(matrix, points, float(random.uniform(0.5, 1)), detected=k % 50 == 0))
    return found


def finished(given: Sequence[Fit], smoothing: Smoothing, block: int) -> list[Part]:
    finisher = Finisher(smoothing, block)
    parts = [part for fit in given for part in finisher.feed(fit)]
    return parts + list(finisher.end())


def joined(parts: Sequence[Part], name: str) -> np.ndarray:
    return np.concatenate([getattr(part, name) for part in parts])


@pytest.mark.parametrize("smoothing", [PLAIN, ROUGH])
@pytest.mark.parametrize(
    "lost", [(), range(40), range(150, 420), (7, 8, 299, 300, 301), (*range(20), *range(560, 600))]
)
def test_blocks_join_to_what_the_whole_clip_gives(smoothing: Smoothing, lost: Sequence[int]) -> None:
    given = fits(600, lost)
    whole, parts = finished(given, smoothing, 10_000), finished(given, smoothing, 64)
    assert len(whole) == 1 and len(parts) == 10
    for name in ("transform", "source", "box", "quality", "detected"):
        np.testing.assert_allclose(joined(parts, name), joined(whole, name), atol=1e-7, err_msg=name)


def test_what_is_finished_comes_out_before_the_end() -> None:
    finisher = Finisher(PLAIN, 64)
    lengths = [sum(len(p) for p in finisher.feed(fit)) for fit in fits(400, ())]
    assert [i for i, n in enumerate(lengths) if n] == [63 + PLAIN.reach + 64 * k for k in range(4)]
    assert PLAIN.reach == 92


def test_no_face_at_all_gives_nothing() -> None:
    assert finished([LOST] * 200, PLAIN, 64) == []


def test_a_five_frame_apex_keeps_its_height_and_place() -> None:
    """Truth: landmark 19 rises by 2 pixels within five frames, beneath jitter, in a head that wanders."""
    given = fits(240, ())
    height = 2.0 * np.clip(np.cos(np.pi * (np.arange(240) - 120) / 6), 0, None) ** 2
    height[np.abs(np.arange(240) - 120) > 2] = 0
    raised = []
    for fit, rise in zip(given, height, strict=True):
        assert fit.points is not None
        points = fit.points.copy()
        points[17:22, 1] -= rise
        raised.append(Fit(fit.matrix, points, 1.0))
    level = [Fit(fit.matrix, fit.points, 1.0) for fit in given]
    moved, still = (joined(finished(each, PLAIN, 64), "source")[:, 17:22, 1].mean(axis=1) for each in (raised, level))
    rise = still - moved
    assert rise.argmax() == 120 and rise[120] > 0.9 * 2.0
    # What the filter spreads: nothing beyond two frames from the movement.
    assert np.abs(rise[np.abs(np.arange(240) - 120) > 4]).max() < 1e-9


@pytest.mark.slow
def test_memory_does_not_grow_with_the_clip() -> None:
    """A face for 300 frames, 12,000 frames without, a face again, then 1,000 frames with it."""
    finisher = Finisher(PLAIN, 64)
    some = fits(300, ())
    for fit in some:
        list(finisher.feed(fit))
    tracemalloc.start()
    for _ in range(12_000):
        list(finisher.feed(LOST))
    count = 0
    for k in range(1_000):
        for part in finisher.feed(some[k % 300]):
            count += len(part)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count > 12_000
    assert peak < 8 << 20  # landmarks of every frame would take 13,000 * 1088 bytes, 14 MiB


class Slideshow:
    """A tracker that finds the same face in every picture, so that what is measured is what the stage holds."""

    def __init__(self, settings: track.Settings) -> None:
        self.fit = fits(1, ())[0]

    def step(self, grey: np.ndarray) -> Fit:
        return self.fit


def test_a_long_measurement_holds_one_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mer.stages.align.measure.Tracker", Slideshow)
    frames = (np.zeros((240, 320), np.uint8) for _ in range(2_000))
    measurement = Measurement(frames, track.Settings(), PLAIN, np.eye(2, 3), "long")
    tracemalloc.start()
    count = sum(len(part) for part in measurement)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 2_000 and peak < 16 << 20  # 2,000 pictures are 146 MiB


def test_flags_are_kept_as_runs() -> None:
    flags = Flags()
    for index in (0, 1, 2, 7):
        flags.add(index, ("dark", "odd") if index == 7 else ("dark",))
    assert flags.indices() == {"dark": [0, 1, 2, 7], "odd": [7]}
    assert flags.texts() == {"dark": "0-2, 7", "odd": "7"}
    assert list(Flags().texts()) == []


def test_eyes_stay_at_their_place_through_blocks() -> None:
    parts = finished(fits(600, ()), Smoothing(True, 0.06, 1, 11), 64)
    matrix = finish.to_crop(224, 0.36, 0.28)
    inside = apply(joined(parts, "transform"), joined(parts, "source"))
    eyes = apply(matrix, inside[:, [36, 39, 42, 45]].reshape(-1, 2, 2, 2).mean(axis=2))
    assert np.abs(eyes - canonical_eyes(224)).max() < 8  # it walks 60 pixels away in the patch
    assert np.allclose(apply(invert(joined(parts, "transform")), inside), joined(parts, "source"))
