"""From the name of a layout to the layout, and from parameters to the plan of their database."""

from __future__ import annotations

from mer.simulate.contract import Layout
from mer.simulate.names import LAYOUTS
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan


def layout(name: str, where: str = "simulate.layout") -> Layout:
    """Return the layout registered under `name`.

    Args:
        name: a key of `mer.simulate.names.LAYOUTS`.
        where: what an error names as its place.

    Raises:
        ConfigError: `name` is not registered; the message names the nearest valid one.
    """
    found: Layout = LAYOUTS.load(name, where)
    return found


def plan(params: SimulateParams) -> tuple[ClipPlan, ...]:
    """Return every expression of the database that `params` describe; see `Layout.plan`."""
    return layout(params.layout).plan(params)
