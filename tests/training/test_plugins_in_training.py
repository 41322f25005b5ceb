"""A model of a plug-in in the training of folds: in processes beside each other, without the held-out persons' files,
and later in `mer predict`.
"""

import dataclasses

import pytest

from mer.core.errors import ModelError
from mer.core.plugins import plug_in
from mer.training.experiment import checked
from mer.training.fit import fit_fold
from mer.training.many_folds import fit_folds
from mer.training.predict_new import open_ensemble
from mer.training.recipe import Recipe

pytestmark = pytest.mark.usefixtures("unplugged")
CLASSES = ("negative", "positive", "surprise")
NETWORK = """
from mer.models.plain_network import Settings, network


class Preset(Settings):
    width: int = 4


def build(preset, n_classes):
    from torch import nn

    layers = nn.Linear(3 * 28 * 28, preset.width), nn.ReLU(), nn.Linear(preset.width, n_classes)
    return nn.Sequential(nn.Flatten(), *layers)


MODEL = network(build, Preset(epochs=2))
"""
SPYING = """
import numpy as np
from mer.models.plain_estimator import Settings, estimator


def features(clips, preset):
    return clips["motion"].read("flow")[0, :, ::7, ::7]


def build(preset):
    from sklearn.naive_bayes import GaussianNB

    SPY
    return GaussianNB()


MODEL = estimator(build, features=features)
"""


FLOW = """
from mer.stages.flow.method import FlowMethod, FlowParams

METHOD = FlowMethod(FlowParams, lambda first, second, params: first)
"""


def silent(fold):
    return lambda line: None


def written(folder, name, text):
    (folder / f"{name}.py").write_text(text)
    plug_in([str(folder / f"{name}.py")], "test")


def planned(name, **options):
    recipe = Recipe(batch_size=16) if name == "invented_net" else Recipe()
    return checked(name, None, recipe, CLASSES, 0, **{"origin": {"view": "emotion_3"}, **options})


def jobs_of(world, folder, numbers):
    folds = [world.folds()[k] for k in numbers]
    jobs = [world.job(fold, folder / f"{fold.name}.safetensors") for fold in folds]
    return jobs, world.containers(sorted({source for fold in folds for source in fold.train_sources}))


@pytest.mark.slow
def test_processes_beside_each_other_know_the_plugin(world, tmp_path):
    written(tmp_path, "invented_net", NETWORK)
    jobs, containers = jobs_of(world, tmp_path / "many", (0, 1))
    fit_folds(planned("invented_net"), jobs, containers, workers=2, log=silent)
    for fold, job in zip(world.folds(), jobs, strict=False):
        again = dataclasses.replace(job, out=tmp_path / "alone.safetensors")
        fit_fold(planned("invented_net"), again, world.containers(sorted(fold.train_sources)), lambda line: None)
        assert job.out.read_bytes() == again.out.read_bytes()


WAYS = {
    "h5py": "import h5py; h5py.File(r'{product}')",
    "open": "open(r'{product}', 'rb').read()",
    "container": "from mer.core.container import Container; Container(r'{product}')",
    "pandas": "import pandas; pandas.read_csv(r'{table}')",
    "numpy": "np.loadtxt(r'{table}', str)",
    "link": "import os; os.link(r'{product}', r'{product}x.h5'); open(r'{product}x.h5')",
}


@pytest.mark.parametrize("way", WAYS)
def test_the_files_of_held_out_persons_cannot_be_read(make_world, tmp_path, way):
    world = make_world()
    (job,), containers = jobs_of(world, tmp_path / "out", (0,))
    (held,) = {row.source for row in world.folds()[0].test}
    product, table = world.containers([held])["motion"][held], job.train_table.with_name("test.csv")
    assert product.is_file() and table.is_file() and product not in containers["motion"].values()
    written(tmp_path, "invented_spy", SPYING.replace("SPY", WAYS[way].format(product=product, table=table)))
    with pytest.raises(ModelError, match=r"(\.h5|test\.csv): a training reads a file of persons whom it must not know"):
        fit_folds(planned("invented_spy"), [job], containers, log=silent)
    assert not job.out.exists()


def test_what_a_fold_was_given_is_read_and_others_may_read_all_afterwards(world, tmp_path):
    (job,), containers = jobs_of(world, tmp_path / "out", (0,))
    own = f"assert open(r'{job.train_table}').read()"
    written(tmp_path, "invented_reading", SPYING.replace("SPY", own))
    fit_folds(planned("invented_reading"), [job], containers, log=silent)
    assert job.out.is_file() and job.train_table.with_name("test.csv").read_text()


@pytest.mark.slow
def test_a_process_beside_others_cannot_read_them_either(world, tmp_path):
    jobs, containers = jobs_of(world, tmp_path / "out", (0, 1))
    (held,) = {row.source for row in world.folds()[0].test}
    spy = f"import h5py; h5py.File(r'{world.containers([held])['motion'][held]}')"
    written(tmp_path, "invented_spy2", SPYING.replace("SPY", spy))
    # In the job of both folds it is a file of the other fold's training.
    with pytest.raises(ModelError, match="a training reads a file of persons whom it must not know"):
        fit_folds(planned("invented_spy2"), jobs, containers, workers=2, log=silent)


def test_a_checkpoint_names_the_plugin_that_it_needs(world, tmp_path):
    written(tmp_path, "invented_net", NETWORK)
    step = {"stage": "flow", "method": "invented_flow", "params": {}, "code": "0" * 16}
    told = {"files": ["invented_flow.py", "invented_net.py"], "model": "0" * 16}
    origin = {"view": "emotion_3", "labels": "true", "simulated": False, "chains": {"motion": [step]}, "plugins": told}
    (job,), containers = jobs_of(world, tmp_path / "out", (0,))
    fit_folds(planned("invented_net", origin=origin), [job], containers, log=silent)
    needed = r"name the plug-ins: mer --plugin invented_flow\.py --plugin invented_net\.py predict"
    with pytest.raises(ModelError, match=rf"was trained on stage flow, method invented_flow; .*; {needed}"):
        open_ensemble(job.out)
    written(tmp_path, "invented_flow", FLOW)
    ensemble = open_ensemble(job.out)
    assert [line.partition(", which")[0] for line in ensemble.notes() if "has changed" in line] == [
        "the code of model invented_net has changed since the training",
        "the code of stage flow, method invented_flow, has changed since the training",
    ]


def test_a_checkpoint_of_a_model_that_is_not_there_says_where_it_comes_from(world, tmp_path):
    from mer.core import registry

    written(tmp_path, "invented_net", NETWORK)
    told = {"files": ["invented_net.py"], "model": "0" * 16}
    origin = {"chains": {"motion": [{"stage": "frames", "method": "list"}]}, "plugins": told}
    (job,), containers = jobs_of(world, tmp_path / "out", (0,))
    fit_folds(planned("invented_net", origin=origin), [job], containers, log=silent)
    registry.PLUGGED["mer.models"].clear()
    with pytest.raises(ModelError, match=r"'invented_net' of a plug-in \(invented_net\.py\); .*mer --plugin inv"):
        open_ensemble(job.out)
