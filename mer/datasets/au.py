"""The grammar of action-unit cells over all databases (specs/datasets.md §0.4).

    items  := branch { or branch } { separator items }        or: `or`, `/`      separator: `+ , ; &` or a space
    branch := [`ref`] [side] `(` items `)` [intensity] [side] [`?`]  |  unit
    unit   := [`AU`] [side {`/` side}] number [intensity [`/` intensity]] [side] [`?`] [`(k)`]

A letter before a number is a side (L, R, A asymmetric, T and B lips); A to E after it is an intensity, L or R
after it a side. Nothing is dropped: whatever is not read becomes a note.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Literal

from mer.core.sample import ActionUnit

EMPTY = {"", "none", "null", "nan", "n/a", "/", "-"}
_NEGATIONS = {"lose", "loses", "lost", "losing", "without", "no", "not", "minus"}
_DEPTH = 6
_LONGEST = 4000
_WIDE = {0xFF01 + i: 0x21 + i for i in range(94)} | {0x3000: 0x20, 0xA0: 0x20, 0x3001: 0x2C, 0xFF64: 0x2C}

_UNIT = r"""
    (?:AUs?\s*\.?\s*)?
    (?:(?P<side>[LRATB](?:\s*/\s*[LRATB])*)\s*)?
    (?P<number>[0-9]{1,2})(?:(?P<zeros>\.0+)(?![0-9.]))?(?![0-9]|\.[0-9])
    (?:(?P<level>[A-E](?:\s*/\s*[A-E])?)(?=[LR]?(?![A-Za-z0-9]))|\s*\((?P<range>[A-E](?:\s*/\s*[A-E])?)\))?
    (?P<after>[LR](?![A-Za-z0-9]))?
    (?P<unsure>\s*\?)?
    (?P<kept>\s*\(\s*k\s*\))?
