"""Seeds that depend on what is computed, never on when."""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *names: object) -> int:
    """Return a 32-bit seed from a run seed and any names (fold, clip, purpose).

    The same arguments give the same seed on every machine and in any order of execution, so fold k
    alone gives what fold k gives in the full run.
    """
    text = "\x1f".join([str(int(seed)), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
