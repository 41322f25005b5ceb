"""Does a method of a stage keep its contract? For any method, registered in `mer` or not.

    from mer.testing.methods import check_method
    check_method("flow", METHOD)

Every fault is an `AssertionError` that says what was expected.
"""

from __future__ import annotations

import inspect
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mer.core.container import Clip, Container, ContainerWriter, file_digest
from mer.core.errors import MerError
from mer.core.images import write_image
from mer.core.levels import as_uint8
from mer.core.source import Source
from mer.stages.contract import Array, Method, Stage
from mer.stages.registry import load_stage
from mer.testing.run_checks import at_once

CLIP = "checked/clip"
SIDE, COUNT = 64, 8
#: Axes whose length a declaration states in figures.
FIGURES = re.compile(r"(\d+)")


def method_checks(
    stage: str, method: Method[Any], keys: Mapping[str, Any] | None = None, source: Source | None = None
) -> Iterator[str]:
    """Hold a method to what `mer.stages.contract` and `method.py` of its stage ask of it.

    Args:
        stage: name of the stage.
        method: its object, the `METHOD` of a file.
        keys: of its parameters, besides the defaults.
        source: a clip for it; a small made-up one when None. A method of `align`, or one that reads the index other
            than `frames`, needs one: a clip with a face in it, or the owner's file.

    Yields:
        what is kept, one check after the other.

    Raises:
        AssertionError: undocumented or loose parameters, a product that lacks a declared array or has it in another
            shape or type, two runs that differ, an input that was changed, or bad input that is not refused by a
            `MerError`.
    """
    declared = load_stage(stage)
    check_parameters(method)
    yield "keys: each described, defaults that come back from JSON"
    params = method.Params(**(keys or {}))
    with tempfile.TemporaryDirectory(prefix="mer-check-") as name, _given(stage, source, Path(name)) as given:
        before = _digest(given)
        first, second = (_product(declared, given, method, params, Path(name) / f"{k}.h5") for k in "ab")
        _check_product(declared, params, first)
        yield f"product: {', '.join(sorted(declared.arrays_of(params)))}, in the shapes and types of its stage, finite"
        assert first.keys() == second.keys(), "a second run writes other arrays than the first"
        for array, values in first.items():
            assert np.array_equal(values, second[array]), f"{array} of a second run differs: methods are deterministic"
        yield "product: a second run gives the same bytes"
        assert _digest(given) == before, "the source was changed"
        if given.clip is not None:
            _check_functions(stage, method, params, given.clip)
            yield "functions: results as the stage's contract says; what they are given stays as it was"
        _check_refusal(declared, method, params, given, Path(name) / "bad.h5")
        yield "refusal: a clip without its arrays ends in one line"


check_method = at_once(method_checks)


def check_parameters(method: Method[Any]) -> None:
    """Hold the keys of a method to theirs: each described, none unknown, defaults that survive the configuration."""
    config, fields = method.Params.model_config, method.Params.model_fields
    assert config.get("extra") == "forbid" and config.get("frozen"), "derive Params from mer.core.params.Params"
    bare = [name for name, field in fields.items() if not field.description]
    example = f"write {bare[0]}: ... = Field(default, description='...')" if bare else ""
    assert not bare, f"keys without a description: {', '.join(bare)}; {example}"
    if not any(field.is_required() for field in fields.values()):
        stored = method.Params().model_dump(mode="json")
        assert method.Params.model_validate(stored) == method.Params(), "the defaults do not survive JSON"


@contextmanager
def _given(stage: str, source: Source | None, folder: Path) -> Iterator[Source]:
    """Yield the source that a method is run on."""
    if source is not None:
        yield source
        return
    if stage == "frames":
        for number, picture in enumerate(pictures(), 1):
            write_image(folder / "clip" / f"img{number}.png", picture)
        yield Source({**row(), "media_path": "clip", "media_kind": "frames"}, folder)
        return
    assert stage != "align", "align follows a face: give a source, with a `frames` product of a clip that shows one"
    path = folder / "source.h5"
    write_crops(path)
    with Container(path) as box:
        yield Source(row(), folder, box.clip(CLIP))


def row() -> dict[str, Any]:
    """Return the label-free row of the made-up clip."""
    return {"sample_id": CLIP, "onset": 1, "apex": 5, "offset": COUNT, "fps": 200.0}


