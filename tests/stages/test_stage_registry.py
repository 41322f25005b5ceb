import subprocess
import sys

import pytest

from mer.core.registry import load
from mer.stages.registry import METHODS

MINE = [(stage, name) for stage in ("interpolate", "magnify", "flow", "rois") for name in METHODS[stage]]


def test_reading_parameters_imports_nothing_heavy():
    modules = [METHODS[stage][name] for stage, name in MINE]
    code = f"import sys, importlib; [importlib.import_module(m) for m in {modules!r}]; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"cv2", "scipy", "torch", "h5py"} & set(loaded)


@pytest.mark.parametrize("stage, name", MINE)
def test_every_key_is_described_and_defaults_survive_json(stage, name):
    params = load(METHODS[stage], name, "test").Params
    assert all(field.description for field in params.model_fields.values())
    assert params.model_validate(params().model_dump(mode="json")) == params()
