"""Every reader of files that others made, as a function of a path, with good files to start from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Reader:
    """A reader under attack.

    Attributes:
        read: reads all of a file; may raise nothing but a `MerError`.
        good: writes good files into a folder and returns them.
        kind: of mutation (`mutations.mutated`).
    """

    read: Callable[[Path], object]
    good: Callable[[Path], list[Path]]
    kind: str = "bytes"
    finish: Callable[[bytes], bytes] = field(default=bytes)


def _container(path: Path) -> None:
    from mer.core.container import Container

    with Container(path) as box:
        box.parameters()
        for clip in box:
            for name in clip.names():
                clip.read(name)


def _good_containers(folder: Path) -> list[Path]:
    from mer.core.container import ContainerWriter

    for name, size in (("a.h5", 4), ("b.h5", 40)):
        with ContainerWriter(folder / name, "align", "face", {"size": size}, {"x": "0" * 16}) as out:
            out.fail("s/bad", "no face")
            for clip in ("s/one", "s/two"):
                with out.clip(clip) as box:
                    noise = np.random.default_rng(size).integers(0, 255, (5, size, size, 3), np.uint8)
                    box.append("frames", noise)
                    box.write("numbers", np.arange(5))
                    box.write("files", np.array([f"{clip}/{k}.jpg" for k in range(5)], dtype=object))
                    box.attributes({"fps": 200.0, "onset": 0, "apex": 2, "offset": 4})
    return [folder / "a.h5", folder / "b.h5"]


def sealed(data: bytes) -> bytes:
    """Return the bytes of a container under a valid seal: damage that its maker wanted."""
    import tempfile

    from mer.core.seal import read_seal, write_seal

    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(data)
        seal = read_seal(file.fileno())
        if seal is not None:
            file.truncate(seal[0])
        else:
            # What stood behind the data was damaged with it: about as much as it was.
            file.truncate(max(8, len(data) - 60))
        write_seal(file)
        file.seek(0)
        return file.read()


def _keras(path: Path) -> None:
    from mer.weights.keras import read_keras

    read_keras(path, "recog", 3)


def _good_keras(folder: Path) -> list[Path]:
    from mer.testing.keras_files import write_keras

    write_keras(folder / "k.h5", "recog")
    return [folder / "k.h5"]


def _spreadsheet(path: Path) -> None:
    from mer.datasets import spreadsheets
    from mer.datasets.tables import read_table

    spreadsheets.read(path)
    read_table(path, "subject")


HEADER = [
    "Subject",
    "Filename",
    None,
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    None,
    "Action Units",
    "Estimated Emotion",
]


def _good_workbooks(folder: Path) -> list[Path]:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(HEADER)
    for k in range(12):
        book.active.append([1 + k // 4, f"EP{k:02}_01", None, 1, 30.0, "=B2+60", None, "4+L12", "disgust"])
    book.create_sheet("hidden").sheet_state = "hidden"
    book.save(folder / "a.xlsx")
    return [folder / "a.xlsx"]


def _good_csv(folder: Path) -> list[Path]:
    rows = [[name or "" for name in HEADER]] + [
        ["1", f"EP{k}", "", "1", "3", "9", "", "4", "disgust"] for k in range(9)
    ]
    text = "\n".join(";".join(row) for row in rows)
    for name, data in (("a.csv", text.encode()), ("b.csv", text.encode("utf-16")), ("c.csv", text.encode("latin-1"))):
        (folder / name).write_bytes(data)
    return [folder / "a.csv", folder / "b.csv", folder / "c.csv"]


def _tables(path: Path) -> None:
    """Every CSV that this project writes and that may come back from others."""
    from mer.core.csvfile import read_csv
    from mer.core.sample import read_index
    from mer.spotting.interval_files import read_table, require_rows
    from mer.training.new_clips import find_clips

    _any((lambda p: read_csv(p, ("clip",)), read_index, lambda p: require_rows(read_table(p)), find_clips), path)


def _any(readers: Sequence[Callable[[Path], object]], path: Path) -> None:
    """Read a file in several ways; raises the last refusal where all refuse."""
    from mer.core.errors import MerError

    refusals: list[MerError] = []
    for read in readers:
        try:
            read(path)
        except MerError as error:
            line = str(error)
            if "\n" in line or not line.isprintable():
                raise AssertionError(f"not one plain line: {line!r}") from None
            refusals.append(error)
    if len(refusals) == len(readers):
        raise refusals[-1]


def _good_tables(folder: Path) -> list[Path]:
    from mer.core.sample import Sample, write_index

    same: dict[str, Any] = {
        "dataset": "casme2",
        "group": "casme2:s1",
        "subject": "s1",
        "media_path": "a/b",
        "fps": 200.0,
    }
    write_index(
        folder / "index.csv", [Sample(sample_id=f"s1/{k}", video_id=f"s1/{k}", onset=1, **same) for k in range(5)]
    )
    strs = "subject,video,onset,offset,emotion,type,confidence\n" + "1,2,10,30,positive,micro,.5\n" * 5
    (folder / "strs.csv").write_text(strs)
    (folder / "megc.csv").write_text("vid,pred_onset,pred_offset,type\n" + "a,1,20,me\n" * 5)
    (folder / "clips.csv").write_text("clip,onset,apex,offset,fps\nindex.csv,1,2,3,25\nstrs.csv,,,,\n")
    return [folder / name for name in ("index.csv", "strs.csv", "megc.csv", "clips.csv")]


def _image(path: Path) -> None:
    from mer.core.images import image_size, read_image

    image_size(path)
    read_image(path)


def _picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)


def _good_png(folder: Path) -> list[Path]:
    import cv2

    cv2.imwrite(str(folder / "a.png"), _picture())
    cv2.imwrite(str(folder / "b.png"), _picture()[..., 0].astype(np.uint16) * 257)
    return [folder / "a.png", folder / "b.png"]


def _good_pictures(folder: Path) -> list[Path]:
    import cv2

    names = ("a.jpg", "a.bmp", "a.tiff")
    for name in names:
        cv2.imwrite(str(folder / name), _picture())
    return [folder / name for name in names]


def _video(path: Path) -> None:
    from mer.analysis.video_seeking import frames_at, list_frames
    from mer.core.video import iterate, probe

    probe(path)
    for _ in iterate(path):
        pass
    listing = list_frames(path)
    for _ in frames_at(listing, np.arange(len(listing.seconds) // 2, len(listing.seconds)), 48):
        pass


def _good_videos(folder: Path) -> list[Path]:
    import av

    kinds = (
        ("a.mp4", "libx264", {}),
        ("f.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov+default_base_moof+global_sidx"}),
        ("a.mkv", "mpeg4", {}),
        ("a.avi", "mjpeg", {}),
        ("a.webm", "libvpx", {}),
        ("a.mpg", "mpeg2video", {}),
    )
    for name, codec, options in kinds:
        with av.open(str(folder / name), "w", options=options) as out:
            stream = out.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 48, 32, "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for index in range(8):
                frame = av.VideoFrame.from_ndarray(np.roll(_picture().repeat(2, 1)[:, :48].repeat(2, 0)[:32], index, 1))
                frame.pts, frame.time_base = index, Fraction(1, 25)
                out.mux(stream.encode(frame))
            out.mux(stream.encode())
    return [folder / name for name, _, _ in kinds]


def _weights(path: Path) -> None:
    from mer.weights.read import check, tensors

    check(path, tensors(path), {"a": (3, 4), "b": (5,)})


def _good_safetensors(folder: Path) -> list[Path]:
    from safetensors.numpy import save_file

    save_file(
        {"a": np.ones((3, 4), np.float32), "b": np.ones(5)}, folder / "w.safetensors", {"curve": "[[1, 1], [2, 3]]"}
    )
    return [folder / "w.safetensors"]


def _good_pth(folder: Path) -> list[Path]:
    import torch

    held = {"a": torch.ones(3, 4), "b": torch.ones(5)}
    torch.save(held, folder / "w.pth")
    torch.save({"state_dict": held, "epoch": 3}, folder / "old.pth", _use_new_zipfile_serialization=False)
    return [folder / "w.pth", folder / "old.pth"]


def _checkpoint(path: Path) -> None:
    from mer.networks.magnet_files import curve
    from mer.training.checkpoint import load_checkpoint, read_metadata
    from mer.training.predict_new import open_ensemble
    from mer.training.resume import read

    read(path, "d", 0, lambda line: None)
    _any((load_checkpoint, read_metadata, curve, open_ensemble), path)


def _good_checkpoints(folder: Path) -> list[Path]:
    from mer import __version__
    from mer.models.state import State
    from mer.training.checkpoint import save_checkpoint

    meta: dict[str, Any] = dict.fromkeys(("model", "preset", "fold"), "x") | {"settings": {}, "classes": ["a", "b"]}
    meta |= {"inputs": {}, "seed": 0, "held_out": ["s1"], "train_groups": ["s2"], "model": "svm_flow"}
    steps = [{"stage": "align", "method": "dlib", "params": {}}, {"stage": "flow", "method": "dis", "params": {}}]
    meta |= {"versions": {"mer": __version__}, "origin": {"chains": {"motion": steps}, "plugins": {"files": ["x.py"]}}}
    save_checkpoint(folder / "model.safetensors", State({"w": np.ones((3, 4), np.float32)}, {"k": 1}), meta)
    return [folder / "model.safetensors"]


def _configuration(path: Path) -> None:
    from mer.planning.read_config import parse, read_files

    parse(read_files([path]), str(path), databases=False)


def _good_configurations(folder: Path) -> list[Path]:
    text = (Path(__file__).resolve().parents[1] / "spine.yaml").read_text(encoding="utf-8")
    (folder / "spine.yaml").write_text(text, encoding="utf-8")
    (folder / "small.yaml").write_text(
        "results: r\ndatasets:\n  a: {reader: videos, root: /tmp, options: {subject: file}, products: [flow/x]}\n"
        "align: &all\n  face: {method: dlib, size: 112}\n"
        "flow:\n  x: {from: align/face, method: dis, pairs: consecutive}\n"
        "views:\n  mine: {classes: {pos: {emotions: [happiness]}, neg: {emotions: [disgust]}}}\n"
    )
    return [folder / "spine.yaml", folder / "small.yaml"]


_FILMS: list[Any] = []


def _review(path: Path) -> None:
    from mer.analysis.review import read_review

    read_review(path, _FILMS[0])


def _good_reviews(folder: Path) -> list[Path]:
    from mer.analysis.footage import open_footage
    from mer.analysis.review import FORMAT, film_digest

    _FILMS[:] = [open_footage(_good_videos(folder)[0])]
    one = {"verdict": "accepted", "type": "micro", "onset": 1, "apex": 2, "offset": 3, "spotted": ["micro", 1, 3]}
    review = {"format": FORMAT, "film": film_digest(_FILMS[0]), "coder": "x", "changed": "", "intervals": [one] * 3}
    (folder / "review.json").write_text(json.dumps(review, indent=1))
    return [folder / "review.json"]


def _curves(path: Path) -> None:
    from mer.spotting.curves import read_curves

    read_curves(path)


def _good_curves(folder: Path) -> list[Path]:
    from mer.spotting.curves import Curve, write_curves

    write_curves(folder / "c.npz", [Curve("v", "micro", np.arange(9), np.ones(9), 0.5)])
    return [folder / "c.npz"]


READERS = {
    "container": Reader(_container, _good_containers),
    "resealed": Reader(_container, _good_containers, finish=sealed),
    "keras": Reader(_keras, _good_keras),
    "xlsx": Reader(_spreadsheet, _good_workbooks, "zip"),
    "csv": Reader(_spreadsheet, _good_csv, "text"),
    "tables": Reader(_tables, _good_tables, "text"),
    "png": Reader(_image, _good_png, "png"),
    "pictures": Reader(_image, _good_pictures),
    "video": Reader(_video, _good_videos),
    "safetensors": Reader(_weights, _good_safetensors, "safetensors"),
    "pth": Reader(_weights, _good_pth, "zip"),
    "checkpoint": Reader(_checkpoint, _good_checkpoints, "safetensors"),
    "configuration": Reader(_configuration, _good_configurations, "text"),
    "review": Reader(_review, _good_reviews, "text"),
    "curves": Reader(_curves, _good_curves, "zip"),
}
