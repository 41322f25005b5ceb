"""One small run on simulated faces, made once: what every test of the notebook reads."""

import pytest
import yaml
from whole_run import run_whole

import mer

CONFIG = {
    "results": "results",
    "seed": 0,
    "bootstrap": 200,
    "datasets": {
        "casme2": {
            "reader": "casme2",
            "simulate": {
                "layout": "casme2",
                "subjects": 3,
                "clips": 3,
                "shortest": 0.08,
                "longest": 0.1,
                "width": 320,
                "height": 240,
            },
            "products": ["flow/micro", "interpolate/ten", "rois/boxes"],
        },
        "samm": {
            "reader": "samm",
            "simulate": {
                "layout": "samm",
                "subjects": 2,
                "clips": 3,
                "shortest": 0.08,
                "longest": 0.1,
                "width": 320,
                "height": 240,
            },
        },
    },
    "align": {"face": {"method": "dlib", "size": 96}},
    "interpolate": {"ten": {"from": "align/face", "method": "tim", "frames": 10, "schedule": "onset_apex_offset"}},
    "magnify": {"three": {"from": "interpolate/ten", "method": "lagrangian", "alphas": [3.0]}},
    "flow": {
        "apex": {"from": "magnify/three", "method": "dis", "pairs": "onset_apex"},
        "micro": {"from": "align/face", "method": "micro", "pairs": "onset_apex"},
    },
    "rois": {"boxes": {"from": "flow/micro", "method": "au_boxes", "size": 28}},
    "experiments": {
        "svm_flow": {
            "model": "svm_flow",
            "data": ["casme2", "samm"],
            "view": "emotion_3",
            "inputs": {"motion": "flow/apex"},
        },
        "ststnet": {
            "model": "ststnet",
            "data": ["casme2"],
            "view": "emotion_3",
            "inputs": {"motion": "flow/apex"},
            "seeds": [0, 1],
            "train": {"epochs": 2},
        },
    },
}


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """The folder that the run was made in, with its `config.yaml` and `results`."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    run_whole({**CONFIG, "results": str(folder / "results")})
    # As the workflow records it: with the path as the user wrote it.
    (folder / "results" / "config.yaml").write_text((folder / "config.yaml").read_text())
    return folder


@pytest.fixture
def run(project):
    """The run, opened anew."""
    return mer.open(project / "config.yaml")
