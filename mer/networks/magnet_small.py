"""Our own small network for learned magnification: MagNet's parts, with displacement measured in pixels.

The published network (`mer.networks.magnet`) learns from 100,000 pictures to paint shape that was scaled in feature
space, and drops motion that is weak (specs/aman-magnet-rife.md B.5). Here:

- the encoder gives the shape of an image of even local contrast;
- what the manipulator scales is the difference of two shapes over the shape's own slope, which is a displacement: least
  squares over windows of two widths (Lucas and Kanade, IJCAI 1981, on learned features), after the second shape was
  carried back by whole pixels, and corrected by a few convolutions that see how well the shapes then agree;
- the decoder carries texture: both images are sampled where the magnified point came from. The second gives the light;
  the share of the first, up to a half, is learned and averages noise away.

So the gain acts as a plain factor on the displacement, and without motion nothing is magnified. Images are (N, 3, H, W)
RGB in [-1, 1] (grey level / 127.5 - 1); a shape is at half their resolution, its pixel k at their pixel 2 k.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import nn
from torch.nn import functional

from mer.networks.ifnet_warp import pixel_grid

WIDTH, HIDDEN = 24, 32
CONTRAST = 5 / 127.5  # Local contrast, standard deviation, below which an image counts as flat.
LOCAL = 3.0  # Standard deviation of the window of local means and contrasts, pixels.
WINDOWS = (4.0, 2.0)  # Standard deviation of the windows, pixels of the shape.
STEPS = 10  # Fixed-point steps from the magnified picture back to the first.
Code = tuple[torch.Tensor, torch.Tensor]


def smooth(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return (N, C, H, W) averaged over Gaussian windows, which end at the border."""
    down, across = (weights(side, sigma).to(image) for side in image.shape[2:])
    return down @ image @ across.T


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def weights(side: int, sigma: float) -> torch.Tensor:
    """Return (side, side): row i holds the Gaussian weights of a window around pixel i, which add up to 1.

    One matrix per axis is faster than convolutions for the few channels and the sizes of face crops. It is kept for
    training too, which takes no tensor made in inference mode.
    """
    distance = torch.arange(side)[:, None] - torch.arange(side)[None]
    raw = torch.exp(-0.5 * (distance / sigma) ** 2) * (distance.abs() <= 3 * sigma)
    return raw / raw.sum(dim=1, keepdim=True)


def even(image: torch.Tensor) -> torch.Tensor:
    """Return an image without its local mean, divided by its local contrast where that is above noise."""
    centred = image - smooth(image, LOCAL)
    energy = smooth(centred.square().mean(dim=1, keepdim=True), LOCAL)
    return centred / (energy + CONTRAST**2).sqrt()


