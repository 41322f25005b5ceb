"""Which jobs of a person a cluster is given in one submission (`group` of the workflow).

Jobs with a GPU and jobs without are never in one group: a GPU would stand still while a CPU computes. And no group may
need what another of the same name makes, as Snakemake puts several of one name into one submission
(`--group-components`). So the groups of a chain are numbered: it enters the next one wherever GPU and CPU change.
"""

from __future__ import annotations

from mer.planning.config import Config


def group_of(config: Config, product: str) -> str:
    """Return the group of the jobs that make a product.

    `frames` (simulation, frames and alignment) or `motion` as long as nothing before has computed on a GPU; from there
    on `gpu1`, `cpu2`, `gpu3`, …
    """
    number, on_gpu = 0, 0
    for step in config.chain(product):
        if step.gpus(config.gpu) != on_gpu:
            number, on_gpu = number + 1, step.gpus(config.gpu)
    if number:
        return f"{'gpu' if on_gpu else 'cpu'}{number}"
    return "frames" if config.variants[product].stage in ("frames", "align") else "motion"
