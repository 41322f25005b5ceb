"""An invented experiment on disk: flow containers with one blob per class, six persons, and their index rows."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mer.core.container import ContainerWriter
from mer.core.sample import Sample, subject_key
from mer.datasets.views import view_of
from mer.training.fold_tables import write_table
from mer.training.folds import Selection, loso, select
from mer.training.separation import FoldJob

CLASSES = ("negative", "positive", "surprise")
CENTRES = ((8, 8), (8, 20), (20, 14))
SIDE = 28


def flow_of(label, rng, side=SIDE, noise=0.05):
    """Return flow (1, 2, side, side) and strain: a blob of motion at the place of its class, plus noise."""
    y, x = np.mgrid[:side, :side] * (SIDE / side)
    cy, cx = np.array(CENTRES[label]) + rng.normal(0, 1, 2)
    blob = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 18)
    flow = np.stack([blob * (1 if label == 1 else -0.5), blob * (label - 1.0) + 0.3 * blob])
    flow = flow * rng.uniform(0.5, 1.5) + rng.normal(0, noise, flow.shape)
    strain = np.hypot(*np.gradient(flow[0])) + np.hypot(*np.gradient(flow[1]))
    return flow[None].astype(np.float32), strain[None].astype(np.float32)


def sample(subject, clip, label, **changes):
    fields = {
        "dataset": "casme2",
        "subject": subject,
        "group": f"casme2:{subject}",
        "sample_id": f"{subject}_{clip}",
        "video_id": clip,
        "media_path": f"{subject}/{clip}",
        "emotion_norm": label,
    }
    return Sample(**{**fields, **changes})


@dataclass
class World:
    """Where the invented experiment lies."""

    root: Path
    samples: list[Sample]
    selection: Selection

    def containers(self, sources):
        return {"motion": {source: self.root / f"{source}.h5" for source in sources}}

    def folds(self):
        return loso(self.selection.rows)

    def tables(self, fold):
        folder = self.root / "folds" / fold.name
        write_table(folder / "train.csv", fold.train)
        write_table(folder / "test.csv", fold.test)
        return folder / "train.csv", folder / "test.csv"

    def job(self, fold, out, **options):
        return FoldJob(fold.name, fold.held_out, self.tables(fold)[0], out, **options)


def write_subject(path, samples, rng, parameters=None, **options):
    """Write the flow container of one person; `broken` clips fail, `nan` clips hold a NaN."""
    with ContainerWriter(path, "flow", "apex", parameters or {"method": "tvl1"}) as out:
        for row in samples:
            if row.sample_id in options.get("broken", ()):
                out.fail(row.sample_id, "frame 3: no face found")
                continue
            flow, strain = flow_of(CLASSES.index(row.emotion_norm), rng)
            if row.sample_id in options.get("nan", ()):
                flow[0, 0, 4, 4] = np.nan
            with out.clip(row.sample_id) as clip:
                clip.write("flow", flow)
                clip.write("strain", strain)


def build(root, subjects=6, clips=9, labels=None, **options):
    """Write a world; `labels` maps (subject number, clip number) to a class index."""
    labels = labels or (lambda s, c: (s + c) % 3)
    samples = [
        sample(f"sub{s:02d}", f"c{c}", CLASSES[labels(s, c)])
        for s in range(subjects)
        for c in range(clips(s) if callable(clips) else clips)
    ]
    for name in sorted({row.subject for row in samples}):
        own = [row for row in samples if row.subject == name]
        seed = int(name[3:])
        write_subject(root / "mine" / f"{subject_key(own[0])}.h5", own, np.random.default_rng(seed), **options)
    return World(root, samples, select({"mine": samples}, view_of("emotion_3"), CLASSES))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return build(tmp_path_factory.mktemp("world"))


@pytest.fixture
def make_world(tmp_path):
    return lambda **options: build(tmp_path / "world", **options)
