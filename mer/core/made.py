"""How a product was made, as its container records it, against how it should have been."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from mer.core.container import Container
from mer.core.errors import ContainerError

#: One step that leads to a product: `stage`, `method`, `params`, and the digest of their `code`.
Step = Mapping[str, Any]


def difference(made: Sequence[Step], wanted: Sequence[Step], code: bool = False) -> str:
    """Return how a product was made otherwise than wanted, in a few words; '' where it was not.

    Args:
        made: the steps that led to it, first one first.
        wanted: those that should have.
        code: whether another digest of the code counts.
    """
    stages = [[f"{step['stage']} ({step['method']})" for step in steps] for steps in (made, wanted)]
    if stages[0] != stages[1]:
        return f"made by {' and '.join(stages[0]) or 'nobody knows what'}, not by {' and '.join(stages[1])}"
    for found, step in zip(made, wanted, strict=True):
        for key in sorted({*found["params"], *step["params"]}):
            old, new = (steps["params"].get(key) for steps in (found, step))
            if old != new:
                return f"made with {step['stage']} {key} {json.dumps(old)}, not {json.dumps(new)}"
        if code and found.get("code") != step.get("code"):
            return f"made by other code of {step['stage']}"
    return ""


def rows_digest(rows: Sequence[Mapping[str, Any]], contents: object = None) -> str:
    """Return 16 hex digits of the rows that a product was made of, and of what they were read from."""
    kept = [{key: value for key, value in row.items() if key != "files"} for row in rows]
    text = json.dumps([kept, contents], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def require_made(box: Container, wanted: Sequence[Step]) -> None:
    """Refuse a product that says it was made otherwise than `wanted`; raises `ContainerError`."""
    made = box.chain()
    if made and (other := difference(made, wanted)):
        remedy = "`mer clean --stale` lists what the configuration does not make; remove that and run snakemake again"
        raise ContainerError(box.path, other, "a product of this configuration", remedy)
