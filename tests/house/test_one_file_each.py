"""A database, its layout, a method and a model from outside: each one file that a configuration names, and no more.

The four files of `outside/` are written into a folder, and stand under the key `plugins`. Nothing else is touched: the
contract tests, the configuration, the plan with its digests, and every step of the workflow from the rendered pictures
to the scores take them as they take ours. (The documentation that a database of ours needs besides is asked for by
`tests/checking/test_datasets_page.py`.)
"""

from pathlib import Path

import numpy as np
import pytest
from whole_run import make_products, train_and_score

from mer import provenance
from mer.core.container import Container, ContainerWriter
from mer.core.errors import ConfigError
from mer.core.plugins import plug_in
from mer.datasets import registry as readers
from mer.models import registry as models
from mer.planning import keys
from mer.planning.catalog import Catalog
from mer.planning.experiments import TASKS, all_planned
from mer.planning.read_config import parse
from mer.simulate.registry import layout as load_layout
from mer.stages import registry as methods
from mer.testing.layouts import check_layout
from mer.testing.methods import check_method
from mer.testing.models import check_model
from mer.testing.readers import check_reader

OUTSIDE = Path(__file__).with_name("outside")
CONFIG = {
    "bootstrap": 100,
    "datasets": {"smiles": {"reader": "smiles", "simulate": {"layout": "smiles", "subjects": 3, "clips": 3}}},
    "align": {"whole": {"method": "published_crop", "preset": "au_fusion", "size": 64, "upsample": 1}},
    "flow": {"normal": {"from": "align/whole", "method": "normal_flow"}},
    "experiments": {
        "theirs": {
            "model": "perceptron",
            "data": ["smiles"],
            "inputs": {"motion": "flow/normal"},
            "train": {"epochs": 2},
        }
    },
}


FILES = sorted(OUTSIDE.glob("*.py"))


@pytest.fixture
def theirs(tmp_path, unplugged):
    """A folder with the four files."""
    for file in FILES:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def configuration(folder, **changes):
    """Return the configuration that names the four files of a folder."""
    return {**CONFIG, "plugins": [str(folder / file.name) for file in FILES], **changes}


def clips(folder):
    """Twelve clips of the model's input: one class moves right, the other down."""
    rng, labels = np.random.default_rng(0), np.arange(12) % 2
    with ContainerWriter(folder / "flow.h5", "flow") as out:
        for number, label in enumerate(labels):
            flow = rng.normal(0, 0.1, (1, 2, 16, 16)).astype(np.float32)
            flow[0, label] += 1
            with out.clip(f"c{number}") as clip:
                clip.write("flow", flow)
                clip.write("strain", np.hypot(flow[:, 0], flow[:, 1]))
    return [{"motion": clip} for clip in Container(folder / "flow.h5")], labels


def test_each_keeps_its_contract(theirs, tmp_path):
    plug_in(configuration(theirs)["plugins"], "test")
    check_reader(readers.reader("smiles"))
    check_layout(load_layout("smiles"), pictures=False)
    check_method("flow", methods.load_method("flow", "normal_flow", "test"))
    given, labels = clips(tmp_path)
    check_model(models.model("perceptron", "test"), given, labels, np.array([f"p{n % 3}" for n in range(12)]))


@pytest.mark.slow
def test_they_run_from_pictures_to_scores(theirs, tmp_path):
    catalog = Catalog(parse(configuration(theirs, results=str(tmp_path / "results"))))
    plan = all_planned(catalog)["experiments"]["theirs"]
    assert [fold.name for fold in plan.folds] == ["smiles-p0", "smiles-p1", "smiles-p2"]
    make_products(catalog, "smiles")
    metrics = train_and_score(plan)
    assert (metrics["n_clips"], metrics["n_subjects"], metrics["excluded"]) == (9, 3, [])
    assert 0 <= metrics["summary"]["per_dataset"]["smiles"]["uf1"]["mean"] <= 1
    assert catalog.config.settled["theirs"].preset == "only" and plan.gpus(TASKS["fit"]) == 0


def digests(folder):
    """What decides whether the jobs of each of the four run again."""
    provenance._tree.cache_clear()
    catalog = Catalog(parse(configuration(folder)))
    plan = all_planned(catalog)["experiments"]["theirs"]
    return {
        "smiles": keys.index_code(catalog, "smiles"),
        "smiles_layout": keys.simulation_code(catalog, "smiles"),
        "normal_flow": catalog.config.variants["flow/normal"].code,
        "perceptron": plan.fit_code(TASKS["fit"]),
    }


def test_a_change_of_one_runs_its_own_jobs_again(theirs):
    before = digests(theirs)
    for name in before:
        file = theirs / f"{name}.py"
        file.write_text(file.read_text() + "\nCHANGED = True\n")
        after = digests(theirs)
        assert {key for key in after if after[key] != before[key]} == {name}
        before = after


def test_a_misspelt_name_is_told_the_foreign_one(theirs):
    changed = configuration(theirs, flow={"normal": {"from": "align/whole", "method": "norml_flow"}})
    with pytest.raises(ConfigError, match="did you mean 'normal_flow'"):
        parse(changed)
