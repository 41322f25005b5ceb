"""What the commands share: options of one meaning, examples in the help, and the names that a shell completes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer


def example(*commands: str) -> str:
    """Return the end of a command's help: what one may type, each a line of at most 78 characters."""
    return "\n".join([f"Example{'s' * (len(commands) > 1)}:", *commands])


def note(line: str) -> None:
    """Print a line that is no part of what the command answers."""
    typer.echo(line, err=True)


def _silent(ctx: typer.Context, asked: bool) -> bool:
    if asked:
        from mer.core.progress import silent

        ctx.with_resource(silent())
    return asked


def one_of(*names: str) -> Callable[[str], list[str]]:
    """Return the completion of a choice between names."""
    return lambda incomplete: _begun(names, incomplete)


def registered(registry: str, commas: bool = False) -> Callable[[str], list[str]]:
    """Return the completion of a name in a registry, given as `module:VARIABLE`; of several with commas between."""

    def complete(incomplete: str) -> list[str]:
        module, _, variable = registry.partition(":")
        done, comma, last = incomplete.rpartition(",") if commas else ("", "", incomplete)
        return [f"{done}{comma}{name}" for name in _begun(getattr(import_module(module), variable), last)]

    return complete


def configured(*blocks: str) -> Callable[[typer.Context, str], list[str]]:
    """Return the completion of what the configuration has in its blocks, those of `--config` or the nearest file."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        raw = _raw(ctx)
        return _begun([name for block in blocks for name in raw.get(block) or {}], incomplete)

    return complete


def products(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the completion of a product, `stage/variant`."""
    from mer.stages.registry import STAGES

    raw = _raw(ctx)
    return _begun(["frames", *(f"{stage}/{name}" for stage in STAGES for name in raw.get(stage) or {})], incomplete)


def clips(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the completion of a clip of a dataset, where one is named, or of all that have been indexed."""
    import csv

    raw, found = _raw(ctx), list[str]()
    for name in [ctx.params["dataset"]] if ctx.params.get("dataset") else raw.get("datasets") or {}:
        index = Path(str(raw.get("results", "results"))) / str(name) / "index.csv"
        if index.is_file():
            with index.open(encoding="utf-8", newline="") as handle:
                found += [row["sample_id"] for row in csv.DictReader(handle)]
    return _begun(found, incomplete)


def readers_and_datasets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the completion of a reader or, with --config, of a dataset of the configuration."""
    if ctx.params.get("config"):
        return configured("datasets")(ctx, incomplete)
    return registered("mer.datasets.registry:READERS")(incomplete)


def weight_files(incomplete: str) -> list[str]:
    """Return the completion of a weight file, or a set of them."""
    from mer.weights.registry import WEIGHTS
    from mer.weights.releases import RELEASES

    return _begun([*WEIGHTS, *RELEASES], incomplete)


def _begun(names: Iterable[str], incomplete: str) -> list[str]:
    return [str(name) for name in names if str(name).startswith(incomplete)]


def _raw(ctx: typer.Context) -> dict[str, Any]:
    """Return the configuration as it is written; an empty one where there is none or it has a fault."""
    from mer.core.errors import MerError
    from mer.notebook.located import nearest_file
    from mer.planning.read_config import read_files

    try:
        return read_files([Path(path) for path in ctx.params.get("config") or ()] or [nearest_file()])
    except (MerError, OSError):
        return {}


Json = Annotated[
    bool,
    typer.Option("--json", callback=_silent, help="Print JSON instead of text, and no progress."),
]
Configs = Annotated[
    list[Path] | None,
    typer.Option("--config", help="A configuration, laid over those before when given again; the nearest config.yaml."),
]
Seed = Annotated[int, typer.Option(help="Seed of everything that is drawn: the same number, the same result.")]
Jobs = Annotated[int, typer.Option(help="Processes at the same time.", min=1, max=64)]
Models = Annotated[
    str,
    typer.Option(help="Names, with commas between; all by default.",
                 autocompletion=registered("mer.models.registry:MODELS", commas=True)),
]  # fmt: skip
Device = Annotated[str, typer.Option(help="cpu or cuda.", autocompletion=one_of("cpu", "cuda"))]
LicenceAccepted = Annotated[bool, typer.Option("--licence-accepted", help="You signed the owner's form.")]
