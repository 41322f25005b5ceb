"""A perceptron on the flow of 8 x 8 cells."""

import numpy as np

from mer.core.params import Params
from mer.models.contract import Model
from mer.models.flow_image import flow_image
from mer.models.state import require_classes


class Preset(Params):
    epochs: int = 4
    batch_size: int = 4
    learning_rate: float = 0.01


def features(clips, preset):
    return flow_image(clips, 8)


def build(preset, n_classes):
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 8), nn.ReLU(), nn.Linear(8, n_classes))


def fit(features, labels, groups, n_classes, preset, seed, log, device="cpu"):
    import torch

    from mer.models import loop
    from mer.models.state import State

    require_classes(labels)
    with loop.reproducible(seed, device) as place:
        network = build(preset, n_classes).to(place)
        x, y = (torch.from_numpy(np.asarray(array)).to(place) for array in (features, labels))
        optimiser = torch.optim.Adam(network.parameters(), preset.learning_rate)
        schedule = loop.Schedule(preset.epochs, preset.batch_size)

        def loss(batch):
            return torch.nn.functional.cross_entropy(network(x[batch]), y[batch])

        last = loop.train(network, loss, len(y), schedule, optimiser, log, "perceptron")
        return State(loop.arrays_of(network), {"n_classes": n_classes, "training_loss": last})


def predict(state, features, device="cpu"):
    import torch

    from mer.models import loop

    n_classes = int(state.meta["n_classes"])
    network, x = build(Preset(), n_classes), torch.from_numpy(np.asarray(features))
    loop.restore(network, state)
    return loop.scores(network, len(x), n_classes, lambda index: network(x[index]))


MODEL = Model(
    presets={"only": Preset()},
    inputs={"motion": ("flow", "strain")},
    settings=("batch_size", "epochs", "learning_rate"),
    source="a perceptron",
    libraries=("numpy", "torch"),
    features=features,
    fit=fit,
    predict=predict,
    build=build,
)