def pictures() -> np.ndarray:
    """Return crops (T, S, S, 3) uint8: a texture whose lower half moves to the right by a pixel, and back."""
    rng = np.random.default_rng(2)
    waves, phases = rng.normal(0, 0.45, (30, 2)), rng.uniform(0, 2 * np.pi, 30)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    weight = np.exp(-((x - SIDE / 2) ** 2 + (y - 0.6 * SIDE) ** 2) / 450)
    frames = []
    for level in np.sin(np.linspace(0, np.pi, COUNT)):
        angles = waves[:, 0, None, None] * (x - level * weight) + waves[:, 1, None, None] * y + phases[:, None, None]
        plane = 128 + 12 * np.cos(angles).sum(axis=0)
        frames.append(np.stack([plane, 0.6 * plane + 40, 255 - plane], axis=2))
    return as_uint8(np.stack(frames))


def face_points() -> np.ndarray:
    """Return 68 plausible landmarks (68, 2) float32 of a face that fills a crop of `SIDE` pixels."""
    jaw = [(32 - 26 * np.cos(a), 26 + 32 * np.sin(a)) for a in np.linspace(0, np.pi, 17)]
    brows = [(x, 18 - 2 * np.sin(i / 4 * np.pi)) for i, x in enumerate(np.linspace(12, 27, 5))]
    brows += [(64 - x, y) for x, y in reversed(brows)]
    nose = [(32, y) for y in (24, 29, 33, 37)] + [(x, 40) for x in (27, 30, 32, 34, 37)]
    eye = [(15, 25), (18, 23), (22, 23), (25, 25), (22, 27), (18, 27)]
    mouth = [(32 - 11 * np.cos(a), 48 - 4 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 13)[:12]]
    mouth += [(32 - 8 * np.cos(a), 48 - 2 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 9)[:8]]
    return np.array(jaw + brows + nose + eye + [(x + 24, y) for x, y in eye] + mouth, np.float32)


def write_crops(path: Path) -> None:
    """Write the made-up clip as a product that any stage after `align` can read: crops, and flow between them."""
    frames, points = pictures(), np.repeat(face_points()[None], COUNT, axis=0)
    arrays = {
        "frames": frames,
        "landmarks": points,
        "numbers": np.arange(1.0, COUNT + 1),
        "quality": np.ones(COUNT, np.float32),
        "flow": np.diff(frames[..., :2].astype(np.float32), axis=0, prepend=0).transpose(0, 3, 1, 2) / 255,
        "strain": np.ones((COUNT, SIDE, SIDE), np.float32),
    }
    with ContainerWriter(path, "align") as out, out.clip(CLIP) as clip:
        for name, values in arrays.items():
            clip.write(name, values)
        clip.attributes({"fps": 200.0, "onset": 0, "apex": 4, "offset": COUNT - 1})


def _product(
    stage: Stage[Any, Any], source: Source, method: Method[Any], params: Any, path: Path
) -> dict[str, np.ndarray]:
    """Run the stage on one clip and return the arrays that it wrote."""
    with ContainerWriter(path, "checked") as out, out.clip(CLIP) as clip:
        stage.process(source, clip, method, params)
    with Container(path) as box:
        assert CLIP in box.clip_ids, f"the clip was excluded: {box.failures[CLIP]}"
        made = box.clip(CLIP)
        return {name: made.read(name) for name in made.group}


def _check_product(stage: Stage[Any, Any], params: Any, arrays: Mapping[str, np.ndarray]) -> None:
    for name in sorted(stage.arrays_of(params)):
        assert name in arrays, f"the product has no array {name}"
        _check_array(name, stage.arrays[name], arrays[name])


def _check_array(name: str, declared: Array, values: np.ndarray) -> None:
    dtypes = declared.dtype.split(" or ")
    assert values.dtype.name in dtypes, f"{name} is {values.dtype.name}, expected {declared.dtype}"
    if "[" not in declared.shape and "..." not in declared.shape:
        axes = declared.shape.split(", ")
        assert values.ndim == len(axes), f"{name} has shape {values.shape}, expected ({declared.shape})"
        fixed = [
            (int(axis), length) for axis, length in zip(axes, values.shape, strict=True) if FIGURES.fullmatch(axis)
        ]
        assert all(wanted == length for wanted, length in fixed), f"{name}: {values.shape}, not ({declared.shape})"
    assert values.size, f"{name} is empty"
    if values.dtype.kind == "f" and name not in ("numbers", "seconds"):
        assert np.isfinite(values).all(), f"{name} has values that are not finite"


