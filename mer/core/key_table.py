"""The keys of a block of the configuration as a Markdown table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

ENTRY = re.compile(r"^        (\w+): (.*(?:\n            .*)*)", re.M)


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Return what each key means: its field's description, or its entry under `Args:` of the class docstring."""
    entries = {
        match[1]: " ".join(match[2].split()) for match in ENTRY.finditer((model.__doc__ or "").partition("Args:")[2])
    }
    return {name: field.description or entries.get(name, "") for name, field in model.model_fields.items()}


def key_table(title: str, model: type[BaseModel]) -> Iterator[str]:
    """Yield the lines of a section of the reference page: the keys of a block, their defaults and what they mean."""
    yield f"## {title}\n"
    if not model.model_fields:
        yield "No keys.\n"
        return
    yield "| key | default | meaning |\n|---|---|---|"
    meaning = descriptions(model)
    for name, field in model.model_fields.items():
        text = " ".join(meaning[name].split()).replace("|", "\\|")
        yield f"| `{name}` | {_default(field)} | {text} |"
    yield ""


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel) or value in ({}, []):
        return ""
    return f"`{json.dumps(value, default=str)}`"
