"""What a run is cited by: entries of `references.bib` for its databases, systems, methods and protocols."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from mer.report.html import PACKAGE

FILE = "templates/references.bib"
_OWN = re.compile(r" ?(uses|shown) = \{((?:[^{}]|\{[^{}]*\})*)\},?")


@dataclass(frozen=True)
class Entry:
    """One entry: its key, its BibTeX text without the fields that are ours, what it stands for, and its short name."""

    key: str
    text: str
    uses: tuple[str, ...]
    shown: str


@cache
def entries() -> tuple[Entry, ...]:
    """Return the entries of the file, in its order."""
    text = (files(PACKAGE) / FILE).read_text(encoding="utf-8")
    found = []
    for block in re.split(r"\n(?=@)", text)[1:]:
        own = {match[1]: match[2] for match in _OWN.finditer(block)}
        key = block.partition("{")[2].partition(",")[0]
        found.append(Entry(key, _OWN.sub("", block).strip(), tuple(own["uses"].split(", ")), own.get("shown", "")))
    return tuple(found)


def of(use: str) -> list[Entry]:
    """Return the entries that stand for a use such as `reader:casme2`, `model:ststnet` or `flow:tvl1`."""
    return [entry for entry in entries() if use in entry.uses]


def cite(use: str) -> str:
    """Return LaTeX's command after a tie, or nothing where the use has no entry: a thing of our own, or yours."""
    keys = ",".join(entry.key for entry in of(use))
    return rf"~\cite{{{keys}}}" if keys else ""


def called(use: str, otherwise: str) -> str:
    """Return the short name of a use in LaTeX, else the text given."""
    return next((entry.shown for entry in of(use) if entry.shown), otherwise)


def bibliography(texts: Iterable[str]) -> str:
    """Return the entries that some LaTeX texts cite, as a file for BibTeX."""
    cited = {key for text in texts for keys in re.findall(r"\\cite\{([^}]*)\}", text) for key in keys.split(",")}
    return "\n\n".join(entry.text for entry in entries() if entry.key in cited) + "\n"
