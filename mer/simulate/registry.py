"""Layouts in which the simulator can write its recordings; adding one is one file and one line here.

A layout module has
`plan(params) -> tuple[ClipPlan, ...]`, `subjects(params) -> list[str]`,
`table(params) -> list[dict[str, str]]`, `listing(params) -> dict[tuple[str, str], list[str]]`,
`write_tables(params, root) -> None` and `write_subject(params, subject, root, truth_path) -> None`.
It imports nothing heavier than NumPy, so that a workflow knows every row before a frame is rendered.
"""

from __future__ import annotations

LAYOUTS: dict[str, str] = {"casme2": "mer.simulate.layouts.casme2"}
