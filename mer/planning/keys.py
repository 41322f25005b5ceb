"""What each rule depends on besides its input files, as canonical JSON text and code digests.

A rule's parameters hold exactly its own block of the configuration: changing one thing re-runs what depends on it and
nothing else (docs/architecture.md, What runs again).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mer.core.container import file_digest
from mer.core.sample import dumps_index
from mer.datasets.registry import READERS
from mer.planning.catalog import Catalog
from mer.planning.config import Variant
from mer.provenance import PACKAGE, code_digest
from mer.simulate.names import LAYOUTS
from mer.stages.run import stage_digest
from mer.weights.locate import used


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
    read = "" if block.simulate else hashlib.sha256(text.encode()).hexdigest()[:16]
    return as_text({"block": kept, "release": reading.release, "read": read})


def index_code(catalog: Catalog, dataset: str) -> str:
    """Return the digest of a database's reader, and of the corrections and counts that it reads."""
    code = code_digest("mer.datasets.reading", READERS[catalog.config.datasets[dataset].reader])
    return with_files(code, *(PACKAGE / "datasets" / name for name in ("errata.csv", "expected.json", "views.yaml")))


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


def report_code() -> str:
    """Return the digest of the report's code and of its templates."""
    code = code_digest("mer.report.build", "mer.planning.report_inputs")
    return with_files(code, *sorted((PACKAGE / "report" / "templates").iterdir()))