def _check_functions(stage: str, method: Any, params: Any, clip: Clip) -> None:
    """Call the method's functions on arrays in memory, which they must leave as they are."""
    from mer.motion.grey import grey

    if stage == "align":
        return  # It reads the owner's files alone.
    frames, points = np.asarray(clip.read("frames")), clip.read("landmarks").astype(np.float64)
    first, second = grey(frames[0]), grey(frames[len(frames) // 2])
    if stage == "flow" and not method.from_index:
        flow = _unchanged(method.estimate, first, second, params)
        assert flow.shape == (2, *first.shape) and flow.dtype == np.float32, (
            f"flow {flow.shape} {flow.dtype}; expected (2, H, W) float32, here {(2, *first.shape)}"
        )
        assert not np.any(method.estimate(first, first.copy(), params)), "identical images have no flow"
        if method.estimate_many is not None:
            many = _unchanged(method.estimate_many, first[None], np.stack([second, first]), params)
            assert np.shape(many) == (2, 2, *first.shape), "many pairs give (P, 2, H, W)"
            assert np.allclose(many[0], flow, atol=1e-3), "a pair's flow depends on the pairs beside it"
    elif stage == "interpolate":
        made = _unchanged(method.resample, frames, np.array([0.0, 0.5, 1.0]), params)
        assert made.shape == (3, *frames.shape[1:]) and made.dtype == np.uint8, "frames are (F, S, S, 3) uint8"
        assert np.array_equal(made[[0, 2]], frames[:2]), "a frame that exists must come out untouched"
    elif stage == "magnify":
        clips = _unchanged(lambda *given: list(method.magnified(*given)), frames, 0, params)
        assert len(clips) == len(params.alphas), "one clip per factor"
        assert all(made.shape == frames.shape and made.dtype == np.uint8 for made in clips), "clips are as their source"
    elif stage == "rois":
        image = np.ascontiguousarray(frames[0][..., :1], np.float32)
        boxes = _unchanged(method.locate, points[0], SIDE, SIDE, params)
        count = len(method.names(params))
        assert boxes.shape == (count, 4) and boxes.dtype == np.float32, "boxes are (R, 4) float32, one per name"
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= SIDE).all(), "a box leaves the image"
        patches = _unchanged(method.patches, image, boxes, False, params)
        assert len(patches) == count and patches.dtype == image.dtype, "one patch per box, in the image's type"
    elif stage == "spot":
        large = [np.kron(image, np.ones((2, 2), np.float32)) for image in (first, second)]
        seen = _unchanged(method.picture(params, CLIP), *large, 2 * points[0])
        assert np.shape(seen) == (3, 42, 42), "features are (3, 42, 42)"


def _unchanged(function: Callable[..., Any], *given: Any) -> Any:
    """Call a function; none of the arrays given to it may differ afterwards."""
    copies = [value.copy() if isinstance(value, np.ndarray) else value for value in given]
    made = function(*given)
    for copy, value in zip(copies, given, strict=True):
        if isinstance(value, np.ndarray):
            name = getattr(function, "__name__", type(function).__name__)
            assert np.array_equal(copy, value), f"{name} changes the arrays that it is given"
    return made


def _check_refusal(stage: Stage[Any, Any], method: Method[Any], params: Any, source: Source, path: Path) -> None:
    """A clip without its medium, or without arrays, must end in a `MerError`, never in another exception."""
    empty = path.with_name("empty.h5")
    with ContainerWriter(empty, "checked") as out, out.clip(CLIP) as clip:
        clip.attributes({"fps": 200.0, "onset": 0})
    with Container(empty) as box:
        bad = Source({**source.row, "media_path": "nowhere"}, source.root, box.clip(CLIP) if source.clip else None)
        try:
            with ContainerWriter(path, "checked") as out, out.clip(CLIP) as clip:
                stage.process(bad, clip, method, params)
        except MerError:
            return
        with Container(path) as left:
            assert CLIP in left.failures, f"{inspect.getmodule(stage.process)}: a clip without any array was accepted"


def _digest(source: Source) -> str:
    return "" if source.clip is None else file_digest(source.clip.path)
