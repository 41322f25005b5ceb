"""The network of `mer.models.au_fusion` (specs/au-fusion.md §5): action-unit detector, motion branch, graph, fusion.

Inputs: motion patches (B, 9, 30, 2, 7, 7) float32 (flow, ROI, u/v, row, column) and a clip
(B, 3, 16, S, S) float32. Outputs: emotion logits (B, C) and action-unit logits (B, 9) in the order of `AUS`.
"""

from __future__ import annotations

import math
from itertools import cycle, pairwise

import torch
from torch import nn
from torch.nn import functional

from mer.core.errors import ModelError
from mer.models.au_fusion_inputs import AUS, BROW_AUS, BROW_ROIS, LENGTH, ROIS
from mer.models.clip_frames import DEVIATION, MEAN
from mer.models.pooling import MaxPool3d

NODE = 160
# Of the residual network.
EXPANSION = 4


def _conv(inputs: int, outputs: int, kernel: tuple[int, int, int], stride: int = 1) -> nn.Sequential:
    pads = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    conv = nn.Conv3d(inputs, outputs, kernel, stride=(1, stride, stride), padding=pads, bias=False)
    # The published rule leaves out the last kernel side, and so starts wide for kernels over space.
    nn.init.normal_(conv.weight, std=math.sqrt(2.0 / (kernel[0] * kernel[1] * outputs)))
    return nn.Sequential(conv, nn.BatchNorm3d(outputs))


class SplitBlock(nn.Module):
    """Bottleneck around a convolution S over space and one T over time.

    `kind` A chains them, T(S(x)); B adds them, S(x) + T(x); C adds S(x) and T(S(x)); `plane` has S only, for maps whose
    time axis has come down to one step.
    """

    def __init__(self, inputs: int, width: int, stride: int, kind: str) -> None:
        super().__init__()
        self.kind, outputs = kind, width * EXPANSION
        self.reduce = _conv(inputs, width, (1, 1, 1), stride)
        self.space = _conv(width, width, (1, 3, 3))
        self.time = None if kind == "plane" else _conv(width, width, (3, 1, 1))
        self.expand = _conv(width, outputs, (1, 1, 1))
        self.shortcut = _conv(inputs, outputs, (1, 1, 1), stride) if (inputs, stride) != (outputs, 1) else nn.Identity()
        for layer in self.modules() if kind == "plane" else ():
            if isinstance(layer, nn.Conv3d):
                # The published layer is 2-D there and keeps torch's own rule.
                nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, 4 · width, T, H', W')."""
        reduced = self.reduce(x).relu()
        mixed = space = self.space(reduced).relu()
        if self.time is not None:
            time = self.time(reduced if self.kind == "B" else space).relu()
            mixed = time if self.kind == "A" else space + time
        return (self.expand(mixed) + self.shortcut(x)).relu()


class P3D(nn.Module):
    """P3D-63 (§5.2), a residual network of 3-D convolutions split into space and time.

    (B, 3, 16, S, S) float32 → (B, n_outputs) logits.

    Args:
        n_outputs: number of logits.
        width: channels of the first layer; 64 as published.
        blocks: number of blocks in each of the four layers.
        dropout: before the last layer.
    """

    def __init__(
        self,
        n_outputs: int,
        width: int = 64,
        blocks: tuple[int, int, int, int] = (3, 4, 6, 3),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.stem = _conv(3, width, (1, 7, 7), stride=2)
        self.pool = MaxPool3d((2, 3, 3), (2, 2, 2), (0, 1, 1))
        self.halve = MaxPool3d((2, 1, 1))
        inputs, kinds = width, cycle("ABC")
        self.layers = nn.ModuleList()
        for depth, count in enumerate(blocks):
            middle, layer = width * 2**depth, nn.Sequential()
            for place in range(count):
                stride = 2 if depth and place == 0 else 1
                layer.append(SplitBlock(inputs, middle, stride, next(kinds) if depth < 3 else "plane"))
                inputs = middle * EXPANSION
            self.layers.append(layer)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(inputs, n_outputs)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        """Return (B, n_outputs).

        Raises:
            ModelError: the clip has not 16 frames, which the poolings bring down to one step.
        """
        if clip.ndim != 5 or clip.shape[1:3] != (3, LENGTH):
            found = f"clips of shape {tuple(clip.shape)}"
            raise ModelError("P3D-63", found, f"(B, 3, {LENGTH}, S, S)", f"interpolate to {LENGTH} frames")
        x = self.pool(self.stem(clip).relu())
        for layer in self.layers[:3]:
            x = self.halve(layer(x))
        # The mean over the whole map equals the published 5 × 5 pooling at 129 to 160 pixels, and fits other sizes too.
        return self.out(self.dropout(self.layers[3](x).mean(dim=(2, 3, 4))))


class EncoderLayer(nn.Module):
    """Post-norm transformer layer (§5.1): no positions, no mask; queries, keys and values without bias.

    Args:
        width: of the tokens.
        hidden: of the feed-forward part.
        heads: number of heads.
        head_width: of each.
        dropout: of both sub-layers' results.
    """

    def __init__(self, width: int, hidden: int, heads: int = 8, head_width: int = 16, dropout: float = 0.1) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * head_width
        self.query, self.key, self.value = (nn.Linear(width, inner, bias=False) for _ in range(3))
        self.project = nn.Linear(inner, width)
        self.wide, self.narrow = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, N, width)."""
        parts = [f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.query, self.key, self.value)]
        mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        x = self.norms[0](x + self.dropout(self.project(mixed.transpose(1, 2).flatten(2))))
        return self.norms[1](x + self.dropout(self.narrow(self.wide(x).relu())))


