"""What alignment shows of a whole video that a reader must know: who is followed, cuts, a still picture."""

from __future__ import annotations

import numpy as np

from mer.analysis.parts import AlignedVideo, Track
from mer.report.wording import counted

STILL = 2.0  # grey levels; measured: photographs with noise 0.6, one that is panned and zoomed 1.7, calm faces 10 to 18
SMOOTHING = 2.0  # crop pixels of a side of 128
LOOKS = 24  # crops that are compared
CENTRE = (0.19, 0.94, 0.19, 0.81)  # top, bottom, left, right of the face in shares of the crop

FOLLOWED = {"largest": "largest and most central", "left": "left", "right": "right"}


def remarks_of(video: AlignedVideo, track: Track, face: str, moves: bool = False) -> tuple[str, ...]:
    """Return what must be said besides what the footage says of itself.

    Args:
        video: aligned.
        track: of it.
        face: who was asked for, as the align stage's `face`.
        moves: something was seen to move, a blink or a candidate: a look at some frames can miss what is short.
    """
    remarks = []
    most = max(track.faces.values(), default=1)
    if most > 1 or face != "largest":
        who = FOLLOWED.get(face) or f"{face}. from the left"
        remarks.append(f"{counted(most, 'face')} seen at a time: the {who} is followed (--face chooses)")
    if track.cuts:
        cuts = counted(len(track.cuts), "cut")
        remarks.append(f"{cuts}: nothing is spotted across one; whether the same person is seen after it is not known")
    if not moves and is_still(video):
        remarks.append("still picture: nothing in the face moves, so nothing can be found")
    return tuple(remarks)


def is_still(video: AlignedVideo) -> bool:
    """Say whether the face of a whole video is a photograph or a drawing: no part of it ever changes.

    The light of the whole crop is taken out, and a frame without a face is not looked at.
    """
    looked: list[np.ndarray] = []
    each = max(2, LOOKS // len(video.parts))
    for part in video.parts:
        with video.clip(part) as clip:
            if clip is None:
                continue
            good = np.flatnonzero((clip.read("quality") > 0) & ~clip.read("lost"))
            crops = clip.lazy("frames")
            for place in good[np.linspace(0, len(good) - 1, min(each, len(good))).astype(int)].tolist():
                looked.append(_calm(crops[place]))
            if len(looked) > 1 and _change(looked) > STILL:
                return False
    return len(looked) > 1


def _calm(crop: np.ndarray) -> np.ndarray:
    import cv2

    sigma = SMOOTHING * len(crop) / 128
    grey = cv2.GaussianBlur(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), sigma)
    top, bottom, left, right = (round(share * len(crop)) for share in CENTRE)
    face = grey[top:bottom, left:right]
    return np.asarray(face - face.mean())


def _change(looked: list[np.ndarray]) -> float:
    """Return the standard deviation along time in grey levels that one pixel in a hundred exceeds."""
    return float(np.percentile(np.std(looked, axis=0), 99))
