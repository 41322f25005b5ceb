"""A small results folder with known motion: astronaut crops whose mouth corners rise, in every product's layout."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from mer.core.atomic import write_json
from mer.core.container import ContainerWriter, file_digest
from mer.core.sample import ActionUnit, Sample, subject_key, write_index
from mer.models.state import State
from mer.motion.strain import strain
from mer.report.build import build_report
from mer.report.html import PACKAGE, environment
from mer.report.inputs import DatasetInputs, ExperimentInputs, ReportInputs
from mer.training.checkpoint import save_checkpoint
from mer.training.predictions import Predictions
from mer.training.score import score

CLASSES = ("negative", "positive", "surprise")
EMOTIONS = {"negative": "disgust", "positive": "happiness", "surprise": "surprise"}
HOSTILE = '<script>alert("x")</script>&amp;\u202e'
APEX = 4
FRAMES = 9
READERS = {"alpha": "casme2", "beta": "samm"}
CONFIG = {
    "results": "results",
    "seed": 0,
    "datasets": {
        "alpha": {"reader": "casme2", "simulate": {"subjects": 4}},
        "beta": {"reader": "samm", "root": "/data"},
    },
    "align": {"face": {"method": "dlib", "size": 96}},
    "interpolate": {"five": {"from": "align/face", "method": "linear", "frames": 5}},
    "magnify": {"three": {"from": "align/face", "method": "lagrangian", "alphas": [1.5, 3.0]}},
    "flow": {"apex": {"from": "align/face", "method": "tvl1"}, "big": {"from": "magnify/three", "method": "dis"}},
    "rois": {
        "boxes": {"from": "flow/apex", "method": "au_boxes"},
        "patches": {"from": "flow/big", "method": "patches30"},
    },
}

SOURCES = {
    "align/face": "frames", "interpolate/five": "align/face", "magnify/three": "align/face", "flow/apex": "align/face",
    "flow/big": "magnify/three", "rois/boxes": "flow/apex", "rois/patches": "flow/big",
}  # fmt: skip


@pytest.fixture(scope="session")
def face() -> np.ndarray:
    """Return the (96, 96, 3) crop."""
    return cv2.resize(astronaut()[20:188, 140:308], (96, 96), interpolation=cv2.INTER_AREA)


def motion(side: int, amount: float) -> np.ndarray:
    """Return the (2, side, side) flow of mouth corners that rise and spread by `amount` pixels."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    left, right = (np.exp(-((x - c * side) ** 2 + (y - 0.68 * side) ** 2) / (0.01 * side**2)) for c in (0.38, 0.62))
    return (amount * np.stack([right - left, -(left + right)])).astype(np.float32)


