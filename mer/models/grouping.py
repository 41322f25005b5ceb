"""Splitting persons into parts: the one rule behind k-fold protocols and inner cross-validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from mer.core.seeds import derive_seed


def deal_groups(groups: Sequence[str] | np.ndarray, k: int, seed: int) -> dict[str, int]:
    """Assign every distinct group to one of `k` parts of about equal numbers of clips.

    Groups are shuffled by `seed`, then dealt largest first to the part with the fewest clips (ties: the lowest part),
    so the result depends on the clips of each group and not on the order of rows.

    Args:
        groups: group of each clip.
        k: number of parts, at most the number of distinct groups.
        seed: of the shuffle.

    Returns:
        part (0 … k-1) of each group.
    """
    counts = Counter(str(group) for group in groups)
    names = sorted(counts)
    np.random.default_rng(derive_seed(seed, "deal groups", k)).shuffle(names)
    sizes, parts = [0] * k, {}
    for name in sorted(names, key=lambda n: -counts[n]):
        part = min(range(k), key=lambda p: sizes[p])
        parts[name] = part
        sizes[part] += counts[name]
    return parts
