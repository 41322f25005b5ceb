"""The cheap strong baseline: a linear SVM on 147 pooled flow values (specs/peers.md §3.3).

u, v and strain are averaged to 28×28, then over 4×4 cells: 3 × 7 × 7 = 147 values, and these over the two halves of
the face (u negated): a linear machine that sees every clip and its mirror image in training has the same weights as one
that sees their mean. They are brought to one scale by the training clips. A linear support vector machine
(one-versus-one, class-balanced) is trained on them; C is chosen in {1.5, 5, 15} by 3-fold cross-validation over the
persons of the training part, by pooled macro F1 (ties: the smallest C). The kernel is the mean, not the sum, of the
products of values, so that a C means the same whatever their number: 1.5 is 0.01 for the sum of 147. No step is random
but the dealing of persons.

Presets:

- `float_flow` for flow in pixels: sign, zero level and magnitude are kept. Each of u, v and strain is divided by its
  root mean square over the training clips, so that a cell where nothing moves stays small beside the mouth.
- `mer` the same, for flow in pixels without the head's motion (`centre: similarity` of the flow stage), of nine regions
  that are cut out about the onset's landmarks (`mer.models.face_regions`) instead of the whole crop, 4×4 cells of each:
  the best of the inputs that `mer bench recognition` has tried.
- `minmax_image` for flow that was stretched to a fixed range image by image, which loses zero and magnitude: u and v
  have their medians removed, each channel is scaled to unit norm, clip by clip, and each value is standardised over the
  training clips.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from math import comb
from typing import Literal

import numpy as np

from mer.core.container import Clip
from mer.core.params import Params
from mer.models.contract import Model
from mer.models.flow_image import area_pool, first_landmarks, flow_image
from mer.models.inner_choice import choose, told
from mer.models.state import Features, State, class_weights, require_classes

SIDE, CHANNELS = 28, 3


class Preset(Params):
    """Settings of the baseline."""

    centre: bool
    unit_norm: bool
    scale: Literal["cell", "channel"]
    regions: bool = False
    cells: int = 7
    pairs: int = 1
    c_grid: tuple[float, ...] = (1.5, 5.0, 15.0)
    inner_folds: int = 3
    class_weights: Literal["balanced", "none"] | tuple[float, ...] = "balanced"

    @property
    def values(self) -> int:
        """Number of values that a clip comes to."""
        return CHANNELS * self.pairs * self.cells**2


PRESETS: dict[str, Preset] = {
    "float_flow": Preset(centre=False, unit_norm=False, scale="channel"),
    "mer": Preset(centre=False, unit_norm=False, scale="channel", regions=True, cells=12),
    "minmax_image": Preset(centre=True, unit_norm=True, scale="cell"),
}


def pooled_features(image: np.ndarray, preset: Preset) -> np.ndarray:
    """Return the (3 P cells²,) float32 features of a (3 P, S, S) image: u, v and strain of P pairs in turn."""
    image = image.astype(np.float64).reshape(-1, CHANNELS, *image.shape[1:])
    # What is left of a constant channel is rounding, which unit norm would blow up.
    floor = 1e-5 * np.abs(image).max(axis=(2, 3), keepdims=True)
    if preset.centre:
        # Strain has a true zero, its least value; only u and v lost theirs.
        image[:, :2] -= np.median(image[:, :2], axis=(2, 3), keepdims=True)
    pooled = area_pool(image, preset.cells)
    if preset.unit_norm:
        norm = np.linalg.norm(pooled, axis=(2, 3), keepdims=True)
        pooled = np.divide(pooled, norm, out=np.zeros_like(pooled), where=norm > floor)
    turned = np.concatenate([-pooled[:, :1], pooled[:, 1:]], axis=1)[..., ::-1]
    return ((pooled + turned) / 2).reshape(-1).astype(np.float32)


def features(clips: Mapping[str, Clip], preset: Preset) -> np.ndarray:
    """Return `preset.values` float32.

    Raises:
        ModelError: as `mer.models.flow_image.flow_image`.
        ClipError: regions are asked for, and the landmarks are not finite.
    """
    if not preset.regions:
        return pooled_features(flow_image(clips, SIDE, preset.pairs), preset)
    from mer.models.face_regions import mosaic

    whole = flow_image(clips, int(clips["motion"].lazy("flow").shape[-1]), preset.pairs)
    return pooled_features(mosaic(whole, first_landmarks(clips)), preset)


def scale_of(x: np.ndarray, preset: Preset) -> tuple[np.ndarray, np.ndarray]:
    """Return what is taken from each value of training clips (N, W), and what it is then divided by, (W,) float64 each.

    By `cell` mean and standard deviation of the value; by `channel` zero, and the root mean square of its u, v or
    strain. A value that is always the same, or a channel that is always zero, is divided by 1.
    """
    if preset.scale == "channel":
        each = x.astype(np.float64).reshape(len(x), -1, preset.cells**2)
        size = np.sqrt(np.square(each).mean(axis=(0, 2)))
        return np.zeros(x.shape[1]), np.repeat(np.where(size > 0, size, 1.0), preset.cells**2)
    middle, spread = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    # What is left of a value that is the same in all clips is rounding.
    return middle, np.where(spread > 1e-6 * np.abs(x).max(initial=0), spread, 1.0)


def train_machine(x: np.ndarray, y: np.ndarray, n_classes: int, cost: float, preset: Preset) -> State:
    """Train on (N, W) features and (N,) labels; a part with one class gives a machine that always names it."""
    from sklearn.svm import SVC  # Predicting needs no scikit-learn, and importing it costs more than predicting.

    middle, spread = scale_of(x, preset)
    present = np.unique(y)
    pairs = np.array(list(combinations(present, 2)), np.int64).reshape(-1, 2)
    weights, bias = np.zeros((0, x.shape[1])), np.zeros(0)
    if len(present) > 1:
        weight = dict(enumerate(class_weights(preset.class_weights, y, n_classes)))
        machine = SVC(kernel="linear", C=cost / x.shape[1], class_weight={c: weight[c] for c in present})
        machine.fit((x - middle) / spread, y)
        # scikit-learn turns the sign round for two classes: positive then means the second class.
        sign = -1.0 if len(present) == 2 else 1.0
        weights, bias = sign * machine.coef_, sign * machine.intercept_
    arrays = {"weights": weights, "bias": bias, "pairs": pairs, "present": present.astype(np.int64)}
    return State(
        {**arrays, "middle": middle, "spread": spread}, {"n_classes": n_classes, "cost": cost, "width": x.shape[1]}
    )


def predict(state: State, features: Features, device: str = "cpu") -> np.ndarray:
    """Return (N, C) float64 scores: votes of the pairwise machines plus a tie-break below one third.

    The tie-break is s / (3(|s| + 1)) with s the sum of a class's signed distances. A class that the training part
    lacked scores -1, below all others.
    """
    x = np.asarray(features)
    n_classes = int(state.meta["n_classes"])
    width = int(state.meta["width"])
    middle, spread = state.array("middle", (width,)), state.array("spread", (width,))
    pairs, present = state.array("pairs", (None, 2)), state.array("present", (None,))
    weights = state.array("weights", (len(pairs), width))
    # A sum per clip, not one matrix product: BLAS may round a row differently in another batch.
    distance = (((x - middle) / spread)[:, None, :] * weights).sum(axis=2) + state.array("bias", (len(pairs),))
    votes, confidence = np.zeros((len(x), n_classes)), np.zeros((len(x), n_classes))
    for column, (first, second) in enumerate(pairs):
        d = distance[:, column]
        votes[:, first] += d >= 0
        votes[:, second] += d < 0
        confidence[:, first] += d
        confidence[:, second] -= d
    scores = votes + confidence / (3 * (np.abs(confidence) + 1))
    scores[:, np.setdiff1d(np.arange(n_classes), present)] = -1.0
    return scores


def choose_cost(
    x: np.ndarray, y: np.ndarray, groups: np.ndarray, n_classes: int, preset: Preset, seed: int
) -> tuple[float, dict[str, float]]:
    """Return the C with the best inner macro F1 and the F1 of each; the middle of the grid with one person only."""

    def answers(cost: float, held: np.ndarray) -> np.ndarray:
        machine = train_machine(x[~held], y[~held], n_classes, cost, preset)
        return predict(machine, x[held]).argmax(axis=1)

    return choose(preset.c_grid, y, groups, n_classes, preset.inner_folds, seed, answers)


def fit(
    features: Features,
    labels: np.ndarray,
    groups: np.ndarray,
    n_classes: int,
    preset: Preset,
    seed: int,
    log: Callable[[str], None],
    device: str = "cpu",
) -> State:
    """Choose C inside the training part, then train on all of it; see `mer.models.contract` for the arguments.

    Raises:
        ModelError: the training part has a single class.
    """
    x = np.asarray(features)
    require_classes(labels)
    cost, scores = choose_cost(x, labels, groups, n_classes, preset, seed)
    log(f"svm_flow: C = {cost:g} ({told(scores)})")
    state = train_machine(x, labels, n_classes, cost, preset)
    return State(state.arrays, {**state.meta, "inner_macro_f1": scores})


MODEL = Model(
    presets=PRESETS,
    inputs={"motion": ("flow", "strain")},
    settings=("c_grid", "class_weights", "inner_folds"),
    source="baseline of this project: linear SVM on 147 pooled flow values",
    libraries=("numpy", "scikit-learn"),
    features=features,
    fit=fit,
    predict=predict,
    noise=lambda preset, draw: draw(preset.values),
    # One machine for every pair of classes: a weight for each value, and an offset.
    parameters=lambda preset, n_classes: comb(n_classes, 2) * (preset.values + 1),
)