def encoder(width: int, hidden: int, layers: int) -> nn.Sequential:
    """Return `layers` encoder layers in a row."""
    return nn.Sequential(*(EncoderLayer(width, hidden) for _ in range(layers)))


class Motion(nn.Module):
    """Depthwise 3-D convolutions over u, v and over time, then an encoder for brows and one for the mouth (§5.1)."""

    def __init__(self, flows: int = 9, window: int = 7, layers: int = 6, dropout: float = 0.5) -> None:
        super().__init__()
        tokens = window**2
        self.field = nn.Sequential(
            nn.Conv3d(ROIS, ROIS, (2, 3, 3), padding=(0, 1, 1), groups=ROIS), nn.BatchNorm3d(ROIS), nn.ReLU()
        )
        self.time = nn.Sequential(
            nn.Conv3d(ROIS, ROIS, (flows, 3, 3), padding=(0, 1, 1), groups=ROIS), nn.BatchNorm3d(ROIS), nn.ReLU()
        )
        self.brows, self.mouth = encoder(tokens, 128, layers), encoder(tokens, 128, layers)
        self.brow_vector = self._vector(BROW_ROIS * tokens, dropout)
        self.mouth_vector = self._vector((ROIS - BROW_ROIS) * tokens, dropout)

    @staticmethod
    def _vector(inputs: int, dropout: float) -> nn.Sequential:
        return nn.Sequential(
            nn.Flatten(), nn.Linear(inputs, 320), nn.ReLU(), nn.Dropout(dropout), nn.Linear(320, NODE), nn.ReLU()
        )

    def forward(self, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return brow and mouth vectors, (B, 160) each, of patches (B, flows, 30, 2, 7, 7)."""
        # All flows pass the same convolution in one batch; in training its statistics are of all of them.
        fields = self.field(patches.flatten(0, 1)).squeeze(2).unflatten(0, patches.shape[:2])
        tokens = self.time(fields.transpose(1, 2)).squeeze(2).flatten(2)
        brows = self.brow_vector(self.brows(tokens[:, :BROW_ROIS]))
        return brows, self.mouth_vector(self.mouth(tokens[:, BROW_ROIS:]))


class ActionUnitGraph(nn.Module):
    """Three graph convolutions on the action-unit logits, their adjacency made by a transformer (§5.3).

    The encoder reads diag(logits); its rows, which end in layer normalisation, are the adjacency: neither symmetric nor
    non-negative. The embedding of `embedding` is that of an abandoned variant: it has parameters and no use.
    """

    def __init__(self, layers: int = 6, embedding: bool = False) -> None:
        super().__init__()
        nodes = len(AUS)
        self.adjacency = encoder(nodes, 40, layers)
        widths = (1, 40, 80, NODE)
        self.weights = nn.ParameterList(torch.empty(a, b) for a, b in pairwise(widths))
        for weight in self.weights:
            nn.init.uniform_(weight, -1 / math.sqrt(weight.shape[1]), 1 / math.sqrt(weight.shape[1]))
        if embedding:
            self.embedding = nn.Embedding(15, 40)

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return node vectors (B, 9, 160) of logits (B, 9)."""
        adjacency = self.adjacency(torch.diag_embed(logits))
        nodes = logits[:, :, None]
        for weight in self.weights:
            nodes = functional.leaky_relu(adjacency @ nodes @ weight, 0.2)
        return nodes


class Network(nn.Module):
    """Emotion from motion seen through action units (§5.5).

    Args:
        n_classes: C.
        width: first width of P3D.
        blocks: of P3D.
        layers: of every encoder.
        flows: number of flow maps of a clip.
        embedding: keep the unused embedding of the released network.
    """

    def __init__(
        self,
        n_classes: int,
        width: int = 64,
        blocks: tuple[int, int, int, int] = (3, 4, 6, 3),
        layers: int = 6,
        flows: int = 9,
        embedding: bool = False,
    ) -> None:
        super().__init__()
        self.units = P3D(len(AUS), width, blocks)
        self.motion = Motion(flows, layers=layers)
        self.graph = ActionUnitGraph(layers, embedding)
        self.norm = nn.LayerNorm(len(AUS), eps=1e-6)
        self.out = nn.Linear(len(AUS), n_classes)

    def forward(self, patches: torch.Tensor, clip: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return emotion logits (B, C) and action-unit logits (B, 9)."""
        units = self.units(clip)
        nodes = self.graph(units)
        brows, mouth = self.motion(patches)
        upper = torch.einsum("bd,bnd->bn", brows, nodes[:, :BROW_AUS])
        lower = torch.einsum("bd,bnd->bn", mouth, nodes[:, BROW_AUS:])
        return self.out(self.norm(torch.cat([upper, lower], dim=1))), units


def unit_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean binary cross-entropy of (B, 9) over the targets that are not NaN; 0 when all are."""
    known = ~torch.isnan(targets)
    if not known.any():
        return logits.sum() * 0
    return functional.binary_cross_entropy_with_logits(logits[known], targets[known])


def normalised(clips: torch.Tensor, how: str) -> torch.Tensor:
    """Return (B, 3, T, S, S) float32 of clips (B, T, S, S, 3) uint8 RGB, as P3D reads them.

    `imagenet`: in 0–1, less ImageNet's mean and over its deviation; `raw`: BGR in 0–255.
    """
    colours = [clips[..., colour] for colour in ((2, 1, 0) if how == "raw" else (0, 1, 2))]
    planes = torch.stack(colours, dim=1).float()
    if how == "raw":
        return planes
    mean, deviation = (torch.from_numpy(255 * v).to(planes).view(3, 1, 1, 1) for v in (MEAN, DEVIATION))
    return planes.sub_(mean).div_(deviation)


def draw_factors(count: int, factors: int, maps: int, mode: str) -> torch.Tensor:
    """Return (count, maps) int64 indices of factors, drawn from the CPU's random state.

    `per_clip`: one factor for all maps of a clip; `per_step`: one for every map.
    """
    return torch.randint(factors, (count, 1 if mode == "per_clip" else maps)).expand(count, maps)
