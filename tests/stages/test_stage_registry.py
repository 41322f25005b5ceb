import subprocess
import sys

from mer.stages.registry import METHODS, STAGES

LIGHT = [module for stage in ("interpolate", "magnify", "flow", "rois", "spot") for module in METHODS[stage].values()]


def loaded_by(modules):
    code = f"import sys, importlib; [importlib.import_module(m) for m in {modules!r}]; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_reading_parameters_imports_nothing_heavy():
    assert not {"cv2", "scipy", "torch", "h5py"} & loaded_by(LIGHT)


def test_reading_declarations_imports_no_library_of_pictures_or_networks():
    every = [*STAGES.values(), *(module for methods in METHODS.values() for module in methods.values())]
    assert not {"cv2", "scipy", "torch", "dlib", "av", "sklearn", "skimage", "matplotlib"} & loaded_by(every)
