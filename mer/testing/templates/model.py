"""my_plugin: a small convolutional network on the flow from onset to apex.

In a configuration: `plugins: [my_plugin.py]`, and `model: my_plugin` in an experiment whose `inputs` are
`{motion: flow/<variant>}`. `mer check-plugin my_plugin.py` says whether it keeps its contract.
"""

from typing import TYPE_CHECKING

from pydantic import Field

from mer.models.plain_network import Settings, network

if TYPE_CHECKING:
    from torch import nn


class Preset(Settings):
    """Epochs, batches, optimiser and the like are there already; these are the network's own."""

    # A key that `train` of an experiment knows, such as dropout, can be overridden there.
    dropout: float = Field(0.3, ge=0, lt=1, description="share of values dropped while training")
    filters: int = Field(8, ge=1, description="of the first layer")


def build(preset: Preset, n_classes: int) -> "nn.Module":
    """Return the network, its weights drawn: called with (B, 3, size, size) it returns logits (B, n_classes)."""
    # Imported here, because every job reads this file and few need PyTorch.
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(3, preset.filters, kernel_size=3, padding=1),
        nn.BatchNorm2d(preset.filters),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(preset.filters, 2 * preset.filters, kernel_size=3, padding=1),
        nn.BatchNorm2d(2 * preset.filters),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(preset.dropout),
        nn.Linear(2 * preset.filters * (preset.size // 4) ** 2, n_classes),
    )


# The first preset is the default. Other inputs or another view of a clip: `inputs=` and `features=` of `network`; all
# that a model can say of itself: mer/models/contract.py. A scikit-learn classifier: mer/models/plain_estimator.py.
MODEL = network(
    build,
    {"small": Preset(), "wide": Preset(filters=32, epochs=80)},
    source="of this project",
)
