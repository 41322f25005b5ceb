"""Train our own small MagNet: `python -m mer.pretrain.magnet --steps N --seed S --out FILE`.

The truth is known exactly (`mer.pretrain.magnified`), so the loss is the distance of picture and displacement to it:
without the published regularisers, which stand in for what such data say directly. Each sample's loss is divided by how
far the filmed picture is from the truth, so that a weak motion counts as much as a strong one; under the plain loss a
network learns to leave weak motion where it is (specs/aman-magnet-rife.md B.5).

The state is stored beside FILE every hundred steps; the same command goes on from it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mer.core.errors import MerError
from mer.networks.magnet_files import CURVE, Loaded
from mer.networks.magnet_small import SmallMagNet, untrained
from mer.pretrain import magnified
from mer.pretrain.magnet_score import Magnifier, calibrated, identity, linear, table
from mer.pretrain.state import keep, resume, write_weights
from mer.stages.magnify.magnet import Pair
from mer.stages.registry import load_method

SIZE, COUNT = 64, 8
RATE, DECAY_FROM = 1e-3, 0.7  # The rate is constant, then falls linearly to 0 over the last 30 % of the steps.
CLIP = 1.0
EDGE = 4  # Pixels at the border are not judged: what moves in there was not seen.
INSIDE = (slice(None), slice(None), slice(EDGE, -EDGE), slice(EDGE, -EDGE))
PICTURE_FLOOR, FIELD_FLOOR = 1 / 127.5, 0.05  # Added to the distances that a sample's losses are divided by.
PARTS, WEIGHT = ("picture", "displacement", "gain"), torch.tensor([1.0, 1.0, 2.0])
STEPS = 720
KEEP_EVERY, LOG_EVERY = 100, 50


def unit(grey: torch.Tensor) -> torch.Tensor:
    """Return grey levels 0-255 as the network's range [-1, 1]."""
    return grey / 127.5 - 1


def loss(network: SmallMagNet, samples: magnified.Samples) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what is left of the picture's distance to the truth, of the displacement's, and the gain's error.

    The first two are relative to leaving the filmed picture as it is, per sample, and averaged; the border is not
    judged. In noise the likeliest displacement of a point is too short; that all of a picture's are must cost extra.
    """
    first, second, truth = unit(samples.first), unit(samples.second), unit(samples.truth)
    codes = network.encode(first), network.encode(second)
    moved, share = network.measure(codes[0][1], codes[1][1])
    made, back = network.carry(first, second, moved, share, samples.gain)
    picture = relative(made - truth, second - truth, PICTURE_FLOOR)
    field = relative(back - samples.field, samples.field, FIELD_FLOOR)
    return picture, field, shortfall(back, samples.field)


def shortfall(made: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Return the mean over samples of |1 - gain|, the gain that of least squares, less where there is no motion."""
    over, under = (part[INSIDE].mean(dim=(1, 2, 3)) for part in ((truth - made) * truth, truth * truth))
    return (over.abs() / (under + FIELD_FLOOR**2)).mean()


def relative(left: torch.Tensor, whole: torch.Tensor, floor: float) -> torch.Tensor:
    """Return the mean over samples of |left| / (|whole| + floor), each a mean over the picture without its border."""
    over, under = (part[INSIDE].abs().mean(dim=(1, 2, 3)) for part in (left, whole))
    return (over / (under + floor)).mean()


def rate(step: int, steps: int) -> float:
    """Return the learning rate of a step."""
    left = (steps - step) / max(1, round(steps * (1 - DECAY_FROM)))
    return RATE * min(1.0, left) * min(1.0, (step + 1) / 100)


def train(steps: int, seed: int, out: Path, log: Callable[[str], None] = print) -> tuple[SmallMagNet, float]:
    """Train for `steps` in all, going on from the state beside `out`; return the network and the CPU-seconds spent.

    Raises:
        ModelError: the state beside `out` is of another seed or cannot be read.
    """
    torch.set_num_threads(1)
    network = untrained(seed)
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    kept, made_of, parts = out.with_suffix(".state"), f"seed {seed}", {"network": network, "optimiser": optimiser}
    done, spent = resume(kept, made_of, parts)
    begun, recent = time.process_time() - spent, np.zeros(3)
    for step in range(done, steps):
        for group in optimiser.param_groups:
            group["lr"] = rate(step, steps)
        lost = loss(network, magnified.batch(seed, step, SIZE, COUNT))
        optimiser.zero_grad(set_to_none=True)
        (torch.stack(lost) * WEIGHT).sum().backward()
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimiser.step()
        recent += np.array([part.item() for part in lost]) / LOG_EVERY
        if (step + 1) % LOG_EVERY == 0:
            left = ", ".join(f"{name} {value:.3f}" for name, value in zip(PARTS, recent, strict=True))
            log(f"step {step + 1}: {left}, {time.process_time() - begun:.0f} CPU-s")
            recent[:] = 0
        if (step + 1) % KEEP_EVERY == 0 or step + 1 == steps:
            keep(kept, made_of, parts, step + 1, time.process_time() - begun)
    return network.eval(), time.process_time() - begun


def as_magnifier(network: SmallMagNet, curve: np.ndarray | None = None) -> Magnifier:
    """Return the network as a function of a pair of pictures and a factor, corrected by a curve when given."""
    loaded = Loaded("small", network.eval(), curve)

    def magnify(pair: np.ndarray, factor: float) -> np.ndarray:
        gain = loaded.asked(factor, "this network")
        made: np.ndarray = next(Pair(loaded, pair[0]).magnify(pair[1], [gain]))
        return made

    return magnify


def stage_magnifier(method: str) -> Magnifier:
    """Return another method of the stage, at its defaults, as a function of a pair of pictures and a factor."""
    chosen = load_method("magnify", method, "score")
    return lambda pair, factor: next(iter(chosen.magnified(pair, 0, chosen.Params(alphas=(factor,)))))[1]


def main(arguments: list[str] | None = None) -> None:
    """Train, measure the curve on people set aside for it, write the weights, and score them on others."""
    parser = argparse.ArgumentParser(prog="python -m mer.pretrain.magnet", description="Train the small MagNet.")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps in all, those already done included")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--people", type=int, default=12, help="people that the curve and the scores are taken on")
    given = parser.parse_args(arguments)
    if given.steps < 0 or given.people < 1:
        parser.error("expected --steps from 0 and --people from 1")
    try:
        network, spent = train(given.steps, given.seed, given.out, lambda line: print(line, flush=True))
        curve = calibrated(as_magnifier(network), given.seed, given.people)
        notes = {"steps": str(given.steps), "seed": str(given.seed), CURVE: json.dumps(curve)}
        write_weights(given.out, network.state_dict(), {"network": "magnet", "variant": "small", **notes})
    except MerError as error:
        parser.exit(2, f"{error}\n")
    print(f"{given.out}: {given.steps} steps, {spent:.0f} CPU-seconds of training; curve {curve}", flush=True)
    compared = {
        "as filmed": identity,
        "linear": linear,
        "lagrangian": stage_magnifier("lagrangian"),
        "magnet_small": as_magnifier(network, np.array(curve)),
    }
    print(table(compared, "held-out", given.seed, given.people))


if __name__ == "__main__":
    main()
