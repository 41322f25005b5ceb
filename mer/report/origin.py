"""The provenance section: what the containers of every product say of themselves, and the configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mer.core.container import Container
from mer.core.errors import ContainerError
from mer.report.product_pictures import describe


@dataclass(frozen=True)
class ProductRecord:
    """What the containers of one product say of themselves; each tuple holds the distinct values among them.

    `inputs` maps a subject to the digests that its container was made from; `absent` says why others have none;
    `told` are the parameters of one of them.
    """

    product: str
    containers: int
    clip_ids: frozenset[str]
    failures: int
    parameters: tuple[str, ...]
    codes: tuple[str, ...]
    versions: tuple[str, ...]
    inputs: Mapping[str, Mapping[str, str]]
    absent: tuple[str, ...]
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def releases(self) -> list[str]:
        """The versions without the libraries beneath."""
        return [text.partition(" with ")[0] for text in self.versions]

    @property
    def mixed(self) -> bool:
        """Whether its containers were not all made in the same way."""
        return max(map(len, (self.parameters, self.codes, self.versions))) > 1

    @property
    def made_from(self) -> list[list[str]]:
        """Product, subject, and the digests that its container was made from."""
        texts = {
            subject: ", ".join(f"{name} {digest}" for name, digest in sorted(digests.items()))
            for subject, digests in self.inputs.items()
        }
        return [[self.product, subject, text or "the owner's media"] for subject, text in texts.items()]


def record(product: str, paths: Mapping[str, Path]) -> ProductRecord:
    """Read the attributes of every container of a product; subjects without a readable one are listed as absent."""
    parameters, codes, versions = set(), set(), set()
    inputs: dict[str, dict[str, str]] = {}
    absent: list[str] = []
    told: Mapping[str, Any] = {}
    clip_ids: set[str] = set()
    failures = 0
    for subject, path in sorted(paths.items()):
        try:
            with Container(path) as box:
                told = box.parameters()
                parameters.add(describe(told))
                codes.add(str(box.attributes["code"]))
                versions.add(f"{box.attributes['mer_version']} with {box.attributes.get('libraries', '')}")
                inputs[subject] = json.loads(str(box.attributes["inputs"]))
                clip_ids |= set(box.clip_ids)
                failures += len(box.failures)
        except ContainerError as error:
            absent.append(f"{subject}: {error.found}")
    texts = [tuple(sorted(values)) for values in (parameters, codes, versions)]
    return ProductRecord(
        product, len(inputs), frozenset(clip_ids), failures, texts[0], texts[1], texts[2], inputs, tuple(absent), told
    )


class _Dumper(yaml.SafeDumper):
    """Mappings are indented, lists stand in one line, and text that is not plain is in double quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_list(self, values: Any) -> yaml.Node:
        return self.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)

    def represent_text(self, text: str) -> yaml.Node:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if _is_plain(text) else '"')


_Dumper.add_representer(list, _Dumper.represent_list)
_Dumper.add_representer(tuple, _Dumper.represent_list)
_Dumper.add_representer(str, _Dumper.represent_text)


def _is_plain(text: str) -> bool:
    try:
        return bool(yaml.safe_load(text) == text)
    except yaml.YAMLError:
        return False


def as_yaml(configuration: Mapping[str, Any]) -> str:
    """Return a configuration of mappings, lists and scalars as YAML text, keys in their order."""
    text = yaml.dump(configuration, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf"))
    return text.rstrip("\n")
