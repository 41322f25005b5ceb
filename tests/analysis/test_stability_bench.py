"""What re-encoding, scaling and a lost first frame change: matching of candidates, and the files themselves."""

import analysis_world as world
import numpy as np
import pytest

from mer.analysis.bench.stability import VERSIONS, StabilityRow, Version, compare, matched, together, write_version
from mer.analysis.footage import open_footage
from mer.bench.table import shown
from mer.core.errors import MediaError


def candidate(apex, confidence=0.8, positive=0.9, kind="micro"):
    scores = {"positive": positive, "negative": 1 - positive}
    return {"type": kind, "apex_s": apex, "confidence": confidence, "scores": scores,
            "emotion": max(scores, key=scores.get)}  # fmt: skip


def analysis(*candidates):
    return {"fps": 25.0, "intervals": list(candidates), "model": {"thresholds": {"micro": 0.5, "macro": 0.5}}}


def test_what_stays_appears_and_vanishes():
    row = compare("clip.mp4", VERSIONS[0], analysis(candidate(1.0), candidate(3.0, 0.7)),
                  analysis(candidate(1.08, 0.6, 0.4), candidate(5.0, 0.55), candidate(6.0, 0.9)))  # fmt: skip
    assert (row.candidates, row.stayed, row.vanished, row.appeared, row.renamed) == (3, 1, 1, 2, 1)
    assert (row.confidence, row.probability, row.weakest) == pytest.approx((0.2, 0.5, 0.4))
    same = compare("clip.mp4", VERSIONS[0], analysis(candidate(1.0)), analysis(candidate(1.0)))
    assert (same.confidence, same.probability) == (0, 0) and same.as_dict()["weakest"] is None
    empty = compare("clip.mp4", VERSIONS[0], analysis(), analysis())
    assert empty.as_dict()["confidence"] is None and "nan" not in shown(StabilityRow, [empty])


def test_a_lost_first_frame_shifts_time():
    dropped = next(version for version in VERSIONS if version.skipped)
    first, second = analysis(candidate(1.1)), analysis(candidate(0.96))
    assert compare("a", VERSIONS[0], first, second).stayed == 0
    assert compare("a", dropped, first, second).stayed == 1


def test_each_candidate_is_matched_once_the_closest_first():
    assert matched([candidate(1.0), candidate(1.06)], [candidate(1.07)], 0.0) == [(1, 0)]
    assert matched([candidate(1.0)], [candidate(1.0, kind="macro")], 0.0) == []
    assert matched([candidate(1.0)], [candidate(1.1)], 0.0) == [(0, 0)]


def test_all_videos_together():
    one = compare("a", VERSIONS[0], analysis(candidate(1.0)), analysis(candidate(1.0, 0.6)))
    two = compare("b", VERSIONS[0], analysis(), analysis(candidate(2.0)))
    row = together("v", [one, two])
    assert (row.candidates, row.stayed, row.appeared, row.confidence) == (2, 1, 1, pytest.approx(0.2))


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_versions_are_the_same_content(version, tmp_path):
    source = open_footage(world.write_film(tmp_path / "film.mp4", world.film(8, onset=0)))
    write_version(source, version, tmp_path / "again.mp4")
    again = open_footage(tmp_path / "again.mp4")
    assert len(again) == 8 - version.skipped and again.fps == pytest.approx(source.fps)
    width, height = source.size
    assert again.size == tuple(2 * int(version.scale * length / 2) for length in (width, height))
    if version.scale == 1:
        pairs = zip(list(source.frames(version.skipped, 8)), again.frames(0, len(again)), strict=True)
        differences = [np.abs(one.astype(float) - other).mean() for one, other in pairs]
        assert max(differences) < 4


def test_an_encoder_that_is_not_there(tmp_path):
    source = open_footage(world.write_film(tmp_path / "film.mp4", world.film(4, onset=0)))
    with pytest.raises(MediaError, match="no encoder"):
        write_version(source, Version("none", codec="none"), tmp_path / "again.mp4")
