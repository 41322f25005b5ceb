"""Which branches of an `or` in an AU cell stay: the option `alternatives` of the readers (specs/datasets.md §0.4)."""

from __future__ import annotations

from typing import Literal

from mer.core.sample import ActionUnit
from mer.datasets.au import choose, parse_aus
from mer.datasets.errata import errata_of

Alternatives = Literal["all", "first", "none", "resolved"]


def resolve(
    units: tuple[ActionUnit, ...], dataset: str, key: str, policy: Alternatives
) -> tuple[tuple[ActionUnit, ...], tuple[str, ...]]:
    """Return the units that stay, and the name of the correction that decided.

    Args:
        units: the units of one cell; members of an `or` have `alternative` set.
        dataset: the row's database, for the choices recorded in `errata.csv` (field `au_choice`).
        key: the row's key there.
        policy: `all` keeps every branch, `first` the first, `none` no branch, `resolved` the recorded choice and the
            first branch where none is recorded.
    """
    if policy == "all" or not any(unit.alternative for unit in units):
        return units, ()
    if policy != "resolved":
        return choose(units, policy), ()
    known = next((e for e in errata_of(dataset).get(key, ()) if e.field == "au_choice"), None)
    if known is None:
        return choose(units, "first"), ()
    wanted = {(unit.number, unit.side) for unit in parse_aus(known.new)[0]}
    kept = tuple(unit for unit in units if not unit.alternative or (unit.number, unit.side) in wanted)
    return kept, (known.name,)
