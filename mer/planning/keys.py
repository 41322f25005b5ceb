"""What each rule depends on besides its input files, as canonical JSON text and code digests.

A rule's parameters hold exactly its own block of the configuration: changing one thing re-runs what depends on it and
nothing else (design §4).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mer.core.container import file_digest
from mer.core.sample import dumps_index
from mer.datasets.registry import READERS
from mer.models.registry import MODELS, PRESETS
from mer.planning.catalog import Catalog
from mer.planning.config import Variant
from mer.provenance import PACKAGE, code_digest
from mer.simulate.registry import LAYOUTS
from mer.stages.run import stage_digest
from mer.training.folds import Fold
from mer.weights.locate import describe, used

# Models so small that a GPU does not pay: their jobs do not queue for one.
CPU_MODELS = {"svm_flow", "ststnet"}


def as_text(value: Mapping[str, object] | Sequence[object]) -> str:
    """Return a value as canonical JSON: rule parameters compare as text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def with_files(code: str, *paths: Path) -> str:
    """Return a code digest joined with the digest of the data files that the code reads."""
    digest = hashlib.sha256("".join([code, *(file_digest(path) for path in paths)]).encode())
    return digest.hexdigest()[:16]


def script(name: str, code: str) -> str:
    """Return a code digest joined with that of the workflow script that calls the code."""
    return with_files(code, PACKAGE.parent / "workflow" / "scripts" / f"{name}.py")


def simulation(catalog: Catalog, dataset: str, subject: str = "") -> str:
    """Return what a simulated subject depends on: never how many others there are."""
    block = catalog.config.datasets[dataset].simulate
    assert block is not None
    return as_text(block.model_dump(mode="json", exclude={"subjects"} if subject else set()))


def simulation_code(catalog: Catalog, dataset: str) -> str:
    """Return the digest of the layout that a database is written in, and of the simulator and its data beneath."""
    block = catalog.config.datasets[dataset].simulate
    assert block is not None
    return with_files(code_digest(LAYOUTS[block.layout]), *sorted((PACKAGE / "simulate" / "data").iterdir()))


def index_block(catalog: Catalog, dataset: str) -> str:
    """Return what an index depends on: its block and, for a real database, all that reading it gives."""
    block = catalog.config.datasets[dataset]
    kept = block.model_dump(mode="json", exclude={"root", "products"})
    reading = catalog.reading(dataset)
    text = dumps_index(reading.samples) + "".join(problem.line() for problem in reading.problems)
    found = "" if block.simulate else hashlib.sha256(text.encode()).hexdigest()[:16]
    return as_text({"block": kept, "release": reading.release, "found": found})


def index_code(catalog: Catalog, dataset: str) -> str:
    """Return the digest of a database's reader, and of the corrections and counts that it reads."""
    code = code_digest("mer.datasets.index", READERS[catalog.config.datasets[dataset].reader])
    return with_files(code, *(PACKAGE / "datasets" / name for name in ("errata.csv", "expected.json")))


def stage_spec(variant: Variant) -> str:
    """Return the stage, variant, method and parameters of a stage job."""
    params = variant.params.model_dump(mode="json")
    return as_text({"stage": variant.stage, "variant": variant.name, "method": variant.method, "params": params})


def stage_rows(catalog: Catalog, dataset: str, subject: str, variant: Variant) -> str:
    """Return the label-free rows of a subject that a variant is made from."""
    return as_text(catalog.rows(dataset, subject, variant))


def stage_code(variant: Variant) -> str:
    """Return the code digest of a variant's stage and method, joined with that of the weights it uses."""
    code, weights = stage_digest(variant.stage, variant.method), used(variant.params)
    return with_files(code, *weights) if weights else code


def split_block(catalog: Catalog, experiment: str) -> str:
    """Return what the fold tables of an experiment depend on."""
    block = catalog.config.experiments[experiment]
    kept = {name: getattr(block, name) for name in ("data", "view", "protocol", "labels")}
    names = [fold.name for fold in catalog.folds(experiment)]
    drawn = {"folds": block.folds} if block.protocol == "kfold" else {}
    if block.protocol == "kfold" or block.labels == "permuted":
        drawn["seed"] = catalog.config.seed
    if block.train.regions == "annotation":
        drawn["oracle"] = 1
    return as_text({**kept, **drawn, "names": names})


def preset(catalog: Catalog, experiment: str) -> str:
    """Return the preset of an experiment: the model's first when none is named."""
    block = catalog.config.experiments[experiment]
    return block.preset or PRESETS[block.model][0]


