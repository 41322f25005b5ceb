"""`mer init`: from a folder to a first configuration that runs, with the reason of every guess beside it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mer.core.atomic import write_text
from mer.core.errors import ConfigError
from mer.core.progress import bar
from mer.core.sample import Sample
from mer.datasets.listed import listed_once
from mer.datasets.usable import stops
from mer.datasets.views import view_of
from mer.planning.catalog import expressions
from mer.planning.guess_reader import ReaderGuess, guess_reader
from mer.planning.guess_table import Guess
from mer.planning.header_words import unaccented

#: Class schemes to try, the first that fits is taken.
SCHEMES = ("emotion_3", "deception")
#: People that a class needs: one is held out, and another must have taught it.
LEAST_PEOPLE = 2
OWN = "own"


@dataclass(frozen=True)
class Scheme:
    """The classes of the experiments: a shipped view or one of the rows' own words; `why` says how it was chosen."""

    view: str
    why: str
    classes: tuple[str, ...] = ()


def write_first_config(root: Path, output: Path, force: bool = False, licence_accepted: bool = False) -> list[str]:
    """Write a first configuration for a folder and return lines that say what was guessed and what to do next.

    Args:
        root: the folder of a database or of one's own clips.
        output: the file to write.
        force: write over an existing file.
        licence_accepted: the user says that the owner's agreement is signed.

    Raises:
        ConfigError: `output` exists.
        DatasetError: nothing in the folder can be read.
    """
    if output.exists() and not force:
        raise ConfigError(
            output, "exists", "a new file", "name another one with --output, or write over it with --force"
        )
    with bar("folders listed") as update, listed_once(lambda folders: update(folders, None)):
        guess = guess_reader(root)
    name = _name(guess, root)
    scheme = choose_scheme(guess.reading.samples)
    write_text(output, "\n".join(_text(guess, name, root.resolve(), scheme, licence_accepted)) + "\n")
    return list(_next(guess, name, output, scheme, licence_accepted))


def choose_scheme(samples: Sequence[Sample]) -> Scheme | str:
    """Return the classes that the rows can be sorted into, or why there are none.

    A class is taken where at least two people show it: the held-out one, and one to learn from.
    """
    usable = [sample for sample in samples if sample.status == "ok"]
    people = {sample.group for sample in usable}
    if usable and not any(sample.emotion_norm for sample in usable):
        return "nothing tells the emotions, so there is nothing to train or to score"
    if len(people) < LEAST_PEOPLE:
        return f"{len(people)} person with frames: nobody to hold out"
    for view in map(view_of, SCHEMES):
        if not all(view.defined_for(sample.dataset) for sample in usable):
            continue
        classes, shown = view.classes_of(sample.dataset for sample in usable), _people_of(usable, view.class_of)
        if all(len(shown[name]) >= LEAST_PEOPLE for name in classes):
            out = sum(view.class_of(sample) is None for sample in usable)
            return Scheme(view.name, f"{', '.join(classes)}; {out} of {len(usable)} clips have no class in it")
    words = _people_of(usable, lambda sample: sample.emotion_norm or None)
    kept = sorted(word for word, shown in words.items() if len(shown) >= LEAST_PEOPLE)
    if len(kept) < 2:
        return "no two emotions that at least two people show"
    rare = sorted(set(words) - set(kept))
    told = f"; rarer ones are left out: {', '.join(rare[:8])}{', …' if len(rare) > 8 else ''}" if rare else ""
    why = "each word of the table that two people show" + told
    return Scheme(OWN, why, tuple(kept))


def _people_of(samples: Sequence[Sample], label: Any) -> dict[str, set[str]]:
    shown: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        value = label(sample)
        if value is not None:
            shown[value].add(sample.group)
    return shown


def _name(guess: ReaderGuess, root: Path) -> str:
    """Return the dataset's name: its database's, or that of the folder in letters that a name may have."""
    if guess.reader.licence is not None:
        return (
            guess.reading.samples[0].dataset
            if len({s.dataset for s in guess.reading.samples}) == 1
            else guess.reader.name
        )
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", unaccented(root.resolve().name)).strip("_")
    return plain if plain and plain[0].isalnum() else "mine"


def _value(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000).strip()
    return text.removesuffix("...").strip()


def _line(indent: int, key: str, guess: Guess) -> str:
    return f"{' ' * indent}{_value(key)}: {_value(guess.value)} # {' '.join(guess.why.split())}"


