"""A bench whose processes are this one."""

import pytest


@pytest.fixture
def in_this_process(monkeypatch):
    """Let a bench module call `measured(**kwds)` here where it would start a process for its measurement."""

    def install(module, measured):
        class Alone:
            def Pool(self, count):
                return self

            def __enter__(self):
                return self

            def __exit__(self, *error):
                return None

            def apply(self, function, kwds):
                return measured(**kwds)

        monkeypatch.setattr(module.multiprocessing, "get_context", lambda kind: Alone())

    return install
