"""`mer check-plugin`: does somebody's own model, method, reader or layout keep its contract? One line per check.

A model is trained on simulated clips of two persons, in the products that its inputs name; a method is run on a made-up
clip, one of `align` on a simulated one; a layout is written and read back. What fails says what to do.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from mer.core.container import Container
from mer.core.errors import MerError
from mer.core.key_table import key_table
from mer.core.plugins import module_of, names_of, parts, plug_in, stage_of, views
from mer.core.progress import each
from mer.core.registry import PARTS, last_line
from mer.core.source import Source
from mer.datasets.contract import AnyReader
from mer.datasets.registry import reader
from mer.datasets.views import shipped_views, view_block
from mer.models.contract import Model
from mer.models.state import by_name
from mer.provenance import code_digest
from mer.simulate.contract import Layout
from mer.stages.contract import Method
from mer.stages.run import StageSpec
from mer.testing.layouts import TINY, layout_checks, small
from mer.testing.methods import method_checks
from mer.testing.models import model_checks
from mer.testing.readers import reader_checks
from mer.testing.simulated_clips import Simulated, chain_for, filmed_source, simulated

#: What takes a second to import, and has no place at the top of a file that every job reads.
HEAVY = ("torch", "cv2", "sklearn", "dlib", "skimage", "matplotlib", "av", "tensorflow")
#: What the text of a check begins with that is worth knowing, and breaks no contract.
NOTE = "note: "
#: How many checks a part has at most, for the time left.
MOST = {"MODEL": 9, "METHOD": 5, "READER": 5}
#: How often an estimator is given each clip: PCA, neighbours and the like ask for more clips than are filmed.
VARIED = 12
Say = Callable[[str], None]
#: The steps to each input of a model.
Chains = Mapping[str, Sequence[StageSpec]]


@dataclass
class Checked:
    """What has been found of one plug-in.

    Attributes:
        say: takes a line.
        kept: whether nothing has failed so far.
    """

    say: Say
    kept: bool = True

    def run(self, part: str, checks: Iterator[str], file: str) -> bool:
        """Go through the checks of a part until one fails; return whether none did."""
        try:
            for text in each(checks, f"checks of {part}", MOST.get(part)):
                self.say(f"{'note' if text.startswith(NOTE) else 'pass'}  {part:<6}  {text.removeprefix(NOTE)}")
        except (AssertionError, MerError) as error:
            return self.fail(part, error.line() if isinstance(error, MerError) else str(error) or "an assertion failed")
        except Exception as error:  # Whatever somebody else's code may raise.
            line = last_line(error, file)
            told = f"{type(error).__name__}: {error}" + (f" (line {line} of {Path(file).name})" if line else "")
            return self.fail(part, f"raises {told}; expected a result, or a MerError that says what to do")
        return True

    def fail(self, part: str, text: str) -> bool:
        """Say what is not kept."""
        self.kept = False
        self.say(f"FAIL  {part:<6}  {' '.join(text.split())}")
        return False


def check_plugin(entry: str, say: Say = print, chains: Mapping[str, Chains] | None = None) -> bool:
    """Check a plug-in and say a line for each check; then the rows and keys that it adds to the documentation.

    Args:
        entry: a file, or the dotted name of a module.
        say: takes one line at a time.
        chains: by name of the model, the steps to each of its inputs, where they are to be those of a configuration.

    Returns:
        Whether all is kept.
    """
    found = Checked(say)
    try:
        plug_in([entry], "check-plugin")
    except MerError as error:
        return found.fail("file", error.line())
    module = import_module(module_of(entry))
    held, file = parts(module, entry), str(module.__file__)
    say(f"pass  {'file':<6}  imports; holds {', '.join(held)}; code {code_digest(module.__name__)}")
    for name in _heavy(Path(file)):
        say(f"note  {'file':<6}  imports {name} at its top, so every job waits for it; import it inside functions")
    for variable, part in held.items():
        names = names_of(module, PARTS[variable], entry)
        if found.run(variable, _checks(variable, part, (chains or {}).get(names[0])), file):
            for line in documentation(variable, part, names):
                say(line)
    return found.kept


def _heavy(file: Path) -> list[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    named = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    named += [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)]
    return sorted({name.split(".")[0] for name in named} & set(HEAVY))


def _checks(variable: str, part: Any, chains: Chains | None) -> Iterator[str]:
    if variable == "MODEL":
        return _of_model(part, chains)
    if variable == "METHOD":
        return _of_method(part)
    if variable == "READER":
        return reader_checks(part)
    return _of_layout(part) if variable == "LAYOUT" else _of_views(part)


def _of_model(card: Model, chains: Chains | None) -> Iterator[str]:
    preset = card.presets[card.default]
    inputs = card.inputs_of(preset)
    steps = {name: (chains or {}).get(name) or chain_for(name, arrays) for name, arrays in inputs.items()}
    fields = type(preset).model_fields
    budget = {name: value for name, value in (("epochs", 2), ("batch_size", 4)) if name in fields}
    times = VARIED if "scikit-learn" in card.libraries else 1
    with simulated(steps) as given:
        told = f", each varied {times} times" if times > 1 else ""
        yield f"clips: {len(given.clips)} simulated ones, of {len(set(given.groups))} persons, in every input{told}"
        yield from model_checks(card, given.clips, given.labels, given.groups, settings=budget, times=times)
        if card.build is not None and not card.units and card.default not in card.start:
            yield _on_a_gpu(card, given, budget)


def _on_a_gpu(card: Model, given: Simulated, budget: Mapping[str, Any]) -> str:
    """Return whether the model can be trained on a GPU, by what refuses what a CUDA device would."""
    from mer.testing.cuda_stand_in import stand_in

    default = card.presets[card.default]
    preset = type(default).model_validate({**default.model_dump(), **budget})
    views = [card.features(clips, preset) for clips in given.clips]
    named = {name: np.stack([by_name(view)[name] for view in views]) for name in by_name(views[0])}
    features = named if isinstance(views[0], dict) else named[""]
    labels, groups = np.array(given.labels, np.int64), np.array(given.groups)
    try:
        with stand_in():
            card.fit(features, labels, groups, max(given.labels) + 1, preset, 7, lambda line: None, "cuda")
    except (MerError, RuntimeError) as error:
        return f"{NOTE}on a GPU it stops: {error}; a CPU trains it"
    return "device: what a CUDA device would refuse is not asked of it"


def _of_method(method: Method[Any]) -> Iterator[str]:
    stage = stage_of(method, "METHOD")
    if stage == "align":
        with TemporaryDirectory(prefix="mer-check-") as folder:
            row, frames = filmed_source(Path(folder))
            with Container(frames) as box:
                source = Source(row, Path(folder), box.clip(row["sample_id"]))
                yield from method_checks(stage, method, source=source)
    elif method.from_index and stage != "frames":
        yield "keys only: it reads the owner's files, on which `check_method` can be called with a source"
    else:
        yield from method_checks(stage, method)


def _of_layout(layout: Layout) -> Iterator[str]:
    yield from layout_checks(layout)
    for name in layout.cameras:
        yield from _read_back(layout, name)


def _read_back(layout: Layout, name: str) -> Iterator[str]:
    """Write a database and read it: the rows must be those that were planned."""
    chosen: AnyReader = reader(layout.reader, f"LAYOUT.reader of {name}")
    params = small(layout, name, **TINY)
    options = chosen.options.model_validate(dict(layout.cameras[name].options))
    given = layout.reader_input(params, options.model_dump())
    planned = chosen.samples_from(given.table, given.listing, options, "simulated", True, **given.extra)
    with TemporaryDirectory(prefix="mer-check-") as folder:
        root = Path(folder)
        deque(layout.write(params, root), maxlen=0)
        read = {row.sample_id: row.status for row in chosen.read(root, options).samples}
    wanted = {row.sample_id: row.status for row in planned.samples}
    differs = sorted(read.items() ^ wanted.items())
    assert not differs, f"{name}: reader {layout.reader} finds other rows than were planned: {differs[:2]}"
    assert "ok" in read.values(), f"{name}: reader {layout.reader} finds no usable row"
    yield f"{name}: reader {layout.reader} finds the rows that were planned"


def _of_views(given: Mapping[str, Any]) -> Iterator[str]:
    assert given, "VIEWS is empty; expected a name and its classes"
    assert set(given) <= set(views()), "VIEWS: not all registered"
    taken = ", ".join(sorted(set(given) & set(shipped_views())))
    assert not taken, f"VIEWS: {taken} has the name of a view that ships; choose another"
    for name, block in given.items():
        written = view_block(block, f"VIEWS: {name}")
        yield f"{name}: {', '.join(f'{one} ({takes.told})' for one, takes in written.classes.items())}"


def documentation(variable: str, part: Any, names: Sequence[str]) -> Iterator[str]:
    """Yield what the documentation would have of a part: its row, and the table of its keys, as Markdown."""
    if variable == "MODEL":
        yield "\n| model | presets (the first is the default) | inputs | settings that `train` may override |"
        yield "|---|---|---|---|"
        cells = (", ".join(some) for some in (part.presets, part.inputs, part.settings))
        yield f"| `{names[0]}` | {' | '.join(cells)} |\n"
        yield from key_table(f"presets of model `{names[0]}`", type(part.presets[part.default]))
    elif variable == "METHOD":
        stage, _, name = names[0].partition(".")
        yield from ("", *key_table(f"`{stage}.<variant>`, method `{name}`", part.Params))
    elif variable == "READER":
        yield from ("", *key_table(f"`datasets.<name>.options`, reader `{names[0]}`", part.options))


def run_check(entries: Sequence[str], say: Say = print, chains: Mapping[str, Chains] | None = None) -> bool:
    """Check plug-ins one after the other; return whether all keep their contracts."""
    kept = True
    for entry in entries:
        say(entry)
        kept &= check_plugin(entry, say, chains)
    say("all is kept" if kept else "not all is kept: see docs/plugins.md")
    return kept
