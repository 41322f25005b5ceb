"""Many folds in one job: the same bytes as one at a time, and nothing of what a fold holds out."""

import dataclasses
import multiprocessing
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from mer.core.errors import ModelError
from mer.models import ststnet
from mer.models.state import State
from mer.training import many_folds
from mer.training.checkpoint import load_checkpoint, save_checkpoint
from mer.training.experiment import checked
from mer.training.fit import COLLAPSED, fit_fold, write_fold
from mer.training.fold_tables import write_table
from mer.training.many_folds import fit_folds
from mer.training.recipe import Inner, Recipe
from mer.training.shared_clips import share

CLASSES = ("negative", "positive", "surprise")
RECIPE = Recipe(epochs=2, batch_size=16)


def quiet(line):
    """Take a line of the log."""


def silent(fold):
    return quiet


def planned(model="ststnet", recipe=RECIPE, device="cpu"):
    return checked(model, None, recipe, CLASSES, 0, device=device, origin={"view": "emotion_3"})


def jobs_of(world, folder, numbers=(0, 1, 2)):
    folds = [world.folds()[k] for k in numbers]
    jobs = [world.job(fold, folder / f"{fold.name}.safetensors") for fold in folds]
    return jobs, world.containers(sorted({source for f in folds for source in f.train_sources}))


def alone(world, job, experiment, out):
    sources = sorted({row.source for row in world.selection.rows if row.group not in job.held_out})
    fit_fold(experiment, dataclasses.replace(job, out=out), world.containers(sources), quiet)
    return out.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("model", "workers"), [("ststnet", 1), ("ststnet", 2), ("svm_flow", 1)])
def test_the_bytes_of_one_fold_at_a_time(make_world, tmp_path, model, workers):
    world = make_world(clips=4, broken=("sub01_c1",))
    experiment = planned(model, RECIPE if model == "ststnet" else Recipe())
    jobs, containers = jobs_of(world, tmp_path / "many")
    shuffled = list(jobs)
    random.Random(0).shuffle(shuffled)
    fit_folds(experiment, shuffled, containers, workers=workers, log=silent)
    for job in jobs:
        assert job.out.read_bytes() == alone(world, job, experiment, tmp_path / "alone.safetensors")


def test_a_fold_gets_its_own_rows_and_no_others(world, tmp_path):
    jobs, containers = jobs_of(world, tmp_path)
    shared = share(planned(), jobs, containers)
    assert len(shared.data.rows) == 54
    for number, job in enumerate(jobs):
        part = shared.part(number)
        assert {row.group for row in part.rows} == {row.group for row in shared.data.rows} - set(job.held_out)
        assert not set(job.held_out) & {shared.data.rows[i].group for i in shared.clips(number)}
        held = [source for source in part.inputs["motion"]["digests"] if source.endswith(job.held_out[0][-5:])]
        assert not held
        assert not np.shares_memory(part.features, shared.data.features)


@pytest.mark.parametrize("device", ["cpu", "together"])
def test_what_is_held_out_changes_nothing(world, tmp_path, device):
    """One person's features are replaced by noise: the fold that holds the person out keeps its bits."""
    jobs, containers = jobs_of(world, tmp_path)
    experiment = planned(device="cpu")
    shared = share(experiment, jobs, containers)
    noise = np.array(shared.data.features)
    rows = [i for i, row in enumerate(shared.data.rows) if row.group in jobs[1].held_out]
    noise[rows] = 50.0
    poisoned = dataclasses.replace(shared, data=dataclasses.replace(shared.data, features=noise))
    kept = []
    for data in (shared, poisoned):
        if device == "together":
            many_folds.fit_on_gpu(experiment, jobs, data, silent)
        else:
            for number, job in enumerate(jobs):
                many_folds.train_fold(experiment, job, data.part(number), quiet)
        kept.append([job.out.read_bytes() for job in jobs])
    assert kept[0][1] == kept[1][1]
    assert kept[0][0] != kept[1][0] and kept[0][2] != kept[1][2]


