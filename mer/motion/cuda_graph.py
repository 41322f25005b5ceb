"""Many small operations as one launch: a CUDA graph of a step that is repeated on the same memory.

A step of a solver on a small grid is a hundred operations of a few microseconds each, and launching them takes longer
than they do.
"""

from __future__ import annotations

from collections.abc import Callable

import torch


def captured(step: Callable[[], None]) -> Callable[[], None]:
    """Return a function that does what `step` does, on the same tensors, as one launch.

    Args:
        step: operations on tensors of the current CUDA device that live as long as what is returned; it changes them
            in place, asks nothing of them, and runs twice meanwhile.
    """
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        # What a library makes at its first call must not become part of the graph.
        step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    replay: Callable[[], None] = graph.replay
    return replay
