"""What a cluster is asked for: groups, minutes, and whether it is there."""

import stat

import pytest
import yaml

from mer.core.errors import ConfigError
from mer.models.registry import model
from mer.planning import cluster, minutes
from mer.planning.catalog import Catalog
from mer.planning.groups import group_of
from mer.planning.read_config import parse

STAGES = """
gpu: {gpu}
results: results
datasets:
  simulated:
    reader: casme2
    simulate: {{layout: casme2, subjects: 2, clips: 3}}
    products: [rois/cut, rois/plain]
align:
  face: {{method: dlib, size: 96}}
interpolate:
  ten: {{from: align/face, method: linear, frames: 10, schedule: onset_apex_offset}}
flow:
  cpu: {{from: interpolate/ten, method: dis, pairs: onset_apex}}
  card: {{from: interpolate/ten, method: micro, pairs: onset_apex}}
rois:
  plain: {{from: flow/cpu, method: patches30}}
  cut: {{from: flow/card, method: patches30}}
"""


def config(gpu):
    return parse(yaml.safe_load(STAGES.format(gpu=gpu)))


def test_a_group_never_mixes_jobs_with_a_gpu_and_jobs_without():
    found = config("always")
    groups = {key: group_of(found, key) for key in found.variants}
    assert groups == {
        "frames": "frames",
        "align/face": "frames",
        "interpolate/ten": "motion",
        "flow/cpu": "motion",
        "rois/plain": "motion",
        "flow/card": "gpu1",
        "rois/cut": "cpu2",
    }
    with_gpu = {key: found.variants[key].gpus(found.gpu) for key in groups}
    assert all(len({with_gpu[key] for key in groups if groups[key] == group}) == 1 for group in groups.values())


def test_without_gpus_all_motion_is_one_group():
    found = config("never")
    assert {group_of(found, key) for key in found.variants} == {"frames", "motion"}


def test_a_stage_asks_for_more_time_where_a_person_has_more_clips():
    catalog = Catalog(config("never"))
    rows = catalog.samples("simulated", next(iter(catalog.subjects("simulated"))), catalog.config.variants["flow/cpu"])
    one, many = minutes.stage_minutes("flow", rows), minutes.stage_minutes("flow", rows * 20)
    # Three clips of 18 s with a margin of three are 162 s, and sixty 54 minutes, if none is longer than 70 frames.
    assert one == minutes.SHORT + 5 and minutes.SHORT + 55 <= many <= minutes.SHORT + 100


@pytest.mark.parametrize(
    ("name", "preset", "clips", "hours"),
    # Hours of one fold of the composite on one core: `mer bench systems` (docs/benchmarks.md), LOSO hours by 68.
    [("ststnet", "published", 435, 0.02), ("mean", "published", 435, 0.01), ("aman", "small", 70, 0.004)],
)
def test_a_fit_asks_for_several_times_what_was_measured(name, preset, clips, hours):
    card = model(name, "test")
    asked = minutes.fit_minutes(card, preset, card.presets[preset], clips)
    assert 2 * 60 * hours < asked < minutes.LONGEST
    assert minutes.fit_minutes(card, preset, card.presets[preset], clips, folds=2) > asked
    assert minutes.fit_minutes(card, preset, card.presets[preset], clips, gpu=1) <= asked


def test_a_fit_that_would_take_days_asks_for_a_day_and_goes_on():
    card = model("aman", "test")
    assert minutes.fit_minutes(card, "published", card.presets["published"], 435) == minutes.LONGEST


def commands(folder, text):
    for name in cluster.SLURM:
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(stat.S_IRWXU)


def test_no_slurm_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="no sbatch, squeue, scontrol, sinfo, scancel on this machine; exp"):
        cluster.check_cluster("slurm")
    cluster.check_cluster("local")


def test_a_controller_that_does_not_answer_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    commands(tmp_path, "echo slurm_load_partitions: Unable to contact slurm controller >&2; exit 1")
    with pytest.raises(ConfigError, match=r"SLURM does not answer \(slurm_load_partitions: Unable"):
        cluster.check_cluster("slurm")
    commands(tmp_path, "exec /bin/sleep 30")
    with pytest.raises(ConfigError, match=r"sinfo said nothing for 0.2 s"):
        cluster.check_cluster("slurm", answer=0.2)
    commands(tmp_path, "echo batch")
    cluster.check_cluster("slurm")