def test_together_is_alone_within_rounding(world, tmp_path):
    jobs, containers = jobs_of(world, tmp_path)
    experiment = planned()
    data = share(experiment, jobs, containers)
    many_folds.fit_on_gpu(experiment, jobs, data, silent)
    for job in jobs:
        state, meta = load_checkpoint(job.out)
        alone(world, job, experiment, tmp_path / "alone.safetensors")
        expected, told = load_checkpoint(tmp_path / "alone.safetensors")
        scores = [ststnet.MODEL.predict(one, data.data.features) for one in (state, expected)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)
        differing = {key for key in meta if meta[key] != told[key]}
        assert differing <= {"state", "losses"}
        assert len(meta["losses"]) == 1 and len(meta["losses"][0]) == experiment.settings.epochs
        assert meta["losses"][0] == pytest.approx(told["losses"][0], rel=1e-3)
        assert meta["losses"][0][-1] == pytest.approx(expected.meta["training_loss"], rel=1e-3)


class Killed(Exception):
    """Stands for a job that ends in the middle."""


def dying(line_part):
    def say(line):
        if line_part in line:
            raise Killed

    return lambda fold: say


def kept_together(world, folder, numbers=(0, 1, 2)):
    jobs, containers = jobs_of(world, folder, numbers)
    return [dataclasses.replace(job, resume=folder / f"{job.fold}.resume.safetensors") for job in jobs], containers


