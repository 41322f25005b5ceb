"""Several persons in one job of a stage: their containers are made, kept and made again one by one."""

import resource
from pathlib import Path

import pytest
import yaml
from conftest import Project
from test_edits import Copy, replaced

from mer.core.container import file_digest
from mer.planning.catalog import Catalog
from mer.planning.read_config import parse

SPINE = Path(__file__).resolve().parents[1] / "spine.yaml"


def batches(**changes):
    config = yaml.safe_load(SPINE.read_text())
    config["datasets"]["simulated"]["simulate"]["subjects"] = changes.pop("subjects", 4)
    return [(variant.key, subjects) for _, variant, subjects in Catalog(parse({**config, **changes})).batches()]


def test_every_person_of_every_product_is_in_one_job():
    found = batches(subjects_per_job=3)
    assert {key for key, _ in found} >= {"frames", "align/face", "flow/apex", "rois/au_boxes"}
    names = [f"casme2-sub0{number}" for number in range(1, 5)]
    assert [subjects for key, subjects in found if key == "flow/apex"] == [names[:3], names[3:]]


def test_persons_share_jobs_only_where_there_are_many():
    assert batches() == [] and batches(subjects=49) == [] and batches(subjects_per_job=1, subjects=99) == []
    assert {len(subjects) for _, subjects in batches(subjects=52)} == {2}


def digests(folder, stages=("frames", "align", "interpolate", "magnify", "flow", "rois")):
    results = folder / "results" / "simulated"
    return {
        path.relative_to(results): file_digest(path) for stage in stages for path in results.glob(f"{stage}/**/*.h5")
    }


@pytest.mark.slow
def test_one_of_several_persons_is_made_again_and_the_others_are_kept(finished, tmp_path):
    copy = Copy(finished, tmp_path / "copy")
    copy.config(lambda raw: raw.update(subjects_per_job=4))
    results, before = copy.folder / "results" / "simulated", digests(copy.folder)
    two, three = (results / "align" / "face" / f"casme2-sub0{number}.h5" for number in (2, 3))
    limit, old = two.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    assert limit < three.stat().st_size
    # Of the third person stands what is not as planned.
    two.replace(three)
    project = Project(copy.folder)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
        said = project.run("results/simulated/align/face/casme2-sub01.h5", check=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert "file too large" in said
    assert two.exists() and not three.exists(), "what the job had finished stays, and nothing else"
    project.run("results/simulated/interpolate/ten/casme2-sub01.h5")
    assert digests(copy.folder) == before, "the same bytes as of a job for each"
    log = "\n".join(path.read_text() for path in (copy.folder / "results/logs/align").rglob("persons*.log"))
    assert log.count(": kept") == 3 and "sub03/" in log and "sub02/" not in log, "sub04 stood, sub02 was done"
    assert not list(results.rglob("*.finished"))
    assert "Nothing to be done" in project.run("results/simulated/interpolate/ten/casme2-sub01.h5")
    replaced(copy)
    project.run("results/simulated/align/face/casme2-sub01.h5")
    after = digests(copy.folder)
    assert {str(path) for path in before if after[path] != before[path]} == {
        "frames/casme2-sub01.h5",
        "align/face/casme2-sub01.h5",
    }


@pytest.mark.slow
def test_folds_that_are_predicted_together_are_predicted_as_alone(finished, tmp_path):
    copy = Copy(finished, tmp_path / "copy")
    copy.config(lambda raw: raw["experiments"]["svm_flow"].update(folds_per_job=3))
    files = sorted((copy.folder / "results" / "experiments" / "svm_flow" / "seed0").glob("*/*"))
    before = {path: path.read_bytes() for path in files}
    said = Project(copy.folder).run("results/experiments/svm_flow/metrics.json", "--quiet", "reason")
    assert len(files) == 4 * 3 and before == {path: path.read_bytes() for path in files}
    assert "predict_svm_flow_0" in said and "svm_flow_1" not in said, "the fourth fold stays alone, as it was"
