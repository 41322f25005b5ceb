"""Clips of noise in every input that a registered model has, and what a test can afford of its presets."""

import numpy as np

from mer.core.container import Container, ContainerWriter
from mer.testing.plain_face import landmarks

COUNT = 8
LABELS, GROUPS = np.arange(COUNT) % 3, [f"p{i // 2}" for i in range(COUNT)]
UNITS = [(1,), (12,), (6,), None, (38,), (1, 12), (7,), (12, 6)]
EVENTS = {"onset": 0, "apex": 5, "offset": 15}
REGION_UNITS = {"eyes": "4+5+7+43", "mouth": "10+12+14+15+17", "eyebrows": "1+2", "cheeks": "6+9", "face": ""}
# Which of the products below each model reads.
INPUTS = {
    "svm_flow": {"motion": "flow"},
    "ststnet": {"motion": "flow"},
    "flow_cnn": {"motion": "flow"},
    "mean": {"motion": "flow"},
    "dual_branch": {"clip": "frames"},
    "dual_branch_msmh": {"clip": "frames", "regions": "regions"},
    "au_fusion": {"motion": "windows", "clip": "frames"},
    "aman": {"magnified": "magnified"},
}


def arrays_of(product, rng):
    """Return the arrays of one clip of a product."""
    if product == "flow":
        flow = rng.normal(size=(1, 2, 64, 64)).astype(np.float32)
        strain = np.hypot(flow[:, 0], flow[:, 1])
        return {"flow": flow, "strain": strain, "landmarks": landmarks(64)[None].astype(np.float32)}
    if product == "windows":
        patches = rng.normal(size=(3, 9, 30, 2, 7, 7)).astype(np.float32)
        return {"patches": patches, "alphas": np.array([1.2, 2.0, 3.0])}
    shape = {"frames": (16, 40, 40, 3), "regions": (16, 5, 24, 24, 3), "magnified": (2, 16, 40, 40, 3)}[product]
    images = rng.integers(0, 255, shape, dtype=np.uint8)
    if product == "regions":
        return {
            "patches": images,
            "names": np.array(tuple(REGION_UNITS)),
            "units": np.array(list(REGION_UNITS.values())),
        }
    return {"frames": images} | ({"alphas": np.array([2.0, 6.0])} if product == "magnified" else {})


def write_product(path, product, make=None):
    """Write a container of `COUNT` clips, their arrays changed by `make`, and return the clips."""
    rng = np.random.default_rng(0)
    with ContainerWriter(path, product) as out:
        for number in range(COUNT):
            arrays = arrays_of(product, rng)
            with out.clip(f"c{number}") as clip:
                for name, array in (make(arrays) if make else arrays).items():
                    clip.write(name, array)
                clip.attributes(EVENTS)
    return list(Container(path))


def clips_for(model, folder, make=None):
    """Return the clips of a model, each by the name of its input."""
    read = {name: write_product(folder / f"{product}.h5", product, make) for name, product in INPUTS[model].items()}
    return [{name: clips[number] for name, clips in read.items()} for number in range(COUNT)]
