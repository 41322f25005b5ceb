"""YAML as this project reads it: one document, every key once, nothing that grows when it is read.

A key that stands twice would drop what stood under it first, so it is an error here. Aliases (`*name`) are allowed as
long as the text written out without them stays small: nine short lines can stand for a thousand million entries.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from mer.core.errors import ConfigError

LARGEST = 500_000  # characters
MOST_NODES = 100_000  # values, with every alias written out
DEEPEST = 50  # blocks inside each other


def read_yaml(path: Path) -> Any:
    """Return what a YAML (or JSON) file holds, of plain types only.

    Raises:
        ConfigError: the file is missing or cannot be read, is no YAML, has a key twice in one block, is too large or
            too deep, or has aliases that would grow too large.
    """
    try:
        with path.open("rb") as handle:
            data = handle.read(LARGEST + 1)
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(path, "configuration not found", "a YAML file", "name one with --config") from None
    except UnicodeDecodeError:
        raise ConfigError(path, "not UTF-8 text", "a YAML file") from None
    except OSError as error:
        raise ConfigError(path, f"cannot be read ({error.strerror})", "a readable YAML file") from None
    return parse_yaml(text, path)


def parse_yaml(text: str, where: object) -> Any:
    """Return what YAML text holds; raises as `read_yaml`, naming `where`."""
    if len(text) > LARGEST:
        raise ConfigError(where, f"more than {LARGEST} characters", "a YAML file written by people")
    if text.lstrip().startswith("{"):
        # JSON may be indented by tabs, which YAML refuses.
        try:
            return json.loads(text, object_pairs_hook=lambda pairs: _unrepeated(pairs, where))
        except (ValueError, RecursionError):
            pass
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        _checked(root, where)
        return loader.construct_document(root)
    except (yaml.YAMLError, ValueError, OverflowError, AttributeError) as error:
        raise ConfigError(where, f"not YAML ({' '.join(str(error).split())[:160]})", "a YAML file") from None
    except RecursionError:
        raise ConfigError(where, "blocks too deep inside each other", f"at most {DEEPEST}") from None


def _unrepeated(pairs: list[tuple[str, Any]], where: object) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise ConfigError(where, f"the key {key!r} stands twice in one block", "every key once", "merge the two")
        seen[key] = value
    return seen


def _checked(root: yaml.Node, where: object) -> None:
    """Raise `ConfigError` for a repeated key, and for what is too large or too deep with all aliases written out."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, above: frozenset[int]) -> int:
        if id(node) in above:
            raise ConfigError(where, f"line {_line(node)}: an anchor holds itself", "blocks that end")
        if len(above) > DEEPEST:
            raise ConfigError(where, f"line {_line(node)}: more than {DEEPEST} blocks inside each other")
        if id(node) not in sizes:
            sizes[id(node)] = 1 + _inside(node, lambda one: size(one, above | {id(node)}), where)
        if sizes[id(node)] > MOST_NODES:
            found = f"line {_line(node)}: stands for more than {MOST_NODES} values once its aliases are written out"
            raise ConfigError(where, found, "a YAML file written by people")
        return sizes[id(node)]

    size(root, frozenset())


def _inside(node: yaml.Node, size: Callable[[yaml.Node], int], where: object) -> int:
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in lines and key.tag != "tag:yaml.org,2002:merge":
                    found = (
                        f"the key {key.value!r} stands twice in one block, in lines {lines[key.value]} and {_line(key)}"
                    )
                    raise ConfigError(where, found, "every key once: the second would drop the first", "merge the two")
                lines[key.value] = _line(key)
        return sum(size(key) + size(value) for key, value in node.value)
    if isinstance(node, yaml.SequenceNode):
        return sum(size(one) for one in node.value)
    return 0


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