def origin(catalog: Catalog, experiment: str) -> dict[str, object]:
    """Return what a checkpoint carries so that `mer predict` can treat a new clip as its training clips were.

    `chains` lists, for every input of the model, the steps that lead to its product: stage, method, all parameters,
    and the digest of their code. `view`, `labels`, `simulated` and `data` say what it was trained on.
    """
    block = catalog.config.experiments[experiment]
    chains = {
        name: [{**json.loads(stage_spec(variant)), "code": stage_code(variant)} for variant in steps]
        for name, steps in ((name, catalog.config.chain(product)) for name, product in block.inputs.items())
    }
    for step in (step for steps in chains.values() for step in steps):
        del step["variant"]
    simulated = all(catalog.config.datasets[name].simulate is not None for name in block.data)
    return {"chains": chains, "view": block.view, "labels": block.labels, "simulated": simulated, "data": block.data}


def fit_block(catalog: Catalog, experiment: str) -> str:
    """Return what a fit depends on besides its inputs."""
    block = catalog.config.experiments[experiment]
    recipe = block.train.model_dump(mode="json", exclude_none=True)
    classes = list(catalog.selection(experiment).classes)
    named = {"model": block.model, "preset": preset(catalog, experiment), "train": recipe, "classes": classes}
    if block.train.trunk is not None:
        named["trunk"] = describe(block.train.trunk)
    return as_text({**named, "origin": origin(catalog, experiment)})


def model_code(catalog: Catalog, experiment: str) -> str:
    """Return the digest of an experiment's model and of the code that trains and applies it."""
    return code_digest("mer.training.fit", "mer.training.predict", MODELS[catalog.config.experiments[experiment].model])


def epochs_block(catalog: Catalog, experiment: str) -> str:
    """Return what the oracle-epoch diagnostic's fit depends on besides its inputs."""
    every = catalog.config.experiments[experiment].diagnose.oracle_epoch
    return as_text({"fit": fit_block(catalog, experiment), "every": every})


def epochs_code(catalog: Catalog, experiment: str) -> str:
    """Return the digest of an experiment's model and of the code that runs the oracle-epoch diagnostic."""
    model = MODELS[catalog.config.experiments[experiment].model]
    return code_digest("mer.training.epochs", "mer.training.predict", model)


def fit_code(catalog: Catalog, experiment: str) -> str:
    """Return the digest of an experiment's model and of the code that trains one fold or several."""
    return script("fit", code_digest("mer.training.batched", MODELS[catalog.config.experiments[experiment].model]))


def one_by_one(catalog: Catalog) -> str:
    """Return the pattern of the experiments whose folds are trained in a job each; one that nothing matches if none."""
    names = [name for name, block in catalog.config.experiments.items() if block.folds_per_job == 1]
    return "|".join(re.escape(name) for name in names) or "(?!)"


def fold_batches(catalog: Catalog) -> list[tuple[str, int, list[Fold]]]:
    """Return experiment, number and folds of every job that trains several folds."""
    batches = []
    for name, block in catalog.config.experiments.items():
        folds, size = catalog.folds(name), block.folds_per_job
        starts = range(0, len(folds), size) if size > 1 else ()
        batches += [(name, start // size, folds[start : start + size]) for start in starts]
    return batches


def batch_products(catalog: Catalog, experiment: str, folds: Sequence[Fold]) -> list[Path]:
    """Return the containers of every training subject of some folds."""
    paths = {path for fold in folds for path in catalog.fold_products(experiment, fold.name, held_out=False)}
    return sorted(paths)


def fit_threads(catalog: Catalog, experiment: str, folds: int) -> int:
    """Return how many cores a job of several folds asks for: one for each fold, or one beside a GPU."""
    return 1 if gpu(catalog, experiment) else folds


def gpu(catalog: Catalog, experiment: str) -> int:
    """Return how many GPUs a fit job asks for: none for a small model or preset, so that such jobs run side by side."""
    cheap = catalog.config.experiments[experiment].model in CPU_MODELS or preset(catalog, experiment) == "small"
    return 0 if cheap else 1


def score_block(catalog: Catalog, experiment: str) -> str:
    """Return what a score depends on besides the predictions."""
    block = catalog.config.experiments[experiment]
    values = {
        "classes": list(catalog.selection(experiment).classes),
        "labels": block.labels,
        "simulated": all(catalog.config.datasets[name].simulate is not None for name in block.data),
        "bootstrap": catalog.config.bootstrap,
        "seed": catalog.config.seed,
    }
    return as_text(values)


def report_code() -> str:
    """Return the digest of the report's code and of its page."""
    code = code_digest("mer.report.build", "mer.reporting")
    return with_files(code, *(PACKAGE / "report" / name for name in ("page.css", "page.html")))