def _text(guess: ReaderGuess, name: str, root: Path, scheme: Scheme | str, accepted: bool) -> Iterator[str]:
    yield "# A first configuration, written by `mer init` from what lies in the folder: guesses, each with its reason."
    yield "# docs/configuration.md explains every key, docs/datasets.md the reader."
    yield f"results: results/{name}"
    yield "seed: 0"
    yield ""
    yield "datasets:"
    yield f"  {name}:"
    yield _line(4, "reader", Guess(guess.reader.name, guess.why))
    yield f"    root: {_value(str(root))}"
    if guess.reader.licence is not None:
        told = "you said so" if accepted else "set it to true when it is: " + guess.reader.licence.form
        yield _line(
            4, "licence_accepted", Guess(accepted, f"your statement that the owner's agreement is signed; {told}")
        )
    if _is_part(guess):
        yield "    part: true # fewer rows or clips than the release has; `mer check` tells which"
    yield from _options(guess)
    chain, product = _chain(guess.reading.samples)
    if not isinstance(scheme, Scheme):
        yield f"    products: [{product}] # no experiment: {scheme}"
    yield ""
    yield from chain
    if isinstance(scheme, Scheme):
        yield ""
        yield from _experiments(name, scheme, product, guess.reading.samples)


def _is_part(guess: ReaderGuess) -> bool:
    """Tell whether the copy can be used once it is said to be a part of a known release."""
    options = {key: one.value for key, one in guess.options.items()}
    columns = {key: one.value for key, one in guess.columns.items()}
    chosen = guess.reader.options.model_validate({**options, **({"columns": columns} if columns else {})})
    card = guess.reader.database(chosen)
    return bool(stops(guess.reading, card)) and not stops(guess.reading, card, part=True)


def _options(guess: ReaderGuess) -> Iterator[str]:
    if not guess.options and not guess.columns:
        yield from (f"    # {text}" for text in guess.unsure)
        return
    yield "    options:"
    for key, one in guess.options.items():
        yield _line(6, key, one)
    if guess.columns:
        yield "      columns: # what the table's headers mean"
        for key, one in guess.columns.items():
            yield _line(8, key, one)
        if guess.unread:
            yield f"      # columns that nothing reads: {', '.join(map(repr, guess.unread))}"
    yield from (f"      # {text}" for text in guess.unsure)


def _chain(samples: Sequence[Sample]) -> tuple[list[str], str]:
    """Return the lines of one chain of products, and the flow that it ends in."""
    usable = [sample for sample in expressions(samples) if sample.status == "ok"]
    if usable and all(sample.media_kind == "flow_image" for sample in usable):
        return ["flow:", "  published: {from: index, method: published}"], "flow/published"
    whole = sum(sample.onset is None or sample.offset is None for sample in usable)
    lines = []
    if whole:
        why = f"{whole} of {len(usable)} clips have no onset and offset: taken for cut to the expression"
        lines = [f"frames: {{no_event: whole}} # {why}", ""]
    lines += [
        "align:",
        "  face: {method: dlib, size: 224} # the face, upright and of one size",
        "",
        "flow:",
        "  apex: {from: align/face, method: dis, pairs: onset_apex} # the motion from onset to apex",
    ]
    return lines, "flow/apex"


def _experiments(name: str, scheme: Scheme, product: str, samples: Sequence[Sample]) -> Iterator[str]:
    if scheme.classes:
        yield "views:"
        yield f"  {scheme.view}: # {scheme.why}; several words may share a class"
        yield "    classes:"
        for word in scheme.classes:
            yield f"      {_value(word)}: {_value([word])}"
        yield ""
    people = len({sample.group for sample in samples if sample.status == "ok"})
    yield "experiments:"
    yield "  svm_flow: # a linear machine on pooled flow: a cheap, strong baseline"
    yield "    model: svm_flow"
    if product == "flow/published":
        yield "    preset: minmax_image # the published images were stretched one by one"
    yield f"    data: [{name}]"
    yield f"    view: {scheme.view}" + ("" if scheme.classes else f" # {scheme.why}")
    yield f"    protocol: loso # each of {people} people is held out once"
    yield f"    inputs: {{motion: {product}}}"
    yield "  ststnet: # a small network, as published"
    yield "    model: ststnet"
    yield f"    data: [{name}]"
    yield f"    view: {scheme.view}"
    yield "    protocol: loso"
    yield f"    inputs: {{motion: {product}}}"


def _next(guess: ReaderGuess, name: str, output: Path, scheme: Scheme | str, accepted: bool) -> Iterator[str]:
    yield f"wrote {output}: reader {guess.reader.name}, {guess.why}"
    yield f"  {guess.usable} of {len(guess.reading.samples)} clips can be used"
    for text in guess.unsure:
        yield f"  not sure: {text}"
    if isinstance(scheme, Scheme):
        yield f"  classes: {scheme.view} ({scheme.why})"
    else:
        yield f"  no experiment: {scheme}"
    request = "" if accepted else guess.reader.licence_request(name)
    if request:
        yield f"  first {request}"
    yield "next, in the folder that holds the Snakefile:"
    yield f"  mer check --config {output} --dataset {name}"
    yield f"  mer run --configfile {output} --replace-workflow-config"
