"""Films of real faces with implanted expressions, written beside their truth: what a spotter is measured on.

A film is written twice by the same encoder: as it was (the control), and with expressions in it
(`mer.simulate.implant`). What is spotted in the control is a false alarm, or an expression that the person made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mer.analysis.footage import Footage, open_footage
from mer.analysis.shot_cuts import filled
from mer.core.container import ContainerWriter
from mer.core.csvfile import write_csv
from mer.core.errors import ClipError, ConfigError, MediaError
from mer.core.geometry import apply, invert
from mer.core.progress import each
from mer.simulate.action_units import AU_NUMBERS
from mer.simulate.images import VideoFile
from mer.simulate.implant import Face, Implant, draw_implants, implant
from mer.spotting.region_motion import SOUND
from mer.spotting.shown_class import shown_class
from mer.stages.align import dlib68

TRUTH, MOTION = "truth.csv", "truth.h5"
LARGEST = 0.08  # distances between the eyes; twice that, of a macro-expression, is a wide smile
COLUMNS = ("subject", "video", "onset", "apex", "offset", "emotion", "type", "class", "amplitude", "units")


@dataclass(frozen=True)
class Recipe:
    """What is implanted.

    Args:
        seed: decides everything.
        amplitudes: largest displacements, shares of the distance between the eyes.
        macro_share: share of macro-expressions.
        units: sets of action units to draw from; those of every emotion when empty.
        quality: constant rate factor of the H.264 files; lower is better and larger.
    """

    seed: int = 0
    amplitudes: tuple[float, ...] = (0.01, 0.02, 0.03, 0.05, 0.08)
    macro_share: float = 0.0
    units: tuple[tuple[int, ...], ...] = ()
    quality: int = 18


def recipe_from(seed: int, amplitudes: str, macro_share: float) -> Recipe:
    """Return a recipe of what is typed, `amplitudes` as `0.02,0.05`; the usual ones when empty.

    Raises:
        ConfigError: an amplitude is no number, or none that a face can move by.
    """
    usual = Recipe(seed, macro_share=macro_share)
    if not amplitudes:
        return usual
    try:
        chosen = tuple(float(part) for part in amplitudes.split(","))
    except ValueError:
        chosen = ()
    if not chosen or not all(0 < part <= LARGEST for part in chosen):
        expected = f"numbers above 0 and up to {LARGEST:g}, as 0.02,0.05"
        raise ConfigError("--amplitudes", repr(amplitudes), expected)
    return replace(usual, amplitudes=chosen)


@dataclass(frozen=True)
class ImplantedFilm:
    """A film with implants.

    Args:
        film, control: the two videos; `control` is what was filmed, by the same encoder.
        fps: frames per second.
        visible: seconds in which the face is followed well.
        implants: what is in `film`; numbers are its frames from 0.
    """

    film: Path
    control: Path
    fps: float
    visible: float
    implants: Sequence[Implant] = field(default_factory=list)


def follow(footage: Footage) -> Face:
    """Return the face of a film by its tracked landmarks; frames in which it is followed poorly do not show it.

    Raises:
        MediaError: no face in any frame.
        ClipError: the face is too small, or seen for too short.
    """
    params = dlib68.Params()
    try:
        found = dlib68.METHOD.align(pictures(footage), params, footage.path.name)
    except ClipError as error:
        seen = error.found.partition("; expected")[0]
        raise MediaError(footage.path, seen, "a face from the front", "name another video") from None
    landmarks = apply(invert(found.transform), found.landmarks.astype(np.float64))
    landmarks[found.quality < SOUND] = np.nan
    return Face(landmarks, footage.path.name)


def implant_film(
    video: Path, folder: Path, recipe: Recipe, log: Callable[[str], None] = lambda line: None
) -> ImplantedFilm:
    """Write `film.mp4`, `control.mp4`, `truth.csv` and `truth.h5` (`write_motion`) into a folder.

    Args:
        video: a film, or a folder of images with numbers (30 frames per second).
        folder: for the four files.
        recipe: what is implanted.
        log: takes one line.

    Raises:
        MediaError: nothing can be decoded, or no face is seen.
        ClipError: the face is too small, or seen for too short.
        StorageError: the disk is full.
    """
    footage = open_film(video)
    face = follow(footage)
    film, control = folder / "film.mp4", folder / "control.mp4"
    write_control(footage, control, recipe.quality)
    implants = write_film(footage, face, recipe, film)
    write_truth(folder / TRUTH, footage, implants)
    write_motion(folder / MOTION, footage, face, implants)
    visible = float(face.seen.sum()) / footage.fps
    log(f"{video}: {len(implants)} expressions in {visible:.0f} s of a face of {face.eyes:.0f} pixels between the eyes")
    return ImplantedFilm(film, control, footage.fps, visible, implants)


def open_film(video: Path) -> Footage:
    """Look at a film; a folder of images with numbers is one of 30 frames per second."""
    return open_footage(video, 30.0 if video.is_dir() else None)


def write_control(footage: Footage, path: Path, quality: int) -> None:
    """Write what was filmed, encoded as `write_film` does."""
    with VideoFile(path, footage.fps, quality) as out:
        for image in each(pictures(footage), "frames of the control", len(footage)):
            out.add(image)


def write_film(footage: Footage, face: Face, recipe: Recipe, path: Path) -> list[Implant]:
    """Write a film with what the recipe implants into its face, and return that."""
    implants = draw_implants(face, footage.fps, recipe.seed, recipe.amplitudes, recipe.macro_share, recipe.units)
    with VideoFile(path, footage.fps, recipe.quality) as out:
        for image in each(implant(pictures(footage), face, implants), "frames of the film", len(footage)):
            out.add(image)
    return implants


def pictures(footage: Footage) -> Iterator[np.ndarray]:
    """Yield every frame (H, W, 3) uint8 RGB; the last one before it stands in for one that cannot be decoded."""
    return (picture for picture, _ in filled(footage.frames(0, len(footage))))


def write_motion(path: Path, footage: Footage, face: Face, implants: Sequence[Implant]) -> None:
    """Write how the face moves in every implant: a container whose clips are numbered as the rows of `truth.csv`.

    | array | shape | what |
    |---|---|---|
    | `numbers` | (T,) int64 | frames of the film, from onset to offset |
    | `intensities` | (T, 12) float32 | of each unit of `mer.simulate.action_units.AU_NUMBERS` |
    | `pose` | (T, 2, 3) float64 | the head's, from the rest face to each frame |
    | `landmarks` | (T, 68, 2) float32 | as they were tracked, without the implant |
    | `flow` | (H, W, 2) float32 | how far what is seen in each pixel of the apex was moved by the implant, pixels |
    """
    across, down = np.meshgrid(np.arange(footage.size[0]), np.arange(footage.size[1]))
    points = np.column_stack([across.ravel(), down.ravel()]).astype(np.float64)
    with ContainerWriter(path, "truth", "implants", {"fps": footage.fps}) as out:
        for number, one in enumerate(implants, 1):
            frames = np.arange(one.onset, one.offset + 1)
            places = [AU_NUMBERS.index(unit.number) for unit in one.units]
            intensities = np.zeros((len(frames), len(AU_NUMBERS)), np.float32)
            intensities[:, places] = [one.levels(frame) for frame in frames.tolist()]
            with out.clip(f"{number:04d}") as clip:
                clip.write("numbers", frames)
                clip.write("intensities", intensities)
                clip.write("pose", face.poses[frames])
                clip.write("landmarks", face.landmarks[frames].astype(np.float32))
                flow = face.displacement(one, one.apex, points).reshape(*across.shape, 2)
                clip.write("flow", flow.astype(np.float32))


def write_truth(path: Path, footage: Footage, implants: Sequence[Implant]) -> None:
    """Write one row per implant; `mer score-spotting` reads it."""
    rows = [
        [footage.name, "film.mp4", one.onset, one.apex, one.offset, one.emotion, one.kind,
         shown_class(one.emotion),
         f"{one.amplitude:g}", "+".join(unit.text for unit in one.units)]
        for one in implants
    ]  # fmt: skip
    write_csv(path, COLUMNS, rows)