def sample(image: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Return images (N, C, h, w) at points (N, 2, H, W), x then y in their pixels, bilinearly, the border repeated."""
    last = torch.tensor([image.shape[3] - 1, image.shape[2] - 1]).to(points)[:, None, None]
    where = (2 * points / last - 1).permute(0, 2, 3, 1)
    return functional.grid_sample(image, where, padding_mode="border", align_corners=True)


def draw(image: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """As `sample`, with the cubic kernel of Keys that reproduces a ramp (a = -1/2); that of `grid_sample` does not."""
    height, width = image.shape[2:]
    x, y = points[:, 0].clamp(0, width - 1), points[:, 1].clamp(0, height - 1)
    left, top = x.detach().floor(), y.detach().floor()
    across, down = keys(x - left), keys(y - top)
    flat, lines = image.flatten(2), []
    for j in range(4):
        row, texels = (top + j - 1).clamp(0, height - 1) * width, []
        for i in range(4):
            index = (row + (left + i - 1).clamp(0, width - 1)).long().flatten(1)[:, None]
            texel = flat.gather(2, index.expand(-1, image.shape[1], -1)).reshape(*image.shape[:2], *x.shape[1:])
            texels.append(across[i][:, None] * texel)
        lines.append(down[j][:, None] * torch.stack(texels).sum(dim=0))
    return torch.stack(lines).sum(dim=0)


def keys(t: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the weights of the four samples around a fraction t between the middle two."""
    return (
        ((-0.5 * t + 1) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1,
        ((-1.5 * t + 2) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )


def slopes(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the derivatives of (N, C, H, W) along x and y over five pixels.

    Over three, the derivative of fine texture comes out short, and the displacement long.
    """
    wide = functional.pad(image, (2, 2, 2, 2), mode="replicate")
    x, y = wide[:, :, 2:-2], wide[:, :, :, 2:-2]
    return (
        (8 * (x[..., 3:-1] - x[..., 1:-3]) - x[..., 4:] + x[..., :-4]) / 12,
        (8 * (y[:, :, 3:-1] - y[:, :, 1:-3]) - y[:, :, 4:] + y[:, :, :-4]) / 12,
    )


class Block(nn.Module):
    """x + conv(relu(conv(x)))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1), nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the shape given."""
        return x + self.conv2(self.conv1(x).relu())


class Encoder(nn.Module):
    """Image (N, 3, H, W) → shape (N, WIDTH, H/2, W/2)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, WIDTH, 7, 2, 3, bias=False)
        self.block = Block(WIDTH)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the shape."""
        return self.block(self.conv(even(image)))


class Measure(nn.Module):
    """Two shapes → displacement (N, 2, H/2, W/2) from the first to the second in pixels of the shape, and a share."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(len(WINDOWS), WIDTH))
        self.floor = nn.Parameter(torch.full((len(WINDOWS),), -4.0))
        self.enter = nn.Conv2d(2 * WIDTH + 7, HIDDEN, 3, 1, 1)
        self.blocks = nn.Sequential(Block(HIDDEN), Block(HIDDEN))
        self.leave = nn.Conv2d(HIDDEN, 4, 3, 1, 1)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return displacement and the share (N, 1, H/2, W/2), 0 to 0.5, of the first image."""
        with torch.no_grad():
            still = torch.zeros_like(second[:, :2])
            # Whole pixels need no interpolation, whose error would pass for motion.
            whole = self.solve(first, second, still, 0)[0].round()
        back = sample(second, pixel_grid(second) + whole)
        (wide, _), (narrow, sure) = (self.solve(first, back, whole, window) for window in range(len(WINDOWS)))
        seen = [first, back - first, wide, narrow, narrow - wide, sure]
        left = self.leave(self.blocks(self.enter(torch.cat(seen, dim=1)).relu()))
        moved = wide + left[:, 2:3].sigmoid() * (narrow - wide) + left[:, :2]
        return moved, 0.5 * left[:, 3:].sigmoid()

    def solve(
        self, first: torch.Tensor, back: torch.Tensor, whole: torch.Tensor, window: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the least-squares displacement within windows, and how much texture there is to tell it by.

        `back` is the second shape carried back by `whole` pixels (N, 2, H/2, W/2), which the displacement includes.
        """
        x, y = slopes((first + back) / 2)
        change = back - first - x * whole[:, :1] - y * whole[:, 1:]
        weight = functional.softplus(self.weight[window])[None, :, None, None]
        sums = [(weight * product).mean(dim=1) for product in (x * x, x * y, y * y, x * change, y * change)]
        xx, xy, yy, xt, yt = smooth(torch.stack(sums, dim=1), WINDOWS[window]).unbind(dim=1)
        floor = self.floor[window].exp() * 0.1
        xx, yy = xx + floor, yy + floor
        area = xx * yy - xy * xy
        moved = torch.stack([xy * yt - yy * xt, xy * xt - xx * yt], dim=1) / area[:, None]
        return moved, (area / (xx + yy) / floor).log()[:, None]


class SmallMagNet(nn.Module):
    """The network; see the module."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.measure = Encoder(), Measure()

    def encode(self, image: torch.Tensor) -> Code:
        """Return the image itself and its shape."""
        return image, self.encoder(image)

    def magnify(
        self, first: torch.Tensor, second: torch.Tensor, codes: tuple[Code, Code], gain: torch.Tensor
    ) -> torch.Tensor:
        """Return `second` magnified, given the codes of both images; see `forward`.

        One pair may be given with many gains.
        """
        moved, share = self.measure(codes[0][1], codes[1][1])
        return self.carry(first, second, moved, share, gain)[0]

    def carry(
        self, first: torch.Tensor, second: torch.Tensor, moved: torch.Tensor, share: torch.Tensor, gain: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the magnified picture, and from its pixels the way (N, 2, H, W) back to the second image."""
        here, gain = pixel_grid(second), gain[:, None, None, None]
        first, second, moved, share = (part.expand(len(gain), -1, -1, -1) for part in (first, second, moved, share))
        origin = here.expand(len(gain), -1, -1, -1)
        with torch.no_grad():
            for _ in range(STEPS):
                origin = (origin + here - gain * 2 * sample(moved, origin / 2)) / 2
        motion = 2 * sample(moved, origin / 2)
        origin = here - gain * motion
        drawn = draw(second, origin + motion)
        other = draw(first, origin) - drawn
        return drawn + sample(share, origin / 2) * (other - smooth(other, LOCAL)), (1 - gain) * motion

    def forward(self, first: torch.Tensor, second: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        """Return `second` with its displacement from `first` times `gain`; see `mer.networks.magnet.MagNet`."""
        return self.magnify(first, second, (self.encode(first), self.encode(second)), gain)


def untrained(seed: int) -> SmallMagNet:
    """Return the network as training finds it: random smooth filters, and corrections near 0."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        network = SmallMagNet()
        y, x = torch.meshgrid(torch.arange(-3.0, 4), torch.arange(-3.0, 4), indexing="ij")
        with torch.no_grad():
            filters = network.encoder.conv.weight
            filters.normal_().mul_(torch.exp(-(x * x + y * y) / (2 * 1.6**2)))
            filters.div_(filters.flatten(1).norm(dim=1)[:, None, None, None])
            for block in (network.encoder.block, *network.measure.blocks):
                block.conv2.weight.mul_(0.1)
            network.measure.leave.weight.mul_(0.05)
            nn.init.zeros_(network.measure.leave.bias)  # type: ignore[arg-type]
    return network
