"""A run that is killed or whose files are damaged ends in the same bytes, and `mer verify` sees what no longer fits."""

import os
import random
import shutil

import pytest

from mer.bench.survival import RESULTS, WholeRun, differences, files_of
from mer.planning.finished_run import verify

pytestmark = pytest.mark.slow
SUBJECT = "casme2-sub02"


@pytest.fixture(scope="module")
def copied(finished, tmp_path_factory):
    """A copy of the finished run, whose files can be spoilt."""
    folder = tmp_path_factory.mktemp("copied") / "run"
    shutil.copytree(finished.folder, folder)
    return folder


@pytest.fixture(scope="module")
def expected(finished):
    """The digests of the run that was left alone."""
    return files_of(finished.folder / RESULTS)


def spoil(path):
    """Flip one bit, and leave the time stamp as it was."""
    data, stamp = bytearray(path.read_bytes()), path.stat()
    data[len(data) // 2] ^= 8
    path.write_bytes(data)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def test_a_finished_run_fits_its_report_wherever_it_lies(copied):
    notes = []
    assert verify(copied / RESULTS, notes.append) == []
    assert len(notes) == 1 and "files of" in notes[0]


def test_verify_names_what_is_missing_damaged_or_of_another_run(copied):
    results = copied / RESULTS
    table, model = results / "simulated" / "index.csv", next(results.rglob("model.safetensors"))
    aligned, other = (results / "simulated" / "align" / "face" / f"casme2-sub0{n}.h5" for n in (1, 3))
    kept = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (table, model, aligned, other)}
    table.unlink()
    spoil(model)
    spoil(aligned)
    other.write_bytes((results / "simulated" / "align" / "face" / "casme2-sub04.h5").read_bytes())
    try:
        said = verify(results, print)
    finally:
        for path, (content, stamp) in kept.items():
            path.write_bytes(content)
            os.utime(path, ns=(stamp, stamp))
    assert any(line.startswith(f"{table}: missing") for line in said)
    assert any(line.startswith(f"{model}: ") and "damaged" in line for line in said)
    assert any(line.startswith(f"{aligned}: damaged: bytes ") for line in said)
    assert any(line.startswith(f"{other}: not what the report was made from") for line in said)
    assert any(f"made from another {other} than the one that stands there" in line for line in said)


def test_a_damaged_container_is_named_set_aside_and_made_anew(finished, copied, expected):
    aligned, flow = (f"{RESULTS}/simulated/{product}/{SUBJECT}.h5" for product in ("align/face", "flow/tvl1"))
    stamps = {path: (copied / path).stat().st_mtime_ns for path in (aligned, flow)}
    spoil(copied / aligned)
    (copied / flow).unlink()
    project = type(finished)(copied)
    text = project.run(flow, check=False)
    assert f"mer: {aligned}: damaged: bytes" in text and f"kept as {SUBJECT}.h5.damaged" in text
    assert "Traceback" not in text and not (copied / flow).exists()
    project.run(flow)
    aside = copied / f"{aligned}.damaged"
    assert aside.exists()
    aside.unlink()
    # The next test is not to make everything anew that follows from them.
    for path, stamp in stamps.items():
        os.utime(copied / path, ns=(stamp, stamp))
    assert differences(expected, files_of(copied / RESULTS)) == []


def test_a_run_killed_at_random_moments_ends_in_the_same_bytes(copied, expected):
    results = copied / RESULTS
    fold = results / "experiments" / "ststnet" / "seed0" / SUBJECT
    for path in (fold / "model.safetensors", fold / "predictions.csv", results / "simulated" / "excluded.csv"):
        path.unlink()
    (results / "simulated" / "flow" / "tvl1" / f"{SUBJECT}.h5").unlink()
    run, moments = WholeRun(copied), random.Random(0)
    # Were it over before the second kill, the test would show nothing.
    assert [run.killed_after(moments.uniform(0, 2), begun=True) for _ in range(2)] == [True, True]
    run.finish()
    assert differences(expected, files_of(results)) == []
