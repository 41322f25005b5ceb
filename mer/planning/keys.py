"""What each rule depends on besides its input files, as canonical JSON text and code digests.

A rule's parameters hold exactly its own block of the configuration: changing one thing re-runs what depends on it and
nothing else (docs/architecture.md, What runs again).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from mer.core import on_disk
from mer.core.plugins import label
from mer.core.sample import dumps_index
from mer.datasets.registry import READERS
from mer.models.registry import MODELS
from mer.planning.catalog import Catalog
from mer.planning.config import Config, Variant
from mer.provenance import PACKAGE, code_digest, script_digest, with_files
from mer.simulate.names import LAYOUTS
from mer.stages.registry import METHODS


def as_text(value: Mapping[str, object] | Sequence[object]) -> str:
    """Return a value as canonical JSON: rule parameters compare as text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def script(name: str, code: str) -> str:
    """Return a code digest joined with that of the workflow script that calls the code."""
    return digest(code, script_digest(PACKAGE.parent / "workflow" / "scripts" / f"{name}.py"))


def digest(*parts: str) -> str:
    """Return 16 hex digits of texts, such as the parameters of a job."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def told(block: str, code: str) -> dict[str, Any]:
    """Return what a job's parameters say, with the digest by which what it makes is known to be planned."""
    return {**json.loads(block), "made": digest(block, code)}


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
    """Return what an index depends on: its block, and all that reading its database gives.

    Corrections, counts and views that are kept as data count by what they change: a correction of another database
    changes nothing here.
    """
    block = catalog.config.datasets[dataset]
    kept = block.model_dump(mode="json", exclude={"root", "products"})
    reading = catalog.reading(dataset)
    text = dumps_index(reading.samples) + "".join(problem.line() for problem in reading.problems)
    return as_text({"block": kept, "release": reading.release, "read": digest(text)})


def index_code(catalog: Catalog, dataset: str) -> str:
    """Return the digest of a database's reader."""
    return code_digest("mer.datasets.reading", READERS[catalog.config.datasets[dataset].reader])


def stage_spec(variant: Variant) -> str:
    """Return the stage, variant, method and parameters of a stage job."""
    params = variant.params.model_dump(mode="json")
    return as_text({"stage": variant.stage, "variant": variant.name, "method": variant.method, "params": params})


def stage_rows(catalog: Catalog, dataset: str, subject: str, variant: Variant) -> str:
    """Return the label-free rows of a subject that a variant is made from, with keys of the files that it reads."""
    rows = catalog.rows(dataset, subject, variant)
    seen = files_seen(catalog, dataset, subject, variant)
    return as_text([{**row, "files": seen[str(row["sample_id"])].key} for row in rows] if seen else rows)


def files_seen(
    catalog: Catalog, dataset: str, subject: str, variant: Variant, read: bool = False
) -> dict[str, on_disk.Seen]:
    """Return what is on disk of a subject's clips, where a variant reads a database that the workflow did not write.

    `read`: with the digest of contents that nobody has read before, too.
    """
    if variant.source != "index" or catalog.config.datasets[dataset].simulate:
        return {}
    product, rows = catalog.product(dataset, variant.key, subject), catalog.rows(dataset, subject, variant)
    seen = on_disk.still(product, catalog.root(dataset), rows, variant.params)
    unread = [row for row in rows if not seen[str(row["sample_id"])].content] if read else []
    return seen | on_disk.look(catalog.root(dataset), unread, variant.params)


def chain(config: Config, product: str) -> list[dict[str, Any]]:
    """Return the steps that lead to a product, first one first: stage, method, all parameters, digest of the code."""
    steps = [{**json.loads(stage_spec(step)), "code": step.code} for step in config.chain(product)]
    for step in steps:
        del step["variant"]
    return steps


def origin(catalog: Catalog, experiment: str) -> dict[str, object]:
    """Return what a checkpoint carries so that `mer predict` can treat a new clip as its training clips were.

    `chains` lists, for every input of the model, the steps that lead to its product: stage, method, all parameters,
    and the digest of their code; `model_code` is that of the model. `view`, `labels`, `simulated` and `data` say what
    it was trained on; `plugins`, where the model or a step comes from one, the files that hold them.
    """
    block = catalog.config.experiments[experiment]
    chains = {name: chain(catalog.config, product) for name, product in block.inputs.items()}
    simulated = all(catalog.config.datasets[name].simulate is not None for name in block.data)
    told: dict[str, object] = {"chains": chains, "view": block.view, "labels": block.labels}
    told |= {"simulated": simulated, "data": block.data}
    told["model_code"] = code_digest(MODELS[block.model])
    return {**told, **_plugged(block.model, [step for steps in chains.values() for step in steps])}


def _plugged(model: str, steps: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """Return what a checkpoint says of the plug-ins that it needs; nothing where it needs none."""
    own = MODELS.plugged(model)
    methods = {METHODS[step["stage"]].plugged(step["method"]) for step in steps} - {""}
    if not own and not methods:
        return {}
    return {"plugins": {"files": sorted(label(module) for module in {own, *methods} - {""})}}


def report_code() -> str:
    """Return the digest of the report's code and of its templates."""
    code = code_digest("mer.report.build", "mer.planning.report_inputs")
    return with_files(code, *sorted((PACKAGE / "report" / "templates").iterdir()))
