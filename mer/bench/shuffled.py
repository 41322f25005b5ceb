"""`mer bench shuffled`: every system of a configuration, trained and scored again on labels in random order.

Labels that mean nothing can be learned by heart and not foretold: a system that is right about held-out people more
often than chance has seen what it must not. One order says little about few clips, so there are several, each a whole
run of the workflow whose stages are those of the results that stand.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mer.bench.recognition import Log, RecognitionRow, against_chance, mean_of_orders
from mer.bench.survival import LOCALLY, WholeRun
from mer.core.atomic import write_json
from mer.core.errors import ConfigError, MerError
from mer.core.progress import each


def twins(configuration: Mapping[str, Any], order: int) -> dict[str, dict[str, Any]]:
    """Return every experiment on true labels with its labels shuffled, under a name that begins with the order.

    Raises:
        ConfigError: there is no experiment on true labels.
    """
    true = {
        name: block
        for name, block in (configuration.get("experiments") or {}).items()
        if block.get("labels", "true") == "true"
    }
    if not true:
        raise ConfigError("experiments", "none on true labels", "at least one, whose labels are shuffled")
    return {f"shuffled{order}_{name}": {**block, "labels": "permuted"} for name, block in true.items()}


def run_shuffled_bench(configuration: Mapping[str, Any], orders: int, cores: int, log: Log) -> list[RecognitionRow]:
    """Run a configuration's experiments on labels in several orders; return a row for each, and the means.

    Results are those of the configuration: what a stage has made is used, and orders that are scored are not run again.

    Args:
        configuration: as `config.yaml` has it; its paths count from the working directory.
        orders: at least 1.
        cores: of each run.
        log: takes a line for each thing done.

    Returns:
        by experiment a row for each order, with the band in which 95 of 100 orders lie that meet the same answers, and
        one for their mean.

    Raises:
        ConfigError: as `twins`.
        MerError: a run ended with an error.
    """
    results = Path(str(configuration.get("results", "results"))).expanduser()
    found: dict[str, list[RecognitionRow]] = {}
    with tempfile.TemporaryDirectory(prefix="mer-shuffled-") as temporary:
        for order in each(range(orders), "orders"):
            shuffled = twins(configuration, order)
            file = Path(temporary) / f"order{order}.yaml"
            write_json(file, {**configuration, "seed": order, "experiments": shuffled})
            metrics = {name: results / "experiments" / name / "metrics.json" for name in shuffled}
            run = WholeRun(Path.cwd(), cores, options=[*LOCALLY, "--configfile", str(file)])
            run.command += ["--replace-workflow-config", "--", *map(str, metrics.values())]
            run.output = results / "logs" / f"shuffled{order}.log"
            run.output.parent.mkdir(parents=True, exist_ok=True)
            run.finish()
            for name, path in metrics.items():
                system = name.partition("_")[2]
                found.setdefault(system, []).append(_row(f"{system}, order {order}", path))
                log(f"shuffled: {found[system][-1].what}: UF1 {found[system][-1].uf1:.3f}, {found[system][-1].told}")
    return [row for system, rows in found.items() for row in (*rows, mean_of_orders(system, rows))]


def _row(what: str, path: Path) -> RecognitionRow:
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        pooled, band = metrics["summary"]["pooled"], metrics["chance"]["own_predictions"]
    except (OSError, ValueError, KeyError) as error:
        raise MerError(path, f"not read ({error!r})", "metrics.json of the score step", "run again") from None
    value = {name: float(pooled[name]["mean"]) for name in ("uf1", "uar")}
    return against_chance(what, value, band, len(metrics["seeds"]))
