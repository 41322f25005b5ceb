"""The JSON schema for editors and the reference page of `config.yaml`, rendered from the typed configuration.

`python -m mer.planning.schema` rewrites `workflow/schemas/config.schema.json` and `docs/configuration.md`; a test holds
that both equal what this module renders.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from mer.core.key_table import key_table
from mer.datasets.registry import READERS, reader
from mer.datasets.views import Takes, ViewBlock, shipped_views
from mer.models.contract import Model
from mer.models.registry import MODELS, model
from mer.planning.blocks import DatasetBlock, DiagnoseBlock, ExperimentBlock, ReportBlock, Top
from mer.simulate.params import SimulateParams
from mer.spotting.experiment import SpotRecipe, SpottingBlock
from mer.stages.registry import METHODS, load_method, load_stage
from mer.training.recipe import Inner, Recipe
from mer.weights.per_fold import WeightFiles

ROOT = Path(__file__).resolve().parents[2]

PREFACE = """# Configuration

Every key of `config.yaml`. This page is generated from the code (`python -m mer.planning.schema`); a misspelt key, one
that stands twice in a block, a wrong type or a reference to something that does not exist stops a run before any job,
with the path of the key and the nearest valid name. Several files can be laid over each other: `--configfile
config.yaml mine.yaml`.

## How it is read

Every stage has named variants, and every variant names the product that it reads under `from`: `frames`,
`<stage>/<variant>`, or `index` where a method reads the owner's media itself. So the configuration is the workflow in
small: an experiment pulls in the products that it names and all that lead to them, and a product that two experiments
need is made once. `datasets.<name>.products` asks for products besides.

## A database without labels

```yaml
datasets:
  mine:
    reader: videos
    root: /data/videos
    products: [flow/consecutive]
align:
  face224: {method: dlib, size: 224}
flow:
  consecutive: {from: align/face224, method: dis, pairs: consecutive}
```
"""


def config_schema() -> dict[str, Any]:
    """Return the JSON schema of a configuration, with the keys of every method."""
    schema = Top.model_json_schema()
    for stage, methods in METHODS.items():
        if stage == "frames":
            schema["properties"]["frames"] = _inline(load_method(stage, "list", stage).Params.model_json_schema())
            continue
        variants = [_method_schema(stage, name) for name in methods.shipped]
        schema["properties"][stage] = {"type": "object", "additionalProperties": {"anyOf": variants}}
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "mer configuration"
    return schema


def _method_schema(stage: str, name: str) -> dict[str, Any]:
    schema = _inline(load_method(stage, name, stage).Params.model_json_schema())
    schema["properties"] = {"from": {"type": "string"}, "method": {"const": name}, **schema.get("properties", {})}
    required = ["method"] if load_stage(stage).source else ["from", "method"]
    schema["required"] = [*required, *schema.get("required", [])]
    return schema


def _inline(schema: dict[str, Any]) -> dict[str, Any]:
    """Replace references to `$defs` by what they stand for, so that blocks can be nested."""
    definitions = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return resolve(definitions[node["$ref"].rsplit("/", 1)[1]])
            return {key: resolve(value) for key, value in node.items()}
        return [resolve(value) for value in node] if isinstance(node, list) else node

    return resolve(schema)


def reference_page() -> str:
    """Return the reference page as Markdown."""
    return "\n".join([PREFACE, *_sections()]).rstrip() + "\n"


def _sections() -> Iterator[str]:
    yield from key_table("The whole file", Top)
    yield from key_table("`datasets.<name>`", DatasetBlock)
    yield from key_table("`datasets.<name>.simulate`", SimulateParams)
    for name in READERS.shipped:
        options = reader(name).options
        yield from key_table(f"`datasets.<name>.options`, reader `{name}`", options)
        for key, field in options.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                yield from key_table(f"`datasets.<name>.options.{key}`, reader `{name}`", field.annotation)
    for stage, methods in METHODS.items():
        for name in methods.shipped:
            title = "`frames`" if stage == "frames" else f"`{stage}.<variant>`, method `{name}`"
            yield from key_table(title, load_method(stage, name, stage).Params)
    yield from key_table("`experiments.<name>`", ExperimentBlock)
    yield from key_table("`experiments.<name>.diagnose`", DiagnoseBlock)
    yield from key_table("`experiments.<name>.train`", Recipe)
    yield from key_table("`experiments.<name>.train.inner`", Inner)
    yield "| model | presets (the first is the default) | inputs | settings that `train` may override |"
    yield "|---|---|---|---|"
    for name in MODELS.shipped:
        card = model(name, "model")
        cells = (", ".join(names) for names in (card.presets, _inputs(card), card.settings))
        yield f"| `{name}` | {' | '.join(cells)} |"
    yield "\n| view | classes, in the order of every table |\n|---|---|"
    for name, view in shipped_views().items():
        yield f"| `{name}` | {', '.join(view.classes)} |"
    yield ""
    yield from key_table("`views.<name>`", ViewBlock)
    yield from key_table("`views.<name>.classes.<class>`", Takes)
    yield from key_table("`spotting.<name>`", SpottingBlock)
    yield from key_table("`spotting.<name>.train`", SpotRecipe)
    yield from key_table("`spotting.<name>.weights`, `experiments.<name>.train.weights`", WeightFiles)
    yield from key_table("`report`", ReportBlock)


def _inputs(card: Model) -> Iterator[str]:
    """Yield the inputs of a model, each with the presets that do not need it."""
    for name in card.inputs:
        without = [preset for preset, settings in card.presets.items() if name in card.unread(settings)]
        yield f"{name} (not {', '.join(without)})" if without else name


def main() -> None:
    """Rewrite the schema and the page."""
    schema = json.dumps(config_schema(), indent=1, ensure_ascii=False) + "\n"
    (ROOT / "workflow" / "schemas" / "config.schema.json").write_text(schema, encoding="utf-8")
    (ROOT / "docs" / "configuration.md").write_text(reference_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
