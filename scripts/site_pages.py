"""The pages of the site that are made of the code, as a hook of MkDocs (`mkdocs.yml`); `make docs` builds the site.

Reference pages come from the registries and the command, the gallery from running `examples/gallery/`; the glossary,
the changelog and the page for contributors come from where they stand. Links to files outside `docs/` are led to these
pages.
"""

from __future__ import annotations

import re
import runpy
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
GALLERY = ROOT / "examples" / "gallery"
#: In the order of the page.
EXAMPLES = ("face", "flow", "magnified", "regions", "best_epoch")
#: Files outside docs/ that have a page of their own.
OUTSIDE = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
#: What the page on Python shows besides the names of `import mer`.
MODULES = {
    "Metrics": ("mer.metrics.recognition", "mer.metrics.spotting", "mer.metrics.strs", "mer.metrics.bootstrap",
                "mer.metrics.chance"),
    "Contracts": ("mer.models.contract", "mer.models.plain_network", "mer.models.plain_estimator",
                  "mer.stages.contract", "mer.datasets.contract", "mer.simulate.contract"),
    "Contract tests": ("mer.testing.models", "mer.testing.methods", "mer.testing.readers", "mer.testing.layouts"),
    "Errors": ("mer.core.errors",),
}  # fmt: skip


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made of the code."""
    from mkdocs.structure.files import File

    for path, content in {**pages(), **gallery()}.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Lead links out of docs/ to pages of the site; brackets after brackets are no links in the pages of facts."""
    path = page.file.src_uri
    if path.startswith("specs/"):
        return re.sub(r"(?<=\w\])\[(?=\w)", r"\\[", lists(markdown))
    up = "../" * path.count("/")
    for name, target in OUTSIDE.items():
        markdown = re.sub(rf"\]\((\.\./)+{re.escape(name)}", f"]({up}{target}", markdown)
    return re.sub(r"\]\((\.\./)+examples/[\w.]+\)", f"]({up}gallery.md)", markdown)


def lists(markdown: str) -> str:
    """Return a page with its lists as Python's Markdown wants them: after a blank line, four blanks deep."""
    made: list[str] = []
    for part in re.split(r"(^ *```.*?^ *```$)", markdown, flags=re.M | re.S):
        if not part.lstrip().startswith("```"):
            part = re.sub(r"^ {2,3}(?=(?:[-*+]|\d+\.) )", "    ", part, flags=re.M)
            part = re.sub(r"^((?![-*|#>] | |\d+\. ).+\n)(?=[-*] )", r"\1\n", part, flags=re.M)
        made.append(part)
    return "".join(made)


def pages() -> dict[str, str]:
    """Return the text of every generated page but the gallery's, by its path below docs/."""
    made = {
        "reference/databases.md": "\n".join(databases()),
        "reference/stages.md": "\n".join(stages()),
        "reference/models.md": "\n".join(models()),
        "reference/protocols.md": "\n".join(protocols()),
        "reference/commands.md": "\n".join(commands()),
        "reference/python.md": "\n".join(python()),
        "glossary.md": glossary(),
    }
    return made | {target: led_inside((ROOT / name).read_text(encoding="utf-8")) for name, target in OUTSIDE.items()}


def led_inside(text: str) -> str:
    """Return a page of the root with its links leading to pages of the site."""
    text = re.sub(r"\]\(docs/", "](", text)
    for name, target in OUTSIDE.items():
        text = text.replace(f"]({name}", f"]({target}")
    return text


def anchor(page: str, heading: str) -> str:
    """Return a link to the section of a page whose heading begins like this."""
    from pymdownx.slugs import slugify

    found = re.search(rf"^#+ ({re.escape(heading)}.*)$", (DOCS / page).read_text(encoding="utf-8"), re.M)
    assert found, f"{page} has no section {heading!r}"
    return f"../{page}#{slugify(case='lower')(found[1], '-')}"