def test_folds_trained_together_go_on_after_a_kill(make_world, tmp_path):
    """To the same bytes, with folds of several numbers of batches: person 5 has more clips than the others."""
    world = make_world(clips=lambda s: 9 if s == 5 else 4)
    experiment = planned(recipe=Recipe(epochs=4, batch_size=8))
    jobs, containers = kept_together(world, tmp_path, (0, 4, 5))
    shared = share(experiment, jobs, containers)
    assert len({-(-len(shared.clips(k)) // 8) for k in range(3)}) == 2
    many_folds.fit_on_gpu(experiment, jobs, shared, silent)
    whole = [job.out.read_bytes() for job in jobs]
    for job in jobs:
        job.out.unlink()
    with pytest.raises(Killed):
        many_folds.fit_on_gpu(experiment, jobs, shared, dying("epoch 2/4"), every=0.0)
    state = jobs[0].resume
    assert state.is_file() and not any(job.out.exists() for job in jobs)
    # A state of other folds is not used.
    lines = []
    two = dataclasses.replace(shared, tables=shared.tables[:2])
    many_folds.fit_on_gpu(experiment, jobs[:2], two, lambda fold: lines.append)
    assert any("training starts from the beginning" in line for line in lines)
    lines.clear()
    many_folds.fit_on_gpu(experiment, jobs, shared, lambda fold: lines.append, every=0.0)
    assert "ststnet: continues after epoch 2" in lines and not any("epoch 2/4" in line for line in lines)
    assert [job.out.read_bytes() for job in jobs] == whole


def test_folds_that_were_over_are_not_trained_again(world, tmp_path, monkeypatch):
    """The memory holds one fold; the job is killed in the second, and the first one's state says that it is over."""
    experiment, real = planned(recipe=Recipe(epochs=2, batch_size=16)), ststnet.MODEL.fit_together
    jobs, containers = kept_together(world, tmp_path, (0, 1))
    shared = share(experiment, jobs, containers)

    def short(features, shares, *rest):
        if len(shares) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(features, shares, *rest)

    monkeypatch.setattr(ststnet, "MODEL", dataclasses.replace(ststnet.MODEL, fit_together=short))

    def second_dies(fold):
        return dying("epoch 2/2")(fold) if fold == jobs[1].fold else quiet

    with pytest.raises(Killed):
        many_folds.fit_on_gpu(experiment, jobs, shared, second_dies, every=1e9)
    first = jobs[0].out.read_bytes()
    lines = []
    many_folds.fit_on_gpu(experiment, jobs, shared, lambda fold: lines.append)
    assert "ststnet: continues after epoch 2" in lines and jobs[0].out.read_bytes() == first


def test_a_killed_job_of_several_folds_does_not_repeat_those_that_were_over(world, tmp_path):
    experiment, lines = planned(recipe=Recipe(epochs=2, batch_size=16)), []
    jobs, containers = kept_together(world, tmp_path, (0, 1))

    def second_dies(fold):
        return dying("epoch 2/2")(fold) if fold == jobs[1].fold else quiet

    with pytest.raises(Killed):
        fit_folds(experiment, jobs, containers, log=second_dies)
    first = jobs[0].out.read_bytes()
    # Snakemake removes what a failed job has written.
    jobs[0].out.unlink()
    fit_folds(experiment, jobs, containers, log=lambda fold: lambda line: lines.append((fold, line)))
    assert [line for fold, line in lines if fold == jobs[0].fold][:1] == ["ststnet: continues after epoch 2"]
    assert jobs[0].out.read_bytes() == first == alone(world, jobs[0], experiment, tmp_path / "alone.safetensors")
    assert not any(path.exists() for job in jobs for path in job.state_files)


def test_every_fold_trained_together_has_its_own_losses(world, tmp_path):
    experiment = planned()
    jobs, containers = jobs_of(world, tmp_path)
    many_folds.fit_on_gpu(experiment, jobs, share(experiment, jobs, containers), silent)
    told = [load_checkpoint(job.out) for job in jobs]
    assert len({meta["losses"][0][-1] for _, meta in told}) == len(jobs)
    for state, meta in told:
        ((_, last),) = meta["losses"]
        assert last == pytest.approx(state.meta["training_loss"], rel=1e-5)


def test_who_watches_the_epochs_is_told_of_folds_trained_together(world, tmp_path):
    from mer.models.loop import watching

    jobs, containers = jobs_of(world, tmp_path)
    seen, experiment = [], planned()
    with watching(lambda epoch, epochs, network: seen.append((epoch, epochs))):
        many_folds.fit_on_gpu(experiment, jobs, share(experiment, jobs, containers), silent)
    assert seen == [(1, 2), (2, 2)]


def test_fewer_folds_at_once_when_memory_is_short(world, tmp_path, monkeypatch):
    jobs, containers = jobs_of(world, tmp_path, range(5))
    experiment, tried, lines = planned(), [], []

    def short(features, shares, n_classes, preset, log, device):
        tried.append(len(shares))
        if len(shares) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [State({"a": np.zeros(1)}) for _ in shares]

    monkeypatch.setattr(ststnet, "MODEL", dataclasses.replace(ststnet.MODEL, fit_together=short))
    many_folds.fit_on_gpu(experiment, jobs, share(experiment, jobs, containers), lambda fold: lines.append)
    assert tried == [5, 2, 2, 1] and all(job.out.is_file() for job in jobs)
    assert lines[0] == "no memory for 5 folds at once; 2 from here on"

    def none(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(ststnet, "MODEL", dataclasses.replace(ststnet.MODEL, fit_together=none))
    with pytest.raises(ModelError, match="no memory for one fold; set a smaller batch_size"):
        many_folds.fit_on_gpu(experiment, jobs, share(experiment, jobs, containers), silent)


def test_a_gpu_trains_at_once_only_what_it_can_train_so(world, tmp_path, monkeypatch):
    jobs, containers = jobs_of(world, tmp_path, (0,))
    asked = []
    monkeypatch.setattr(many_folds, "fit_on_gpu", lambda experiment, *rest: asked.append("together"))
    monkeypatch.setattr(many_folds, "train_fold", lambda experiment, *rest, **options: asked.append("alone"))
    for recipe in (RECIPE, Recipe(inner=Inner(folds=2)), Recipe(gradient_clip=1.0), Recipe(precision="bf16")):
        fit_folds(planned(recipe=recipe, device="cuda"), jobs, containers, log=silent)
    assert asked == ["together", "alone", "alone", "alone"]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_fold_that_fails_is_one_clear_line(world, tmp_path, workers):
    jobs, containers = jobs_of(world, tmp_path)
    one_class = [row for row in world.folds()[1].train if row.label == "negative"]
    write_table(tmp_path / "train.csv", one_class)
    jobs[1] = dataclasses.replace(jobs[1], train_table=tmp_path / "train.csv")
    with pytest.raises(ModelError, match="clips of one class only; expected at least two classes"):
        fit_folds(planned(), jobs, containers, workers=workers, log=silent)
    assert not jobs[1].out.exists()


def test_tables_that_disagree_are_refused(world, tmp_path):
    jobs, containers = jobs_of(world, tmp_path)
    rows = [dataclasses.replace(row, label="surprise") for row in world.folds()[1].train]
    write_table(tmp_path / "train.csv", rows)
    jobs[1] = dataclasses.replace(jobs[1], train_table=tmp_path / "train.csv")
    with pytest.raises(ModelError, match="differs from that of another fold; expected one label"):
        share(planned(), jobs, containers)
    held = dataclasses.replace(jobs[0], held_out=("casme2:sub03",))
    with pytest.raises(ModelError, match="belongs to the held-out subject casme2:sub03"):
        share(planned(), [held], containers)


@pytest.mark.slow
def test_a_process_that_dies_is_told_and_leaves_none_behind(world, tmp_path):
    jobs, containers = jobs_of(world, tmp_path, (0, 1))

    def kill(line):
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(ModelError, match="a training process ended before its fold did; run the same command again"):
        fit_folds(planned(recipe=Recipe(epochs=40, batch_size=16)), jobs, containers, workers=2, log=lambda fold: kill)
    assert not multiprocessing.active_children() and not any(job.out.exists() for job in jobs)


SCRIPT = """
import multiprocessing, sys
from pathlib import Path
from conftest import build
from mer.training.experiment import checked
from mer.training.many_folds import fit_folds
from mer.training.recipe import Recipe

def tell(line):
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)

if __name__ == "__main__":
    world = build(Path(sys.argv[1]), clips=3)
    jobs = [world.job(fold, world.root / f"{fold.name}.safetensors") for fold in world.folds()[:2]]
    containers = world.containers(sorted({row.source for row in world.selection.rows}))
    experiment = checked("ststnet", None, Recipe(epochs=5000), ("negative", "positive", "surprise"), 0)
    fit_folds(experiment, jobs, containers, workers=2, log=lambda fold: tell)
"""


def lives(number):
    state = Path(f"/proc/{number}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "world")]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths})
    children = [int(number) for number in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert len(children) == 2
    ended = time.monotonic() + 60
    while any(lives(child) for child in children):
        assert time.monotonic() < ended, "a process outlived the one that started it"
        time.sleep(0.1)


def test_subjects_of_one_clip_and_an_absent_class(make_world, tmp_path):
    """Person 5 has one clip, and all clips of surprise are of person 0."""
    world = make_world(clips=lambda s: 1 if s == 5 else 4, labels=lambda s, c: 2 if s == 0 else c % 2)
    jobs, containers = jobs_of(world, tmp_path, (0, 5))
    lines = []
    fit_folds(planned(), jobs, containers, log=lambda fold: lambda line: lines.append((fold, line)))
    assert (jobs[0].fold, f"fold {jobs[0].fold}: no training clip of class surprise") in lines
    assert load_checkpoint(jobs[0].out)[1]["class_counts"]["surprise"] == 0
    assert load_checkpoint(jobs[1].out)[1]["n_train"] == 20


def test_a_collapsed_network_is_warned_of(world, tmp_path):
    jobs, containers = jobs_of(world, tmp_path, (0,))
    experiment, lines = planned(), []
    data = share(experiment, jobs, containers).part(0)
    for used, warned in ((COLLAPSED - 0.1, True), (COLLAPSED + 0.1, False)):
        lines.clear()
        write_fold(experiment, jobs[0], data, State({"a": np.zeros(1)}, {"classes_used": used}), {}, lines.append)
        assert any(line.startswith("warning: ") and "collapsed" in line for line in lines) == warned
    assert load_checkpoint(jobs[0].out)[1]["state"]["classes_used"] == COLLAPSED + 0.1


def test_a_checkpoint_that_is_not_finite_is_refused(tmp_path):
    with pytest.raises(ModelError, match="values that are not finite"):
        save_checkpoint(tmp_path / "m", State({"a": np.array([np.nan])}), {})
