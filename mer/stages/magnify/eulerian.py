"""Linear Eulerian magnification: a temporal band of every Laplacian band, amplified and added to the frame.

Wu et al. (SIGGRAPH 2012) with the parameters and the wavelength-dependent gains of the AU-fusion system's release
(specs/au-fusion.md 2.1), and without its JPEG files in between. Displacing by the factor f takes alpha = f - 1 of what
the paper adds: the release's alphas 1.2 to 3.0 are the factors 2.2 to 4.0 here.

- The temporal band is the difference of two recursive first-order Butterworth low-passes, whose state starts at the
  reference. As released, a cut-off is divided by the frame rate where the design divides by half of it, so the real
  cut-offs are half of `low` and `high`.
- With `temporal: butterworth` the factor is what the design asks of motions inside the band; slow and fast ones get
  less. `temporal: none` amplifies the whole difference to the reference: of two frames, or where the gain matters.
- The amplified difference of brightness displaces as asked only where it is small against the texture. Noise and
  changes of light are amplified with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import hypot, pi, tan
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from mer.core.levels import as_uint8
from mer.stages.magnify.method import FactorParams, MagnifyMethod
from mer.stages.magnify.passes import by_factor

# NTSC luma and chroma of RGB, and the way back for what is added.
_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]], np.float32)
_RGB = np.linalg.inv(_YIQ.astype(np.float64)).astype(np.float32)


class Params(FactorParams):
    """Keys of `method: eulerian`."""

    temporal: Literal["butterworth", "none"] = Field(
        default="butterworth", description="Temporal filter; `none` takes the whole difference to the reference."
    )
    low: float = Field(default=0.5, gt=0, description="Lower cut-off as published, Hz; the real one is half of it.")
    high: float = Field(default=10.0, gt=0, description="Upper cut-off as published, Hz; the real one is half of it.")
    rate: float = Field(default=30.0, gt=0, description="Nominal frame rate of the filter, whatever the clip's.")
    wavelength: float = Field(
        default=48.0, ge=0, description="Spatial wavelength below which the gain falls, pixels (lambda_c); 0 is never."
    )
    negative: Literal["keep", "clamp"] = Field(
        default="keep", description="Gains of fine bands below 0: as released (they attenuate), or 0."
    )
    chroma: float = Field(default=0.0, ge=0, le=1, description="Share of the amplified difference that colour gets.")
    tail: Literal["first_frame", "raw_copy"] = Field(
        default="first_frame",
        description="`first_frame`: every frame, the reference as filmed; `raw_copy`: as released, without the first "
        "frame and with the last one as filmed at the end.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Params:
        if not self.low < self.high < self.rate:
            raise ValueError("expected low < high < rate")
        if self.tail == "raw_copy" and self.reference != "first":
            raise ValueError("tail: raw_copy needs reference: first")
        return self

    def order(self, count: int) -> np.ndarray:
        """Return which of `count` source frames each frame of the product shows: (count,) int64."""
        frames = np.arange(count)
        return frames if self.tail == "first_frame" else np.minimum(frames + 1, count - 1)


def magnified(frames: Any, reference: int, params: Params) -> Iterator[np.ndarray]:
    """Yield the magnified clip of each factor in turn; see `MagnifyMethod`.

    The temporal filter starts at the reference, in both directions.
    """
    from mer.motion.pyramid import height

    count, (rows, columns) = len(frames), frames.shape[1:3]
    bands = height(rows, columns)

    def visit(alphas: Sequence[float]) -> Iterator[tuple[int, Iterable[np.ndarray]]]:
        tables = [gains(rows, columns, bands, alpha - 1, params) for alpha in alphas]
        for index, frame, change in filtered(frames, reference, params):
            yield index, amplified(frame, change, tables)

    order = params.order(count)
    for clip in by_factor(count, tuple(frames.shape[1:]), params.alphas, visit):
        made = clip[order]
        if params.tail == "raw_copy":
            made[-1] = frames[count - 1]
        yield made


def gains(rows: int, columns: int, bands: int, alpha: float, params: Params) -> np.ndarray:
    """Return the gain (bands,) float64 of each band, from fine to coarse.

    The finest and the coarsest band get none. Between them the gain falls with the wavelength of the band so that the
    displacement that the paper holds to be possible, `wavelength` / (8 (1 + alpha)), is kept, and is at most alpha.

    Args:
        rows: height of the image, pixels.
        columns: its width.
        bands: number of bands.
        alpha: what is added, as published; 0 adds nothing.
        params: `wavelength` and `negative`.
    """
    table = np.zeros(bands)
    if alpha == 0:
        return table
    delta = params.wavelength / 8 / (1 + alpha)
    for band in range(1, bands - 1):
        length = hypot(rows, columns) / 3 / 2.0 ** (bands - 1 - band)
        allowed = (length / (8 * delta) - 1) * 2 if delta > 0 else np.inf
        table[band] = min(alpha, allowed)
    return np.maximum(table, min(alpha, 0)) if params.negative == "clamp" else table


def butterworth(cutoff: float, rate: float) -> tuple[float, float]:
    """Return (b, a) of the first-order low-pass y_t = -a y_(t-1) + b (x_t + x_(t-1)) with the published scaling."""
    slope = tan(pi * cutoff / rate / 2)
    return slope / (1 + slope), (slope - 1) / (slope + 1)


def filtered(frames: Any, reference: int, params: Params) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield every frame's index, the frame and its temporally filtered change since the reference.

    The filter is linear and starts at the reference, so it is run on the difference to it, from the reference on and
    then back, before the pyramid.

    Yields:
        index, (S, S, 3) uint8, and (C, S, S) float32 grey levels of luma, with `chroma` of the two colours too.
    """
    channels = _YIQ * np.array([[1], [params.chroma], [params.chroma]], np.float32)
    channels = channels if params.chroma else channels[:1]
    start = np.asarray(frames[reference])
    for path in (range(reference, len(frames)), range(reference - 1, -1, -1)):
        band = Band(params)
        for index in path:
            frame = np.asarray(frames[index])
            change = np.einsum("ck,yxk->cyx", channels, frame.astype(np.float32) - start)
            yield index, frame, change if params.temporal == "none" else band.next(change)


class Band:
    """The difference of two low-passes, frame after frame, from a state of zero."""

    def __init__(self, params: Params) -> None:
        self.filters = [butterworth(cutoff, params.rate) for cutoff in (params.high, params.low)]
        self.states: list[Any] = [0.0, 0.0]
        self.last: Any = 0.0

    def next(self, change: np.ndarray) -> np.ndarray:
        """Return the filtered frame for the next one, both float32."""
        inputs = change + self.last
        self.states = [b * inputs - a * state for (b, a), state in zip(self.filters, self.states, strict=True)]
        self.last = change
        return np.asarray(self.states[0] - self.states[1], np.float32)


def amplified(frame: np.ndarray, change: np.ndarray, tables: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the frame with its change amplified by each table of gains.

    Args:
        frame: (S, S, 3) uint8 RGB.
        change: (C, S, S) float32, luma first.
        tables: gains (bands,) from fine to coarse.

    Yields:
        (S, S, 3) uint8 RGB; exactly the frame where the change is zero.
    """
    from mer.motion.pyramid import collapse, laplacian

    bands = [laplacian(channel) for channel in change]
    for table in tables:
        added = [collapse([np.float32(g) * band for g, band in zip(table, channel, strict=True)]) for channel in bands]
        colours = np.einsum("kc,cyx->yxk", _RGB[:, : len(added)], np.stack(added))
        yield as_uint8(frame + colours)


METHOD = MagnifyMethod(Params, magnified)
