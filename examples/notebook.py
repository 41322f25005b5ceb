# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Your model on the folds of a run
#
# Run this after `make demo` (or any run of your own with a flow product): as a notebook through jupytext, or as it is,
# `python examples/notebook.py`. It reads what the workflow made, trains a pipeline of scikit-learn and a network of
# PyTorch on the folds of one of its experiments, and scores both as the workflow scores its own. `docs/notebook.md` has
# the rest.

# %%
import numpy as np
import torch
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn
from torch.utils.data import DataLoader, Subset

import mer

run = mer.open()  # the nearest config.yaml; or a configuration file, or a folder of results
run

# %% [markdown]
# ## What there is
#
# The rows of a database, and every product of one clip.

# %%
dataset = run.datasets[0]
rows = run.index(dataset)
print(rows.groupby("emotion_norm")["subject"].agg(["size", "nunique"]))

# %%
clip = run.clip(rows.index[rows["status"] == "ok"][0][1], dataset)
flow = clip["flow/apex"]
print(clip, flow, sep="\n")
picture = mer.draw(clip, only=["align", "flow/apex"])
picture

# %% [markdown]
# ## Scikit-learn
#
# The folds hold whole persons out. Whatever is tuned is tuned inside the training part, on persons too: the inner
# search is given the groups of that part.

# %%
EXPERIMENT = "ststnet"
X, y, groups = run.arrays("flow/apex", experiment=EXPERIMENT, size=7)
folds = run.folds(EXPERIMENT)
print(folds, X.shape, y.value_counts(), sep="\n")

# %%
machine = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
p_svm = cross_val_predict(machine, X, y, groups=groups, cv=folds)
print(mer.score(y, p_svm, groups))

# %%
p_tuned = np.empty(len(y), object)
for train, test in folds.split(X, y, groups):
    inner = StratifiedGroupKFold(2, shuffle=True, random_state=0)
    search = GridSearchCV(machine, {"svc__C": [0.1, 1, 10]}, scoring="f1_macro", cv=inner)
    p_tuned[test] = search.fit(X[train], y.iloc[train], groups=groups.iloc[train]).predict(X[test])
print(mer.score(y, p_tuned, groups))

# %% [markdown]
# ## PyTorch
#
# The same clips, read one by one, each a tensor and the number of its class; images this small may stay in memory. The
# number of epochs is fixed beforehand: nothing is chosen on a held-out clip.

# %%
clips = run.dataset("flow/apex", experiment=EXPERIMENT, size=28, cache=True)
EPOCHS, RATE = 12, 3e-3


def network(classes: int) -> nn.Module:
    """Return a small network for images of u, v and strain."""
    return nn.Sequential(
        nn.BatchNorm2d(3, affine=False),
        nn.Conv2d(3, 16, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(16 * 5 * 5, classes),
    )


def train_and_predict(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Train on some places of `clips` and return the classes of others."""
    torch.manual_seed(seed)
    model = network(len(clips.classes))
    counts = torch.bincount(torch.from_numpy(clips.labels[train]), minlength=len(clips.classes))
    loss = nn.CrossEntropyLoss(weight=len(train) / (len(counts) * counts.clamp(min=1)))
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    order = torch.Generator().manual_seed(seed)
    # A batch of one clip has no variance to normalise by; what is left over is left out.
    size = min(16, len(train))
    loader = DataLoader(Subset(clips, train.tolist()), size, shuffle=True, drop_last=True, generator=order)
    for _ in range(EPOCHS):
        for images, labels in loader:
            optimiser.zero_grad()
            loss(model(images), labels).backward()
            optimiser.step()
    model.eval()
    images = torch.stack([clips[place][0] for place in test.tolist()])
    with torch.no_grad():
        return np.asarray(clips.classes, object)[model(images).argmax(dim=1).numpy()]


# %%
SEEDS = (0, 1, 2)
p_network = np.empty((len(SEEDS), len(clips)), object)
for number, seed in enumerate(SEEDS):
    for train, test in folds.split(y=clips.y):
        p_network[number, test] = train_and_predict(train, test, seed)
network_score = mer.score(clips.y, p_network, clips.groups)  # the interval covers persons and seeds
print(network_score)

# %% [markdown]
# ## Is it better?
#
# Two systems on the same clips are compared in pairs: the same persons are drawn for both. Here with each other, and
# with what the workflow's own experiment said of the same clips.

# %%
own = mer.predictions(clips.y, p_network, clips.groups)
print(mer.compare(own, mer.predictions(y, p_svm, groups)))
print(mer.compare(own, run.predictions(EXPERIMENT)))

# %% [markdown]
# ## A step of one's own
#
# Every stage is a function of arrays. The flow of the workflow, once more, from two of its frames.

# %%
crops = clip[next(product for product in clip.products if product.startswith("align/"))]
first, second = (crops["frames"][crops.attributes[event]] for event in ("onset", "apex"))
motion = mer.flow(first, second, method="micro")
print(f"longest motion {np.hypot(*motion).max():.2f} px, most strain {mer.strain(motion).max():.3f}")
