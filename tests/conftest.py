"""What tests of several folders share."""

import signal
import sys
from pathlib import PurePath

import pytest

from mer import provenance
from mer.core import plugins, registry
from mer.datasets import registry as readers

# A shell lets what it starts in the background ignore Ctrl-C, and so would what the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests of several files that share a run which takes long to make, and so a process; others go by their file.
SHARING = {
    "notebook": "notebook",
    "test_edits": "spine",
    "test_persons_per_job": "spine",
    "test_workflow": "spine",
    "test_survival": "spine",
    "test_tutorials": "spine",
    "test_workflow_on_slurm": "spine",
}
# Folders of the longest files: what starts first is not waited for at the end.
FIRST = ("workflow", "cuda", "analysis", "notebook", "simulate", "spotting", "models", "training")


def pytest_collection_modifyitems(items):
    """Put the longest folders first."""
    items.sort(key=lambda item: FIRST.index(item.path.parent.name) if item.path.parent.name in FIRST else len(FIRST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Return what gives tests to processes, a file or a group of files at a time: what they share is made once.

    The marks of `--dist loadgroup` do nothing with pytest 9.2, nor when a conftest sets them.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Sharing(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = PurePath(nodeid.partition("::")[0])
            return SHARING.get(file.stem) or SHARING.get(file.parent.name) or str(file)

    return Sharing(config, log)


@pytest.fixture
def unplugged():
    """Leave no plug-in behind: a process keeps them, and here one process stands for many."""
    plugged = {group: dict(names) for group, names in registry.PLUGGED.items()}
    modules, path, loaded = dict(plugins._MODULES), list(sys.path), set(sys.modules)
    caches = (readers._databases, provenance._tree, registry.offered)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()
    for group, names in plugged.items():
        registry.PLUGGED[group].clear()
        registry.PLUGGED[group].update(names)
    for name in set(plugins._MODULES.values()) | {name for name in set(sys.modules) - loaded if _outside(name, path)}:
        sys.modules.pop(name, None)
    plugins._MODULES.clear()
    plugins._MODULES.update(modules)
    sys.path[:] = path


def _outside(name, path):
    """Return whether a module lies in a folder that a plug-in has put on the path."""
    file = getattr(sys.modules[name], "__file__", None) or ""
    return any(file.startswith(folder) for folder in sys.path if folder not in path)
