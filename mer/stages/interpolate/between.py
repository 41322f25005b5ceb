"""The motion field at an instant between two frames, from the flows in both directions between them.

Every pixel of either frame is carried along its flow to the instant and leaves its motion there (softmax splatting,
Niklaus and Liu, CVPR 2020: where several land, the one whose colours agree in both frames counts most). Points are
taken to move on a straight line at a constant speed between the two frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Weight of a mean colour difference of one grey level in the exponent of the importance of a pixel that lands.
IMPORTANCE = 0.1
#: A round trip that misses by more than this share of the motion, squared, or by `SLACK` px², is an occlusion.
SHARE, SLACK = 0.01, 0.25
#: Least landed weight that counts as a landing.
LANDED = 0.05


@dataclass(frozen=True)
class Flows:
    """What two frames have to say about any instant between them: estimated once, used for every instant.

    Args:
        forward: (2, H, W) float32 pixels, from the first frame to the second.
        backward: (2, H, W), from the second to the first.
        trust: (2, H, W) float32, for the pixels of the first and of the second frame: importance in (0, 1].
        seen: (2, H, W) float32 in (0, 1]: near 0 where a pixel of the frame has no counterpart in the other.
    """

    forward: np.ndarray
    backward: np.ndarray
    trust: np.ndarray
    seen: np.ndarray

    @property
    def still(self) -> bool:
        """Whether nothing moves at all, as between identical frames."""
        return not (self.forward.any() or self.backward.any())


@dataclass(frozen=True)
class Middle:
    """One instant, on its own pixel grid.

    Args:
        motion: (2, H, W) float32, the whole displacement from the first to the second frame of the point seen there.
        seen: (2, H, W) float32 in (0, 1], how far that point is visible in the first and in the second frame.
    """

    motion: np.ndarray
    seen: np.ndarray


def relate(first: np.ndarray, second: np.ndarray, forward: np.ndarray, backward: np.ndarray) -> Flows:
    """Judge two flows by the frames and by each other.

    Args:
        first: (H, W) float32 grey, 0-255.
        second: the same.
        forward: (2, H, W) pixels, first to second.
        backward: (2, H, W), second to first.
    """
    trust, seen = [], []
    for one, two, flow, reverse in ((first, second, forward, backward), (second, first, backward, forward)):
        arrived = look(np.concatenate([two[None], reverse]), flow)
        # Single pixels differ by noise; a neighbourhood differs because the motion is wrong.
        trust.append(np.exp(-IMPORTANCE * _blurred(np.abs(arrived[0] - one))))
        missed = ((arrived[1:] + flow) ** 2).sum(axis=0)
        size = (flow**2).sum(axis=0) + (arrived[1:] ** 2).sum(axis=0)
        seen.append(np.exp(-missed / (2 * (SHARE * size + SLACK))))
    return Flows(forward, backward, np.asarray(trust, np.float32), np.asarray(seen, np.float32))


def look(planes: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Return planes (C, H, W) float32 read bilinearly at x + flow(x), the border repeated."""
    from mer.motion.warp import sample_linear, warp_points

    return sample_linear(np.asarray(planes, np.float32), warp_points(flow))


def middle(flows: Flows, time: float) -> Middle:
    """Return the motion at `time` in (0, 1): 0 is the first frame, 1 the second."""
    total = _splat(flows.forward, flows.trust[0] * (1 - time), time, 1.0)
    total += _splat(flows.backward, flows.trust[1] * time, 1 - time, -1.0)
    motion = _filled(total[:2], total[2])
    within = np.stack([inside(-time * motion), inside((1 - time) * motion)])
    return Middle(motion, visible(flows, motion, time) * within)


def visible(flows: Flows, motion: np.ndarray, time: float) -> np.ndarray:
    """Return (2, H, W) float32: `seen` of `Middle`, the borders of the pictures left aside."""
    fields = (-time * motion, (1 - time) * motion)
    seen = [look(plane[None], field)[0] for plane, field in zip(flows.seen, fields, strict=True)]
    return np.asarray(seen, np.float32)


def inside(flow: np.ndarray) -> np.ndarray:
    """Return (H, W) float32: 1 where x + flow(x) is in the picture, falling to 0 at a pixel beyond its border."""
    from mer.motion.warp import warp_points

    limits = np.array([flow.shape[2] - 1, flow.shape[1] - 1])[:, None, None]
    points = warp_points(flow)
    beyond = np.maximum(-points, points - limits).max(axis=0)
    return np.clip(1 - beyond, 0, 1).astype(np.float32)


def _splat(flow: np.ndarray, weight: np.ndarray, share: float, sign: float) -> np.ndarray:
    """Carry every pixel `share` of its flow along; return (3, H, W): the sums of weighted motion and of weights."""
    height, width = flow.shape[1:]
    y, x = np.mgrid[:height, :width]
    to_x, to_y = x + share * flow[0], y + share * flow[1]
    left, top = np.floor(to_x).astype(np.int64), np.floor(to_y).astype(np.int64)
    right_part, low_part = to_x - left, to_y - top
    total = np.zeros((3, height * width))
    for dx in (0, 1):
        for dy in (0, 1):
            part = (right_part if dx else 1 - right_part) * (low_part if dy else 1 - low_part) * weight
            column, row = left + dx, top + dy
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            cell, part = (row * width + column)[inside], part[inside]
            for channel in (0, 1):
                total[channel] += np.bincount(cell, part * (sign * flow[channel][inside]), height * width)
            total[2] += np.bincount(cell, part, height * width)
    return total.reshape(3, height, width)


def _filled(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean motion (2, H, W) float32; where nothing landed, that of the surroundings."""
    landed = weights > LANDED
    mean = np.where(landed, sums / np.maximum(weights, LANDED), 0)
    if landed.all():
        return mean.astype(np.float32)
    known, radius = landed.astype(np.float64), 1.0
    while not landed.all() and radius < max(known.shape):
        share = _blurred(known, radius)
        spread = np.stack([_blurred(plane * known, radius) for plane in mean])
        fresh = ~landed & (share > 1e-3)
        mean[:, fresh] = (spread / np.maximum(share, 1e-3))[:, fresh]
        landed |= fresh
        radius *= 2
    return mean.astype(np.float32)


def _blurred(plane: np.ndarray, sigma: float = 2.0) -> np.ndarray:
    import cv2

    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REFLECT))