def moved(image: np.ndarray, amount: float) -> np.ndarray:
    """Return the face whose pixels moved by `motion`, to first order."""
    u, v = motion(len(image), amount)
    y, x = np.mgrid[: len(image), : len(image)].astype(np.float32)
    return cv2.remap(image, x - u, y - v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def landmarks(side: int) -> np.ndarray:
    """Return 68 points on an ellipse and a mouth-like one, (68, 2) float32."""
    turn = np.linspace(0, np.pi, 17)
    jaw = np.stack([0.5 - 0.32 * np.cos(turn), 0.45 + 0.42 * np.sin(turn)], axis=1)
    turn = np.linspace(0, 2 * np.pi, 51, endpoint=False)
    inner = np.stack([0.5 + 0.2 * np.cos(turn), 0.52 + 0.22 * np.sin(turn)], axis=1)
    return (np.concatenate([jaw, inner]) * side).astype(np.float32)


def make_samples(dataset: str, subjects: int, clips: int) -> list[Sample]:
    """Return rows with every class; one is excluded."""
    rows = []
    for number in range(subjects * clips):
        label = CLASSES[number % 3]
        name = f"s{number // clips:02d}"
        rows.append(Sample(
            dataset, name, f"{dataset}:{name}", f"{name}/clip{number % clips}", f"v{number}", f"{name}/{number}",
            onset=10, apex=14, offset=18, fps=200.0, emotion_raw=label, emotion_norm=EMOTIONS[label], emotion_3=label,
            aus=(ActionUnit(12),), release="coding.xlsx sha256:0123abcd",
            errata=("apex 13 to 14 (typing error)",) if number == 1 else (),
        ))  # fmt: skip
    return [*rows[:-1], rows[-1].excluded("no frames on disk")]


def write_products(root: Path, samples: list[Sample], face: np.ndarray) -> dict[str, dict[str, Path]]:
    """Write every product of every subject."""
    products: dict[str, dict[str, Path]] = {}
    for key in sorted({subject_key(sample) for sample in samples}):
        own = [s for s in samples if subject_key(s) == key and s.status == "ok"]
        for product in (
            "align/face",
            "interpolate/five",
            "magnify/three",
            "flow/apex",
            "flow/big",
            "rois/boxes",
            "rois/patches",
        ):
            stage, variant = product.split("/")
            block = dict(CONFIG[stage][variant])
            source = block.pop("from", None)
            path = root / product / f"{key}.h5"
            inputs = {f"{key}.h5": file_digest(root / source / f"{key}.h5")} if source else {}
            with ContainerWriter(path, stage, variant, block, inputs, "c0de") as out:
                for sample in own:
                    with out.clip(sample.sample_id) as clip:
                        _arrays(clip, product, face, known=sample.apex is not None)
            products.setdefault(product, {})[key] = path
    return products


def _arrays(clip, product: str, face: np.ndarray, known: bool) -> None:
    side = len(face)
    course = 1.5 * np.sin(np.linspace(0, np.pi, FRAMES))
    events = {"onset": 0, "apex": APEX, "offset": FRAMES - 1} if known else {}
    points = np.repeat(landmarks(side)[None], FRAMES, axis=0)
    stage = product.split("/")[0]
    if stage == "align":
        clip.write("frames", np.stack([moved(face, a) for a in course]))
        clip.write("quality", np.linspace(0.8, 0.9, FRAMES, dtype=np.float32))
        clip.write("detected", np.arange(FRAMES) % 2 == 0)
    elif stage == "interpolate":
        clip.write("frames", np.stack([moved(face, a) for a in course[::2]]))
        clip.write("positions", np.arange(0.0, FRAMES, 2))
        points, events = points[::2], {name: value // 2 for name, value in events.items()}
    elif stage == "magnify":
        clip.write("frames", np.stack([[moved(face, factor * a) for a in course] for factor in (1.5, 3.0)]))
        clip.write("alphas", np.array([1.5, 3.0]))
    elif stage == "flow":
        pairs = np.array([[0, APEX]]) if known else np.stack([np.arange(FRAMES - 1), np.arange(1, FRAMES)], axis=1)
        fields = np.stack([motion(side, course[b] - course[a]) for a, b in pairs])
        if product == "flow/big":
            fields = np.stack([1.5 * fields, 3.0 * fields])
            clip.write("alphas", np.array([1.5, 3.0]))
        clip.write("flow", fields)
        clip.write("strain", strain(fields))
        clip.write("pairs", pairs)
        points = points[: len(pairs)]
    else:
        count = 3 if product == "rois/boxes" else 30
        corner = np.linspace(10, 60, count)
        clip.write("boxes", np.stack([corner, corner, corner + 25, corner + 20], axis=1)[None].astype(np.float32))
        clip.write("names", np.array([f"region {k}" for k in range(count)]))
        clip.attributes({"of": "flow"})
    clip.write("landmarks", points)
    clip.attributes({"fps": 200.0, **events})


def write_experiment(
    folder: Path, samples: list[Sample], skill: float, seeds: int, labels: str = "true"
) -> ExperimentInputs:
    """Write metrics and predictions of a system that is right with probability `skill`."""
    rows = sorted((s for s in samples if s.status == "ok"), key=lambda s: (s.dataset, s.sample_id))
    truth = np.array([CLASSES.index(s.emotion_3) for s in rows])
    rng = np.random.default_rng(0)
    guess = rng.integers(0, 3, (seeds, len(rows)))
    predicted = np.where(rng.random(guess.shape) < skill, truth, guess)
    data = Predictions(
        [(s.dataset, s.sample_id) for s in rows], [s.subject for s in rows], [s.group for s in rows],
        [subject_key(s) for s in rows], CLASSES, truth, list(range(seeds)), predicted, {}, {},
    )  # fmt: skip
    write_json(folder / "metrics.json", score(data, labels=labels, draws=200) | {"name": folder.name})
    # One file where the real ones are many: where that of the first fold would be.
    predictions = folder / "seed0" / "alpha-s00" / "predictions.csv"
    predictions.parent.mkdir(parents=True)
    with predictions.open("w", newline="", encoding="utf-8") as handle:
        out = csv.writer(handle)
        out.writerow(["sample_id", "dataset", "subject", "group", "fold", "seed", "label", "prediction"])
        for seed, line in enumerate(predicted):
            for s, code in zip(rows, line, strict=True):
                out.writerow(
                    [s.sample_id, s.dataset, s.subject, s.group, subject_key(s), seed, s.emotion_3, CLASSES[code]]
                )
    preset = "float_flow"
    return ExperimentInputs(
        folder / "metrics.json",
        [predictions],
        "svm_flow",
        preset,
        "emotion_3",
        "loso",
        ["alpha", "beta"],
        labels,
        products={"motion": "flow/apex"},
    )


def write_table(path: Path, rows: list[dict[str, object]]) -> Path:
    """Write a CSV table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as handle:
        out = csv.DictWriter(handle, list(rows[0]))
        out.writeheader()
        out.writerows(rows)
    return path


def write_benchmarks(folder: Path) -> None:
    """Write two align jobs, one of them too short to be measured, and a fit job."""
    head = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    lines = {
        "align/alpha/face/alpha-s00.tsv": "10.5\t0:00:10\t512.0\t1\t1\t1\t0\t0\t95\t9.25\n",
        "align/alpha/face/alpha-s01.tsv": "0.1\t0:00:00\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA\n",
        "frames/alpha/alpha-s00.tsv": "1.5\t0:00:01\t100.0\t1\t1\t1\t0\t0\t95\t1.0\n",
        "fit/good/seed0/alpha-s00.tsv": "3.0\t0:00:03\t300.0\t1\t1\t1\t0\t0\t95\t2.5\n",
    }
    for name, line in lines.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(head + line)


def drawn(template: str, macro: str, *values: object) -> str:
    """Return what one macro of the report's templates makes of some values."""
    return getattr(environment(PACKAGE).get_template(template).module, macro)(*values)


def build_inputs(root: Path, face: np.ndarray) -> ReportInputs:
    """Write a whole results folder: two datasets, three experiments, benchmarks; one hostile row in the tables."""
    everything, datasets = [], {}
    for name in ("alpha", "beta"):
        samples = make_samples(name, 4, 6)
        if name == "beta":
            samples[0] = replace(samples[0], sample_id=HOSTILE.replace("/", "|"), emotion_norm="=cmd()")
        folder = root / name
        write_index(folder / "index.csv", samples)
        lost = {"dataset": name, "subject": "s03", "sample_id": HOSTILE, "stage": "index", "reason": "<b>no</b> frames"}
        fault = {"rule": "V04", "severity": "error", "file": "a.xlsx", "row": 7, "message": "<img src=x onerror=y>"}
        tables = write_table(folder / "excluded.csv", [lost]), write_table(folder / "problems.csv", [fault])
        products = write_products(folder, samples, face)
        datasets[name] = DatasetInputs(
            folder / "index.csv",
            *tables,
            products,
            simulated=name == "alpha",
            reader={"alpha": "casme2", "beta": "samm"}[name],
        )
        everything += samples
    experiments = {
        "good": write_experiment(root / "experiments" / "good", everything, 0.7, 3),
        "better": write_experiment(root / "experiments" / "better", everything, 0.75, 1),
        "leak_test": write_experiment(root / "experiments" / "leak_test", everything, 0.0, 1, "permuted"),
    }
    write_benchmarks(root / "benchmarks")
    return ReportInputs(
        datasets, experiments, root / "benchmarks", clips=2, every_clip=False, sources=SOURCES, configuration=CONFIG
    )


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory, face: np.ndarray) -> ReportInputs:
    """Return a results folder that no test changes."""
    return build_inputs(tmp_path_factory.mktemp("results"), face)


@pytest.fixture(scope="session")
def whole(inputs: ReportInputs) -> ReportInputs:
    """The same with small pictures of every clip, and the losses of one experiment's folds."""
    good = inputs.experiments["good"]
    models = [good.metrics.parent / f"seed{seed}" / fold / "model.safetensors" for seed in (0, 1) for fold in "abc"]
    for number, path in enumerate(models[:5]):
        path.parent.mkdir(parents=True, exist_ok=True)
        course = [round(1.2 * 0.8**epoch + 0.01 * number, 6) for epoch in range(12)]
        save_checkpoint(path, State({"w": np.ones(1)}, {}), {"losses": [[9.0], course]})
    experiments = {**inputs.experiments, "good": replace(good, models=models)}
    return replace(inputs, experiments=experiments, every_clip=True)


@pytest.fixture(scope="session")
def page(whole: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole report, built once."""
    out = tmp_path_factory.mktemp("report") / "index.html"
    build_report(whole, out)
    return out


@pytest.fixture
def products_of_two(tmp_path, face):
    """The products of a small dataset `alpha`, written below `tmp_path`."""
    return write_products(tmp_path, make_samples("alpha", 2, 2), face)
