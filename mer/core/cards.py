"""Which of several CUDA cards a job computes on: each job of a user on a machine gets one of its own while there are.

Snakemake counts cards (`--resources gpu=2`) and does not say which. So a job takes the first place that is free, of
places card by card: the first of every card, then the second of every card, and so on. A place is a file that the job
has locked; the system unlocks it when the job ends, however it ends. From then on the job sees one card alone, by
`CUDA_VISIBLE_DEVICES`, so that `cuda` means that one everywhere, in what it starts too.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import IO

VISIBLE = "CUDA_VISIBLE_DEVICES"
# Open for as long as the process lives: closing a file gives its place back.
_HELD: list[IO[bytes]] = []


def visible_cards(found: Callable[[], int], environment: Mapping[str, str]) -> list[str]:
    """Return the cards that a job may use, by the names that `CUDA_VISIBLE_DEVICES` has for them.

    Args:
        found: returns the number of cards where the environment names none.
        environment: of the job. CUDA reads its list up to the first name that it does not know; `-1` is none.
    """
    if VISIBLE not in environment:
        return [str(number) for number in range(found())]
    names: list[str] = []
    for name in environment[VISIBLE].split(","):
        if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", name.strip()):
            break
        names.append(name.strip())
    return names


def claim_card(found: Callable[[], int], log: Callable[[str], None], folder: Path | None = None) -> str | None:
    """Let this process see one card, one that no other job of this user has where there is one; return its name.

    Call it before CUDA is used. Where the cards are one or none, nothing is done, and None is returned: a cluster's
    own choice stands. Where files cannot be locked all cards stay visible, and the log says so.

    Args:
        found: returns the number of cards, without using CUDA (`torch.cuda.device_count`).
        log: takes one line.
        folder: of the locked files; one of this user and machine when None.
    """
    cards = visible_cards(found, os.environ)
    if len(cards) < 2:
        return None
    try:
        import fcntl

        folder = folder or Path(tempfile.gettempdir()) / f"mer-cards-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        for others in count():
            for card in cards:
                place = (folder / f"{card.replace('/', '_')}.{others}").open("ab")
                try:
                    fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    place.close()
                    continue
                _HELD.append(place)
                os.environ[VISIBLE] = card
                log(f"device: card {card} of {', '.join(cards)}" + (f", with {others} other jobs" if others else ""))
                return card
    except (ImportError, AttributeError, OSError) as error:
        log(f"device: the cards {', '.join(cards)} are not shared out ({error})")
    return None
