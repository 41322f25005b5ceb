"""The grammar of action-unit cells over all databases (specs/datasets.md §0.4).

    items  := branch { or branch } { separator items }        or: `or`, `/`      separator: `+ , ; &` or a space
    branch := [`ref`] [sides] `(` items `)` [levels] [side] [`?`]  |  unit
    unit   := [`AU`] [sides] number [levels] [sides] [`?`] [`(k)`]
    sides  := side {or side}, in brackets or not      levels := intensity [`/` intensity], in brackets or not

A letter before a number is a side (L, R, A asymmetric, T and B lips); A to E after it is an intensity, L or R after it
a side, whichever of the two comes first. A unit that is lost (`loses 1+2`) or counted (`2x R2`) is not there, nor is a
number that no action unit has. Nothing is dropped: whatever is not read becomes a note.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Literal

from mer.core.sample import ActionUnit

EMPTY = {"", "none", "null", "nan", "n/a", "/", "-"}
#: Numbers of FACS: upper and lower face, head, eyes, visibility, gross behaviour.
NUMBERS = frozenset({1, 2, *range(4, 47), *range(50, 67), 68, 69, *range(70, 75), *range(80, 86), 91, 92, 97, 98})
_NEGATIONS = {"lose", "loses", "looses", "lost", "losing", "without", "no", "not", "minus"}
_PASSED_OVER = {"the", "any", "all", "his", "her", "its", "ref", "ref."}
_DEPTH = 6
_LONGEST = 4000
_WIDE = {0xFF01 + i: 0x21 + i for i in range(94)} | {0x3000: 0x20, 0xA0: 0x20, 0x3001: 0x2C, 0xFF64: 0x2C}

_SIDES = r"[LRATB](?:\s*(?:/|or)\s*[LRATB]){0,4}"
_LEVELS = r"[A-E](?:\s*/\s*[A-E])?"
_END = r"(?:(?=or(?![A-Za-z]))|(?![A-Za-z0-9]))"
_UNIT = rf"""
    (?:AUs?\s*\.?\s*)?
    (?:(?:(?P<side>{_SIDES})|\(\s*(?P<boxed>{_SIDES})\s*\))\s*)?
    (?P<number>[0-9]{{1,2}})(?:(?P<zeros>\.0+)(?![0-9.]))?(?![0-9]|\.[0-9])
    (?:(?P<after1>[LR])(?P<level1>[A-E]){_END}
      |(?:(?P<level>{_LEVELS})(?=[LR]?{_END})|\s*\(\s*(?P<range>{_LEVELS})\s*\))?
       (?:(?P<after>[LR]){_END}|\s+(?P<after3>[LR])(?=\s*(?:[+,;&)]|$))
         |\s*\(\s*(?P<boxed2>[LRT](?:\s*(?:/|or)\s*[LRATB])*)\s*\))?)
    (?P<unsure>\s*\?)?
    (?P<kept>\s*\(\s*k\s*\))?