def cell(text: str) -> str:
    """Return a text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def summary(module: str) -> str:
    """Return the first sentence or paragraph of a module's docstring."""
    text = (import_module(module).__doc__ or "").split("\n\n")[0]
    return cell(text)


def databases() -> Iterator[str]:
    """Yield the page of readers."""
    from mer.datasets.registry import READERS, reader

    yield "# Readers\n"
    yield "Each reader turns a download, as its owner ships it, into rows. Made of the readers' cards.\n"
    yield "| reader | databases | frames a second | licence asked for at | to cite |\n|---|---|---|---|---|"
    for name in READERS.shipped:
        card = reader(name)
        rates = {f"{database.fps:g}" if database.fps else "varies" for database in card.databases}
        licence = card.licence
        cells = (
            f"[`{name}`]({anchor('datasets.md', f'{name}:')})",
            ", ".join(database.name for database in card.databases) or "your own",
            ", ".join(sorted(rates)),
            cell(licence.url) if licence else "",
            cell(licence.cite) if licence else "",
        )
        yield f"| {' | '.join(cells)} |"


def stages() -> Iterator[str]:
    """Yield the page of stages and their methods."""
    from mer.stages.registry import METHODS, STAGES, load_method

    yield "# Stages and methods\n"
    products = anchor("architecture.md", "Products")
    yield f"In the order of the journey; the arrays of each product stand in [the architecture]({products}).\n"
    for stage, module in STAGES.items():
        yield f"## {stage}\n\n{summary(module)}\n"
        yield "| method | what it does | keys |\n|---|---|---|"
        for name in METHODS[stage].shipped:
            heading = "`frames`" if stage == "frames" else f"`{stage}.<variant>`, method `{name}`"
            keys = ", ".join(f"`{key}`" for key in load_method(stage, name, stage).Params.model_fields) or "none"
            yield f"| `{name}` | {summary(METHODS[stage][name])} | [{keys}]({anchor('configuration.md', heading)}) |"
        yield ""


def models() -> Iterator[str]:
    """Yield the page of systems and presets."""
    from mer.models.listing import SPOTTING, entries

    yield "# Systems and presets\n"
    yield "What `mer models` prints; a preset without a number depends on the clips. MiB is the memory that the job of"
    yield "a fold asks for with 442 clips.\n"
    yield "| system | preset | parameters | MiB | inputs | source |\n|---|---|---|---|---|---|"
    for row in entries():
        count = f"{row.parameters:,}" if row.parameters is not None else ""
        mib = f"{row.mib:,}" if row.mib is not None else ""
        linked = f"`{row.model}`" if row.preset == SPOTTING else f"[`{row.model}`]({anchor('models.md', row.model)})"
        yield f"| {linked} | {row.preset} | {count} | {mib} | {', '.join(row.inputs)} | {cell(row.source)} |"


def protocols() -> Iterator[str]:
    """Yield the page of protocols, tasks and class schemes."""
    from typing import get_args

    from mer.core.key_table import descriptions
    from mer.datasets.views import shipped_views
    from mer.planning.blocks import ExperimentBlock
    from mer.spotting.experiment import SpottingBlock

    yield "# Protocols and class schemes\n"
    for title, block, page in (
        ("Recognition", ExperimentBlock, "scores.md"),
        ("Spotting", SpottingBlock, "spotting.md"),
    ):
        names = get_args(block.model_fields["protocol"].annotation)
        yield f"## {title}\n\n`protocol`: {', '.join(f'`{name}`' for name in names)}."
        yield cell(descriptions(block)["protocol"])
        yield f"[More](../{page}).\n"
    yield "## Class schemes\n\n`view` of an experiment; [one of your own](../scores.md#which-class-a-clip-has).\n"
    yield "| view | classes, in the order of every table |\n|---|---|"
    for name, view in shipped_views().items():
        yield f"| `{name}` | {', '.join(view.classes)} |"


