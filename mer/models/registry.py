"""Recognition models by name, and the contract that each keeps.

This module imports no model, so that a configuration is checked without torch or scikit-learn. Adding a model is
one file, one line in `MODELS`, and its names in `PRESETS`, `INPUTS`, `SOURCES` and `SETTINGS`; a contract test compares
those with the module. The first preset of a model is its default.

A model module has:

`PRESETS: dict[str, Params]`
    named, complete settings: what is done to the input and how long and how fast is trained. The training budget is
    part of the preset and fixed in advance; nothing in it depends on a held-out clip.
`INPUTS: dict[str, tuple[str, ...]]`
    each named input and the arrays that its product must have (docs/architecture.md).
`LIBRARIES: tuple[str, ...]`
    distributions whose versions belong in the checkpoint.
`UNITS: tuple[str, ...]` (optional)
    which of `features` and `fit` take a last argument `units`: annotated action-unit numbers of the clip, a tuple, or
    None where nobody coded it; for `fit` a list of them, one per training clip. `features` gets those of a held-out
    clip only when the experiment says `regions: annotation`; every other test table hides them.
`features(clips: Mapping[str, Clip], preset) -> ndarray | dict[str, ndarray]`
    the network's view of one clip, float32, the same shape for every clip, from that clip alone. Raises `ClipError`
    for a clip that cannot be used and `ModelError` for a product of the wrong kind.
`fit(features, labels, groups, n_classes, preset, seed, log, device) -> State`
    features stacked on a new first axis (N, ...); labels (N,) int64 in [0, n_classes), some class may be missing;
    groups (N,) str, for inner splits by person. Deterministic in its arguments. `log` takes one line.
`predict(state, features, device) -> (N, n_classes) float64`
    scores, larger is more likely, finite; a clip's scores do not depend on the other clips passed with it.
`State` (`mer.models.state`)
    named arrays plus JSON metadata: all that `predict` needs, stored as safetensors.
"""

from __future__ import annotations

MODELS: dict[str, str] = {
    "svm_flow": "mer.models.svm_flow",
    "ststnet": "mer.models.ststnet",
    "dual_branch": "mer.models.dual_branch",
    "dual_branch_msmh": "mer.models.dual_branch_msmh",
    "mean": "mer.models.mean_softnet",
    "au_fusion": "mer.models.au_fusion",
    "aman": "mer.models.aman",
}

PRESETS: dict[str, tuple[str, ...]] = {
    "svm_flow": ("float_flow", "minmax_image"),
    "ststnet": ("clean", "published"),
    "dual_branch": ("small", "clean", "icip2024", "icip2024_smic", "icip2024_p3", "icip2024_cbam", "icip2024_figure"),
    "dual_branch_msmh": ("small", "clean", "casme2", "samm", "smic", "casme3", "casme2sq", "lie"),
    "mean": ("small", "clean", "published"),
    "au_fusion": ("small", "clean", "released"),
    "aman": ("small", "pooled", "clean", "published"),
}

INPUTS: dict[str, dict[str, tuple[str, ...]]] = {
    "svm_flow": {"motion": ("flow", "strain")},
    "ststnet": {"motion": ("flow", "strain")},
    "dual_branch": {"clip": ("frames",)},
    "dual_branch_msmh": {"clip": ("frames",), "regions": ("patches", "names")},
    "mean": {"motion": ("flow", "strain", "landmarks")},
    "au_fusion": {"motion": ("patches",), "clip": ("frames",)},
    "aman": {"magnified": ("frames", "alphas")},
}

SOURCES: dict[str, str] = {
    "svm_flow": "baseline of this project: linear SVM on 147 pooled flow values",
    "ststnet": "STSTNet; Liong, Gan, See, Khor, Huang, FG 2019",
    "dual_branch": "dual-branch 3-D CNN with GRU and EC-CBAM; ICIP 2024",
    "dual_branch_msmh": "its extension by action-unit regions and multi-scale multi-head attention; published code",
    "mean": "MEAN; Liong, See, Chan, Signal Processing: Image Communication 110 (2023) 116875",
    "au_fusion": "AU detection and spatio-temporal fusion; Wang, Huang, Cai, Liu, ICASSP 2024, pp. 5595-5599",
    "aman": "AMAN, attention over magnification; ICASSP 2022",
}

# The number of classes of presets that were published for another one than three: what their parameter counts are of.
CLASSES: dict[tuple[str, str], int] = {
    ("dual_branch_msmh", "casme2sq"): 4,
    ("dual_branch_msmh", "lie"): 2,
    ("au_fusion", "released"): 4,
    ("aman", "published"): 5,
}

# Keys of a recipe (mer.training.recipe) that the model's presets have and a configuration may override.
SETTINGS: dict[str, tuple[str, ...]] = {
    "svm_flow": ("c_grid", "class_weights", "inner_folds"),
    "ststnet": ("batch_size", "class_weights", "dropout", "epochs", "learning_rate", "shuffle", "weight_decay"),
    "dual_branch": ("batch_size", "class_weights", "dropout", "epochs", "learning_rate"),
    "dual_branch_msmh": ("batch_size", "class_weights", "dropout", "epochs", "learning_rate", "regions"),
    "mean": ("batch_size", "class_weights", "epochs", "learning_rate"),
    "au_fusion": ("batch_size", "class_weights", "epochs", "learning_rate"),
    "aman": ("batch_size", "class_weights", "epochs", "learning_rate", "trunk", "weight_decay"),
}
