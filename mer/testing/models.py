"""The contract of a recognition model (`mer.models.contract`), checked on a few clips, also of one that is not ours."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.container import Clip
from mer.core.errors import ClipError, ModelError
from mer.core.params import Params
from mer.models.contract import Model, Units
from mer.models.state import Features, State, by_name, subset
from mer.testing.run_checks import at_once
from mer.training.checkpoint import FIELDS, load_checkpoint, save_checkpoint
from mer.training.gather import features_for
from mer.training.recipe import Recipe

Clips = Mapping[str, Clip]
ALONE = "score clips one at a time, and take nothing (a mean, a rank) over the clips of a call"


def model_checks(
    model: Model,
    clips: Sequence[Clips],
    labels: Sequence[int],
    groups: Sequence[str],
    *,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    units: Sequence[Units] | None = None,
    unusable: Sequence[Clips] = (),
    times: int = 1,
) -> Iterator[str]:
    """Check the card, and one preset on clips: shapes, determinism, independence of clips, refusals, save and load.

    Args:
        model: the card.
        clips: at least four, each in all of the model's inputs.
        labels: class of each, 0-based, of at least two classes; the check trains for one class more than there are.
        groups: person of each, at least two.
        preset: the one that is trained; the first when None.
        settings: changes to it, such as a small budget.
        units: annotated action units of each clip; none coded when None.
        unusable: clips that `features` must refuse.
        times: how often each clip is trained on, its features a little different each time.

    Yields:
        what is kept, one check after the other.

    Raises:
        AssertionError: what is not kept, in one line.
    """
    _check_card(model)
    yield "card: presets come back from JSON, settings are keys of `train`, libraries are installed"
    chosen = _changed(model, preset or model.default, settings or {})
    coded = list(units) if units is not None else [None] * len(clips)
    features = _check_features(model, chosen, clips, coded, unusable)
    yield f"features: {_shapes(features)}, finite, the same whatever clips came before"
    features, coded = _varied(features, times), coded * times
    classes, people = np.array([*labels] * times, np.int64), np.array([str(group) for group in groups] * times)
    untouched = {name: array.copy() for name, array in _arrays(features).items()}

    def fit(of: np.ndarray, seed: int, log: Callable[[str], None]) -> State:
        named: dict[str, Any] = {"units": coded} if "fit" in model.units else {}
        if (preset or model.default) in model.start:
            named["start"] = model.start[preset or model.default]()
        return model.fit(features, of, people, int(max(labels)) + 2, chosen, seed, log, "cpu", **named)

    state = _check_fit(fit, classes, model.build is not None)
    same = all(np.array_equal(array, untouched[name]) for name, array in _arrays(features).items())
    _require(same, "fit: changes the features that it is given; work on a copy")
    yield "fit: equal arguments give equal arrays, another seed others; refuses one class; leaves features alone"
    yield from _predict_checks(model, state, features, len(classes), int(max(labels)) + 2)


check_model = at_once(model_checks)


def _varied(features: Features, times: int) -> Features:
    """Return the features of every clip so many times; floating-point ones each times 1 with a deviation of 0.05."""
    if times == 1:
        return features
    draw = np.random.default_rng(0)
    made = {}
    for name, array in _arrays(features).items():
        whole = np.concatenate([array] * times)
        noise = draw.normal(1, 0.05, whole.shape) if whole.dtype.kind == "f" else 1
        made[name] = (whole * noise).astype(array.dtype)
    return made if isinstance(features, dict) else made[""]


def _shapes(features: Features) -> str:
    told = {name: f"{array.shape[1:]} {array.dtype}" for name, array in _arrays(features).items()}
    return ", ".join(f"{name} {text}".strip() for name, text in told.items())


def _require(kept: object, message: str) -> None:
    if not kept:
        raise AssertionError(message)


def _refused(call: Callable[[], object], kinds: tuple[type[Exception], ...], what: str) -> None:
    names = " or ".join(kind.__name__ for kind in kinds)
    try:
        call()
    except kinds:
        return
    except Exception as error:
        raise AssertionError(f"{what}: raises {type(error).__name__}, not {names}: {error}") from error
    raise AssertionError(f"{what}: not refused by {names}")


def _check_card(model: Model) -> None:
    _require(model.presets and model.inputs and model.source, "card: presets, inputs and source are needed")
    _require(len({type(preset) for preset in model.presets.values()}) == 1, "card: presets of several classes")
    for name, preset in model.presets.items():
        again = type(preset).model_validate(preset.model_dump(mode="json"))
        _require(again == preset, f"card: preset {name} does not come back from JSON")
    published = [] if model.published is None else [model.published]
    for field, names in {
        "classes": list(model.classes),
        "gpu": list(model.gpu),
        "published": published,
        "start": list(model.start),
    }.items():
        unknown = sorted(set(names) - set(model.presets))
        _require(not unknown, f"card: {field} names {', '.join(unknown)}, which is no preset")
    strange = sorted({name for preset in model.presets.values() for name in model.unread(preset)} - set(model.inputs))
    _require(not strange, f"card: unread names {', '.join(strange)}, which is no input")
    _require(set(model.units) <= {"features", "fit"}, f"card: units {model.units}, not of features and fit")
    fields = set(type(model.presets[model.default]).model_fields) & set(Recipe.model_fields)
    _require(set(model.settings) <= fields, f"card: settings {model.settings}, not all of presets and of a recipe")
    _require(model.published is None or model.noise, "card: a published preset needs noise for the bench")
    _require(model.build or model.parameters, "card: either build or parameters says how large it is")
    for library in model.libraries:
        try:
            version(library)
        except PackageNotFoundError:
            found = f"card: library {library} is not an installed distribution; name it as pip does"
            raise AssertionError(found) from None


def _changed(model: Model, preset: str, settings: Mapping[str, Any]) -> Params:
    base = model.presets[preset]
    return type(base).model_validate({**base.model_dump(), **settings})


def _check_features(
    model: Model, preset: Params, clips: Sequence[Clips], units: Sequence[Units], unusable: Sequence[Clips]
) -> Features:
    """Return the features, stacked."""

    def view(of: Clips, coded: Units = None) -> Features:
        return model.features(of, preset, coded) if "features" in model.units else model.features(of, preset)

    views = [view(of, coded) for of, coded in zip(clips, units, strict=True)]
    shapes = [{key: (array.shape, array.dtype) for key, array in _arrays(one).items()} for one in views]
    for number, shape in enumerate(shapes):
        _require(
            shape == shapes[0], f"features: clip {number} gives {shape}, the first {shapes[0]}; bring clips to one size"
        )
    for key, (_, kind) in shapes[0].items():
        kinds = (np.float32, np.float16, np.uint8)
        _require(
            kind in kinds,
            f"features: {key or 'the array'} is {kind}, not float32, float16 or uint8; end in .astype(np.float32)",
        )
    for array in (array for one in views for array in _arrays(one).values()):
        _require(
            np.isfinite(array).all(),
            "features: values that are not finite; raise a ClipError for a clip that cannot be used",
        )
    again = _arrays(view(clips[0], units[0]))
    same = all(np.array_equal(array, again[key]) for key, array in _arrays(views[0]).items())
    _require(same, "features: a clip is seen differently after other clips; keep nothing between calls")
    for number, of in enumerate(unusable):
        _refused(lambda of=of: view(of), (ClipError, ModelError), f"features of unusable clip {number}")  # type: ignore[misc]
    stacked = {key: np.stack([_arrays(one)[key] for one in views]) for key in _arrays(views[0])}
    return stacked if isinstance(views[0], dict) else stacked[""]


def _check_fit(
    fit: Callable[[np.ndarray, int, Callable[[str], None]], State], labels: np.ndarray, drawn: bool
) -> State:
    """Return what was trained. `drawn`: the first weights are, so that another seed must give others."""
    lines: list[str] = []
    state, again = (fit(labels, 7, lines.append) for _ in range(2))
    _require(lines, "fit: says nothing to its log; call log(...) with one line")
    _require(not any("\n" in line for line in lines), "fit: an entry of its log is not one line")
    _require(set(state.arrays) == set(again.arrays), "fit: the same arguments give other arrays")
    for name, array in state.arrays.items():
        _require(
            np.array_equal(array, again.arrays[name]),
            f"fit: the same arguments give another {name}; draw all random numbers from the seed",
        )
    other = fit(labels, 8, lines.append) if drawn else None
    moved = other is None or any(not np.array_equal(array, other.arrays[name]) for name, array in state.arrays.items())
    _require(moved, "fit: another seed gives the same arrays")
    _refused(lambda: fit(labels * 0, 7, lines.append), (ModelError,), "fit on clips of one class")
    return state


def _predict_checks(model: Model, state: State, features: Features, count: int, n_classes: int) -> Iterator[str]:
    scores = np.asarray(model.predict(state, features))
    shape = f"predict: shape {scores.shape}, not {(count, n_classes)}"
    _require(scores.shape == (count, n_classes), f"{shape}; a row for each clip, a column for each class")
    _require(scores.dtype == np.float64, f"predict: {scores.dtype}, not float64; end in .astype(np.float64)")
    _require(
        np.isfinite(scores).all(), "predict: scores that are not finite; look for a division by 0 or a logarithm of it"
    )
    yield f"predict: finite scores (clips, classes) of {count} clips"
    for clip in (0, count - 1):
        alone = model.predict(state, features_for(model, subset(features, np.array([clip]))))
        _require(np.array_equal(alone[0], scores[clip]), f"predict: clip {clip} scores differently alone; {ALONE}")
    backwards = model.predict(state, features_for(model, subset(features, np.arange(count)[::-1])))
    _require(np.array_equal(backwards[::-1], scores), f"predict: scores depend on the order of the clips; {ALONE}")
    yield "predict: a clip's scores are the same alone and beside others"
    foreign = State({"foreign": np.zeros(1)}, state.meta)
    _refused(lambda: model.predict(foreign, features), (ModelError,), "predict of a foreign checkpoint")
    yield "predict: a checkpoint of another model is refused"
    with tempfile.TemporaryDirectory(prefix="mer-contract-") as folder:
        path = Path(folder) / "model.safetensors"
        save_checkpoint(path, state, {key: None for key in FIELDS if key != "state"})
        loaded, _ = load_checkpoint(path)
    _require(
        np.array_equal(model.predict(loaded, features), scores),
        "predict: other scores after saving and loading; keep all in arrays and JSON",
    )
    yield "checkpoint: the same scores after saving and loading"


def _arrays(features: Features) -> dict[str, np.ndarray]:
    return {name: np.asarray(array) for name, array in by_name(features).items()}
