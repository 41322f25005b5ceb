"""The provenance section: versions, code and input digests, parameters, releases, corrections and configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer.core.container import Container, file_digest
from mer.core.errors import ContainerError
from mer.provenance import versions
from mer.report.data import Dataset
from mer.report.markup import Markup, counted, folded, join, missing, table, tag
from mer.report.panels import describe

PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./ +-]*\Z")
RESERVED = {"true", "false", "null", "yes", "no", "on", "off", "~"}


@dataclass(frozen=True)
class ProductRecord:
    """What the containers of one product say of themselves; each tuple holds the distinct values among them."""

    product: str
    containers: int
    clip_ids: frozenset[str]
    failures: int
    parameters: tuple[str, ...]
    codes: tuple[str, ...]
    versions: tuple[str, ...]
    inputs: Mapping[str, Mapping[str, str]]
    absent: tuple[str, ...]


def record(product: str, paths: Mapping[str, Path]) -> ProductRecord:
    """Read the attributes of every container of a product; subjects without a readable one are listed as absent."""
    parameters, codes, mer = set(), set(), set()
    inputs: dict[str, dict[str, str]] = {}
    absent: list[str] = []
    clip_ids: set[str] = set()
    failures = 0
    for subject, path in sorted(paths.items()):
        try:
            with Container(path) as box:
                parameters.add(describe(box.parameters()))
                codes.add(str(box.attributes["code"]))
                mer.add(f"{box.attributes['mer_version']} with {box.attributes.get('libraries', '')}")
                inputs[subject] = json.loads(str(box.attributes["inputs"]))
                clip_ids |= set(box.clip_ids)
                failures += len(box.failures)
        except ContainerError as error:
            absent.append(f"{subject}: {error.found}")
    texts = [tuple(sorted(values)) for values in (parameters, codes, mer)]
    return ProductRecord(
        product, len(inputs), frozenset(clip_ids), failures, texts[0], texts[1], texts[2], inputs, tuple(absent)
    )


def provenance_block(
    datasets: Sequence[Dataset], records: Mapping[str, Sequence[ProductRecord]], config: Mapping[str, Any]
) -> Markup:
    """Return the provenance section."""
    parts: list[Markup | None] = [tag("h3", "Versions"), _versions()]
    for dataset in datasets:
        parts += [tag("h3", dataset.name), _release(dataset), _products(records[dataset.name]), _errata(dataset)]
    parts += [folded("The whole configuration", tag("pre", as_yaml(config)))]
    return join(parts)


def _versions() -> Markup:
    return tag("p", ", ".join(f"{name} {version}" for name, version in versions().items()), class_="mono")


def _release(dataset: Dataset) -> Markup:
    releases = sorted({sample.release for sample in dataset.samples if sample.release}) or ["not recorded"]
    text = f"Release: {'; '.join(releases)}. Index: sha256 {file_digest(dataset.inputs.index)}… (first 16 digits)."
    return tag("p", text)


def _products(records: Sequence[ProductRecord]) -> Markup:
    if not records:
        return missing("No product of this dataset was made.")
    rows = [
        [
            r.product,
            str(r.containers),
            str(len(r.clip_ids)),
            str(r.failures),
            _same(r.parameters),
            _same(r.codes),
            _same(tuple(text.partition(" with ")[0] for text in r.versions)),
        ]
        for r in records
    ]
    head = ["product", "files", "clips", "excluded", "method and parameters", "code digest", "mer"]
    mixed = [r.product for r in records if max(map(len, (r.parameters, r.codes, r.versions))) > 1]
    absent = [f"{r.product} {text}" for r in records for text in r.absent]
    digests = [[r.product, subject, _made_from(found)] for r in records for subject, found in r.inputs.items()]
    warning = f"Made with different parameters, code or versions for different subjects: {', '.join(mixed)}."
    return join([
        table(head, rows, numbers=(1, 2, 3), class_="products"),
        missing(warning) if mixed else None,
        missing(f"Not there: {'; '.join(absent)}.") if absent else None,
        folded("Input digests of every file", table(["product", "subject", "made from"], digests)),
    ])  # fmt: skip


def _made_from(inputs: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {digest}" for name, digest in sorted(inputs.items())) or "the owner's media"


def _same(values: Iterable[str]) -> Markup:
    return join(tag("span", value, class_="mono") for value in values) if values else Markup("–")


def _errata(dataset: Dataset) -> Markup:
    applied = [(sample.sample_id, text) for sample in dataset.samples for text in sample.errata]
    if not applied:
        return tag("p", "No correction of the annotation was applied.")
    clips = len({sample_id for sample_id, _ in applied})
    summary = f"{counted(len(applied), 'correction')} of the annotation applied to {counted(clips, 'clip')}"
    return folded(summary, table(["clip", "correction"], [list(row) for row in applied]))


def as_yaml(value: Any, indent: int = 0) -> str:
    """Return a configuration of mappings, lists and scalars as YAML text, keys in their order."""
    pad = "  " * indent
    if isinstance(value, Mapping) and value:
        lines = []
        for key, item in value.items():
            nested = isinstance(item, Mapping) and item
            text = f"\n{as_yaml(item, indent + 1)}" if nested else f" {_flow(item)}"
            lines.append(f"{pad}{_scalar(key)}:{text}")
        return "\n".join(lines)
    return pad + _flow(value)


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    text = str(value)
    return (
        text
        if PLAIN.match(text) and text.strip() == text and text.lower() not in RESERVED
        else json.dumps(text, ensure_ascii=False)
    )