"""
_COUNT = r"""[0-9]+\s*[x×]\s*[0-9]+(?![0-9])
    |(?:[0-9]+(?:\s*(?:[x×]|times|frames?|fps|ms|secs?|seconds?)|th)|(?<![0-9])(?:1st|2nd|3rd))(?![A-Za-z0-9])
    |[x×]\s*[0-9]+(?![A-Za-z0-9])"""
_TOKEN = re.compile(
    rf"""(?P<count>{_COUNT})
    |(?P<unit>{_UNIT})
    |(?P<either>or(?![A-Za-z])|or(?=[LRATB]\s*[0-9])|/|\|)
    |(?P<ref>ref\.?(?=\s*\(|\s*[LRATB]?\s*[0-9]))
    |(?P<open>(?:(?:(?P<before>{_SIDES})|\(\s*(?P<boxed3>{_SIDES})\s*\))\s*)?\()
    |(?P<close>\)(?:(?P<level2>[A-E])(?=[LR]?{_END})|\s*\(\s*(?P<range2>{_LEVELS})\s*\))?
       (?:(?P<after2>[LR]){_END})?(?P<unsure2>\s*\?)?)
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
    """Return the units with the `or` groups resolved: every branch, the first branch, or no branch.

    A unit whose side alone is in doubt (`A/L12`) is there in any case: without branches it stays, without a side.
    """
    if policy == "all":
        return units
    if policy == "first":
        return tuple(unit for unit in units if not unit.alternative or unit.alternative.endswith(".1"))
    groups: dict[str, list[ActionUnit]] = {}
    for unit in units:
        groups.setdefault(unit.alternative.partition(".")[0], []).append(unit)
    sure = {name for name, same in groups.items() if name and len(same) > 1 and len({u.number for u in same}) == 1}
    kept = []
    for unit in units:
        if not unit.alternative:
            kept.append(unit)
        elif unit.alternative.endswith(".1") and unit.alternative.partition(".")[0] in sure:
            kept.append(dataclasses.replace(unit, side="", alternative=""))
    return tuple(kept)


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
        self.noted_to(token.end())

    def noted_to(self, end: int) -> None:
        tail = re.match(r"\s*", self.tokens[0].string[end:])
        self._gap = len(tail[0]) if tail else 0
        self._last_word = end + self._gap

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
        listed = self.at > 0 and self.joins(self.at - 1)
        token = self.take()
        self.remark(token)
        if token.lastgroup == "word" and token[0].casefold() in _NEGATIONS:
            self.lost(token.end(), run=not listed)

    def joins(self, at: int) -> bool:
        return at < len(self.tokens) and self.tokens[at].lastgroup == "gap" and self.tokens[at][0].strip() in ("+", "&")

    def lost(self, start: int, run: bool) -> None:
        """Take what a negation takes away into its note: a bracket, a unit or, in a run, units joined by `+`."""
        at = self.at
        while (at := self.after_fillers(at)) < len(self.tokens) and self.tokens[at].lastgroup in ("unit", "open"):
            run = run and self.tokens[at].lastgroup == "unit"
            at = self.closed(at)
            end = self.tokens[at - 1].end()
            self.notes[-1] += self.tokens[0].string[start:end]
            self.noted_to(end)
            self.at, start = at, end
            if not (run and self.joins(at)):
                return
            at += 1

    def after_fillers(self, at: int) -> int:
        """Return the place after spaces and articles."""
        while at < len(self.tokens) and (self.tokens[at][0].isspace() or self.tokens[at][0].casefold() in _PASSED_OVER):
            at += 1
        return at

    def closed(self, at: int) -> int:
        """Return the place after a token and, if it opens a bracket, all that stands in it."""
        depth = 0
        while at < len(self.tokens):
            kind = self.tokens[at].lastgroup
            depth += (kind == "open") - (kind == "close")
            at += 1
            if depth <= 0:
                break
        return at

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
        return self.spread(units, _sides(token["before"] or token["boxed3"]), closing)

    def referred(self, token: re.Match[str], depth: int) -> list[ActionUnit]:
        if self.at >= len(self.tokens) or self.tokens[self.at].lastgroup not in ("unit", "open"):
            self.remark(token)
            return []
        return [dataclasses.replace(unit, ref=True) for unit in self.branch(depth)]

    def spread(self, units: list[ActionUnit], sides: list[str], closing: re.Match[str] | None) -> list[ActionUnit]:
        """Give what stands around a bracket to every unit inside it."""
        level = _levels(closing["level2"] or closing["range2"]) if closing else ""
        sides = sides or _sides(closing["after2"] if closing else "")
        unsure = bool(closing and closing["unsure2"])
        if not units and (sides or level or unsure):
            self.notes.append(f"{'/'.join(sides)}(){level}{'?' if unsure else ''}")
        given = [
            dataclasses.replace(unit, intensity=unit.intensity or level, uncertain=unit.uncertain or unsure)
            for unit in units
        ]
        return [one for unit in given for one in ([unit] if unit.side else self.sided(unit, sides))]

    def sided(self, unit: ActionUnit, sides: list[str]) -> list[ActionUnit]:
        """Return a unit on its side; of several, one unit a side, alternatives to each other."""
        if len(sides) < 2:
            return [dataclasses.replace(unit, side=sides[0] if sides else "")]
        if unit.alternative:
            self.notes.append("alternatives inside alternatives")
            return [dataclasses.replace(unit, side=sides[0])]
        self.groups += 1
        return [
            dataclasses.replace(unit, side=side, alternative=f"{self.groups}.{branch}")
            for branch, side in enumerate(sides, start=1)
        ]

    def unit(self, token: re.Match[str]) -> list[ActionUnit]:
        number = int(token["number"])
        if number not in NUMBERS:
            self.remark(token)
            return []
        if token["zeros"]:
            self.notes.append(f"{token[0].strip()} read as {number}")
        sides, after = (
            _sides(token["side"] or token["boxed"]),
            _sides(token["after"] or token["after1"] or token["after3"] or token["boxed2"]),
        )
        if sides and not set(after) <= set(sides):
            self.notes.append(f"second side {'/'.join(after)} of {token[0].strip()}")
        level = _levels(token["level"] or token["level1"] or token["range"])
        unit = ActionUnit(number, "", level, bool(token["unsure"]), kept=bool(token["kept"]))
        return self.sided(unit, sides or after)


def _sides(text: str | None) -> list[str]:
    """Return the sides of `A/R` or `l or a`, each once."""
    return list(dict.fromkeys(re.findall("[LRATB]", re.sub("OR", "/", (text or "").upper()))))


def _levels(text: str | None) -> str:
    return re.sub(r"\s", "", text or "").upper()