def commands() -> Iterator[str]:
    """Yield the page of the command line, from the command itself."""
    import typer.main

    from mer.cli import app

    yield "# Commands\n"
    yield "Made of the command. What exit statuses mean, and `--json`: [in scripts](../how-to/in-scripts.md).\n"
    yield from _command(typer.main.get_command(app), "mer")


def _command(command: Any, name: str) -> Iterator[str]:
    if members := getattr(command, "commands", None):
        for member in members:
            yield from _command(members[member], f"{name} {member}")
        return
    arguments = [part for part in command.params if part.param_type_name == "argument"]
    options = [part for part in command.params if part.param_type_name == "option"]
    shown = [f"{part.name.upper()}{'...' if part.nargs == -1 else ''}" for part in arguments]
    usage = " ".join(
        [name, *(word if part.required else f"[{word}]" for word, part in zip(shown, arguments, strict=True))]
    )
    yield f"## {name}\n\n{(command.help or '').strip()}\n\n```text\n{usage}{' [OPTIONS]' if options else ''}\n```\n"
    rows = [(", ".join(f"`{text}`" for text in (*part.opts, *part.secondary_opts)), part) for part in options]
    rows = [*((f"`{part.name.upper()}`", part) for part in arguments), *rows]
    if rows:
        yield "| | default | |\n|---|---|---|"
        for shown, part in rows:
            default = (
                ""
                if part.default is None or callable(part.default) or part.default in ((), [], False)
                else f"`{part.default}`"
            )
            yield f"| {shown} | {default} | {cell(part.help or '')} |"
        yield ""
    if command.epilog:
        examples = "\n".join(command.epilog.splitlines()[1:])
        yield f"```sh\n{examples}\n```\n"


def python() -> Iterator[str]:
    """Yield the page of the Python interface: what MkDocs then reads from the docstrings."""
    from mer import NOTEBOOK

    yield "# Python\n\nFrom the docstrings. [Notebook](../notebook.md) shows how the functions go together.\n"
    yield "## import mer\n"
    for name, target in NOTEBOOK.items():
        module, _, function = target.partition(":")
        yield f"`mer.{name}` is:\n\n::: {module}.{function}\n"
    yield "::: mer.notebook.run.Run\n"
    for title, modules in MODULES.items():
        yield f"## {title}\n"
        yield from (f"::: {module}\n" for module in modules)


def glossary() -> str:
    """Return the words of the field and of the project, which stand on the page on the architecture."""
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    return "# Glossary\n" + page.partition("## Glossary\n")[2].partition("\n## ")[0]


def gallery() -> dict[str, str | bytes]:
    """Run every example of the gallery, in this process, since they share a face; return its page and the pictures."""
    made: dict[str, str | bytes] = {}
    page = (
        "# Gallery\n\nEach picture was drawn by the code below it when this site was built. The faces are simulated.\n"
    )
    with tempfile.TemporaryDirectory() as held:
        draw_gallery(Path(held))
        for name in EXAMPLES:
            code = (GALLERY / f"{name}.py").read_text(encoding="utf-8")
            _, docstring, body = code.split('"""', 2)
            title, _, words = docstring.strip().partition("\n\n")
            made[f"gallery/{name}.png"] = (Path(held) / f"{name}.png").read_bytes()
            page += f"\n## {title.rstrip('.')}\n\n{words}\n\n![{title}](gallery/{name}.png)\n"
            page += f"\n`python examples/gallery/{name}.py {name}.png`\n\n```python\n{body.strip()}\n```\n"
    return made | {"gallery.md": page}


def draw_gallery(out: Path) -> None:
    """Run every example of the gallery, each into `<name>.png` of a folder."""
    import matplotlib

    matplotlib.use("agg")
    arguments, path = sys.argv, list(sys.path)
    sys.path.insert(0, str(GALLERY))
    try:
        for name in EXAMPLES:
            sys.argv = [name, str(out / f"{name}.png")]
            runpy.run_path(str(GALLERY / f"{name}.py"), run_name="__main__")
    finally:
        sys.argv, sys.path[:] = arguments, path