"""
_TOKEN = re.compile(
    rf"""(?P<unit>{_UNIT})
    |(?P<either>or(?![A-Za-z])|/|\|)
    |(?P<ref>ref\.?(?=\s*\(|\s*[LRATB]?\s*[0-9]))
    |(?P<open>(?P<before>[LRATB])?\s*\()
    |(?P<close>\)(?:(?P<level2>[A-E])(?![A-Za-z0-9]))?(?:(?P<after2>[LR])(?![A-Za-z0-9]))?(?P<unsure2>\s*\?)?)
    |(?P<gap>[\s+,;&]+)
    |(?P<decimal>[0-9]+(?:\.[0-9]+)+)
    |(?P<word>[^\W_]+[?!.]*)
    |(?P<other>.)""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


def parse_aus(cell: str) -> tuple[tuple[ActionUnit, ...], tuple[str, ...]]:
    """Return the action units of a cell and the pieces that were not understood.

    `alternative` is "group.branch" for the members of an `or`; a side alternative such as `A/L12` gives two
    units in one group. Never raises; every run of digits ends up in a unit or in a note.
    """
    text = str(cell).translate(_WIDE)
    if text.strip().casefold() in EMPTY:
        return (), ()
    if len(text) > _LONGEST:
        return (), (str(cell),)
    parser = _Parser(text)
    units = parser.items(0)
    while parser.at < len(parser.tokens):
        parser.remark(parser.take())
        units += parser.items(0)
    return tuple(units), tuple(parser.notes)


def choose(units: tuple[ActionUnit, ...], policy: Literal["all", "first", "none"] = "all") -> tuple[ActionUnit, ...]:
    """Return the units with the `or` groups resolved: every branch, the first branch, or no branch."""
    if policy == "all":
        return units
    return tuple(u for u in units if not u.alternative or (policy == "first" and u.alternative.endswith(".1")))


class _Parser:
    """Recursive descent over the tokens of one cell; depth and length are bounded."""

    def __init__(self, text: str) -> None:
        self.tokens = list(_TOKEN.finditer(text))
        self.at = 0
        self.groups = 0
        self.notes: list[str] = []
        self._last_word = -1
        self._gap = 0

    def take(self) -> re.Match[str]:
        self.at += 1
        return self.tokens[self.at - 1]

    def remark(self, token: re.Match[str]) -> None:
        # Words that follow each other make one note, so that free text stays readable.
        piece = token[0].strip()
        if not piece:
            return
        if self.notes and self._last_word == token.start():
            self.notes[-1] += token.string[token.start() - self._gap : token.start()] + piece
        else:
            self.notes.append(piece)
        tail = re.match(r"\s*", token.string[token.end() :])
        self._gap = len(tail[0]) if tail else 0
        self._last_word = token.end() + self._gap

    def items(self, depth: int) -> list[ActionUnit]:
        units: list[ActionUnit] = []
        while kind := self.tokens[self.at].lastgroup if self.at < len(self.tokens) else "":
            if kind == "close" and depth:
                break
            if kind == "gap":
                self.take()
            elif kind in ("unit", "open", "ref"):
                units += self.alternatives(depth)
            else:
                self.leftover()
        return units

    def leftover(self) -> None:
        token = self.take()
        self.remark(token)
        negated = token.lastgroup == "word" and token[0].casefold() in _NEGATIONS
        while (
            negated
            and self.at < len(self.tokens)
            and self.tokens[self.at].lastgroup == "gap"
            and self.tokens[self.at][0].isspace()
        ):
            self.take()
        if negated and self.at < len(self.tokens) and self.tokens[self.at].lastgroup == "unit":
            self.remark(self.take())

    def alternatives(self, depth: int) -> list[ActionUnit]:
        branches = [self.branch(depth)]
        while (skip := self.either_ahead()) is not None:
            self.at += skip
            branches.append(self.branch(depth))
        if len(branches) == 1:
            return branches[0]
        self.groups += 1
        if any(unit.alternative for branch in branches for unit in branch):
            self.notes.append("alternatives inside alternatives")
        return [
            unit if unit.alternative else dataclasses.replace(unit, alternative=f"{self.groups}.{number}")
            for number, branch in enumerate(branches, start=1)
            for unit in branch
        ]

    def either_ahead(self) -> int | None:
        """Return how many tokens an `or` ahead takes when a branch really follows it."""
        names = [token.lastgroup if not token[0].isspace() else "space" for token in self.tokens[self.at : self.at + 4]]
        at = 1 if names[:1] == ["space"] else 0
        if names[at : at + 1] != ["either"]:
            return None
        at += 2 if names[at + 1 : at + 2] == ["space"] else 1
        return at if names[at : at + 1] and names[at] in ("unit", "open", "ref") else None

    def branch(self, depth: int) -> list[ActionUnit]:
        token = self.take()
        if token.lastgroup == "unit":
            return self.unit(token)
        if token.lastgroup == "ref":
            while self.at < len(self.tokens) and self.tokens[self.at][0].isspace():
                self.take()
            return self.referred(token, depth)
        if depth >= _DEPTH:
            self.remark(token)
            return []
        units = self.items(depth + 1)
        closing = self.take() if self.at < len(self.tokens) else None
        if closing is None:
            self.notes.append("( without )")
        return self.spread(units, (token["before"] or "").upper(), closing)

    def referred(self, token: re.Match[str], depth: int) -> list[ActionUnit]:
        if self.at >= len(self.tokens) or self.tokens[self.at].lastgroup not in ("unit", "open"):
            self.remark(token)
            return []
        return [dataclasses.replace(unit, ref=True) for unit in self.branch(depth)]

    def spread(self, units: list[ActionUnit], side: str, closing: re.Match[str] | None) -> list[ActionUnit]:
        """Give what stands around a bracket to every unit inside it."""
        level = (closing["level2"] or "").upper() if closing else ""
        after = (closing["after2"] or "").upper() if closing else ""
        unsure = bool(closing and closing["unsure2"])
        if not units and (side or level or after or unsure):
            self.notes.append(f"{side}(){level}{after}{'?' if unsure else ''}")
        return [
            dataclasses.replace(
                unit,
                side=unit.side or side or after,
                intensity=unit.intensity or level,
                uncertain=unit.uncertain or unsure,
            )
            for unit in units
        ]

    def unit(self, token: re.Match[str]) -> list[ActionUnit]:
        number = int(token["number"])
        if number == 0:
            self.remark(token)
            return []
        if token["zeros"]:
            self.notes.append(f"{token[0].strip()} read as {number}")
        sides = [side.strip().upper() for side in (token["side"] or "").split("/")]
        after = (token["after"] or "").upper()
        if sides == [""] and after:
            sides = [after]
        elif after and after not in sides:
            self.notes.append(f"second side {after} of {token[0].strip()}")
        level = re.sub(r"\s", "", token["level"] or token["range"] or "").upper()
        unit = ActionUnit(number, sides[0], level, bool(token["unsure"]), kept=bool(token["kept"]))
        if len(sides) == 1:
            return [unit]
        self.groups += 1
        return [
            dataclasses.replace(unit, side=side, alternative=f"{self.groups}.{branch}")
            for branch, side in enumerate(sides, start=1)
        ]
