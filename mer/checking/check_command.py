"""`mer check` as a function of plain values: what the command line calls."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from mer.checking.check import check
from mer.checking.report_text import render
from mer.core.errors import ConfigError
from mer.core.progress import bar
from mer.datasets.registry import reader_of


def run_check(
    root: str | Path,
    dataset: str,
    view: str = "",
    options: Sequence[str] = (),
    strict: bool = False,
    as_json: bool = False,
    licence_accepted: bool | None = None,
    errata: bool = True,
    decode: int = 3,
    everything: bool = False,
) -> tuple[str, int]:
    """Return the text to print and the exit status: 0 usable, 1 usable with exclusions, 2 unusable.

    Args:
        root: the database's folder.
        dataset: a reader (`casme2`) or one of its databases (`smic_vis`).
        view: which of the released image trees to look at; the reader's default when empty.
        options: further keys of the reader as `key=value`.
        strict: any problem makes the download unusable.
        as_json: return JSON instead of tables.
        licence_accepted: see `mer.checking.check.check`.
        errata: whether known faults are corrected.
        decode: images to decode per row.
        everything: list every problem, not the first of each rule.

    Raises:
        ConfigError: unknown dataset, option or value.
    """
    given = _pairs(options, dataset) | ({"view": view} if view else {})
    with bar(f"looking at {dataset}") as progress:
        report = check(
            root,
            dataset,
            given,
            strict,
            progress,
            licence_accepted=licence_accepted,
            errata=errata,
            decode=decode,
        )
    if as_json:
        return json.dumps(report.as_dict(), indent=1, ensure_ascii=False) + "\n", report.exit_code
    return render(report, shutil.get_terminal_size((110, 24)).columns, everything), report.exit_code


def _pairs(options: Sequence[str], dataset: str) -> dict[str, object]:
    """Return `key=value` texts as a mapping; a list option takes its values separated by commas."""
    fields = reader_of(dataset)[0].options.model_fields
    pairs: dict[str, object] = {}
    for text in options:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"option {text!r}", "no '='", "key=value, e.g. apex_missing=exclude")
        listed = "tuple" in str(getattr(fields.get(key.strip()), "annotation", ""))
        pairs[key.strip()] = [part for part in value.split(",") if part] if listed else value.strip()
    return pairs
