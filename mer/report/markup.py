"""HTML that is escaped by construction: text is text until a function of this module made it markup.

Sample ids, reasons and labels come from other people's spreadsheets. They reach the page only through `tag` and
`join`, which escape every `str` that is not `Markup` and replace control and direction-changing characters.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

_VOID = frozenset({"img", "br", "meta", "hr"})
# C0 and C1 controls but tab and line feed; lone surrogates; marks that reorder or hide the text around them.
_UNSAFE = {
    code: "\N{REPLACEMENT CHARACTER}"
    for code in (
        *range(0x00, 0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000),
        *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF,
    )
}  # fmt: skip


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | int | float | None


def plain(text: object) -> str:
    """Return text without control characters and marks that change the direction of writing."""
    return str(text).translate(_UNSAFE)


def escape(text: object) -> Markup:
    """Return `text` as HTML: itself when it is `Markup`, escaped otherwise."""
    return text if isinstance(text, Markup) else Markup(html.escape(plain(text), quote=True))


def join(children: Iterable[Child], between: str = "") -> Markup:
    """Return children one after another, each escaped unless it is `Markup`; None is left out."""
    return Markup(escape(between).join(escape(child) for child in children if child is not None))


def tag(name: str, *children: Child, **attributes: object) -> Markup:
    """Return an element.

    Args:
        name: element name, written by this package only.
        children: text (escaped), `Markup` (kept) or None (left out).
        attributes: values are escaped; None and False leave the attribute out, True writes it bare. A trailing
            underscore is dropped and others become hyphens: `class_`, `stroke_width`.
    """
    parts = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        parts.append(key if value is True else f'{key}="{escape(_number(value))}"')
    head = Markup(" ".join(parts))
    return Markup(f"<{head}>") if name in _VOID else Markup(f"<{head}>{join(children)}</{name}>")


def _number(value: object) -> object:
    # Coordinates: two decimals are a hundredth of a pixel.
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def table(
    head: Iterable[Child], rows: Iterable[Iterable[Child]], numbers: Iterable[int] = (), class_: str | None = None
) -> Markup:
    """Return a table; the columns with an index in `numbers` are right-aligned with figures of equal width."""
    right = set(numbers)

    def cells(kind: str, row: Iterable[Child]) -> Markup:
        return join(tag(kind, cell, class_="n" if i in right else None) for i, cell in enumerate(row))

    body = join(tag("tr", cells("td", row)) for row in rows)
    inner = tag("table", tag("thead", tag("tr", cells("th", head))), tag("tbody", body), class_=class_)
    return tag("div", inner, class_="scroll")


def folded(summary: Child, *content: Child, open_: bool = False) -> Markup:
    """Return a block that opens on a click, and is always open in print."""
    return tag("details", tag("summary", summary), *content, open=open_)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it is not 1."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def missing(sentence: str) -> Markup:
    """Return the visible sentence that stands where something could not be shown."""
    return tag("p", sentence, class_="missing")
