"""Training of `ifnet_small`: python -m mer.pretrain.ifnet --steps N --seed S --out FILE

Learns from `mer.pretrain.triplets` only. A run that was stopped goes on from its last checkpoint (`FILE.partial`); its
triplets are kept in `FILE.pool.npz`, which may be deleted afterwards. The loss is the logarithm of the mean squared
error of every triplet, so nearly its PSNR: a faint motion counts as much as a large one, until little but rounding is
left.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mer.core.atomic import atomic_path
from mer.core.seeds import derive_seed
from mer.networks.ifnet_small import IFNetSmall
from mer.pretrain.state import keep, resume, write_weights
from mer.pretrain.triplets import Triplet, faces, pattern
from mer.stages.interpolate.between import inside, middle, visible
from mer.stages.interpolate.rife import prior

CROP, BATCH = 64, 8
RATE, LAST_RATE, WARM_UP = 1e-3, 1e-5, 200
AVERAGE = 0.999
#: Mean squared error, in grey levels squared, below which a triplet hardly counts: a few times that of rounding.
FLOOR = 0.5
EVERY = 500


def triplets(seed: int, people: int, each: int, patterns: int) -> Iterator[Triplet]:
    """Yield all triplets of a pool, in a fixed order."""
    for subject in range(people):
        yield from faces(seed, subject, each)
    for number in range(patterns):
        yield pattern(seed, number)


def encoded(triplet: Triplet) -> dict[str, np.ndarray]:
    """Return the arrays of one triplet as the network takes them, the motion found by optical flow."""
    flows = prior(triplet.first, triplet.second)
    motion = middle(flows, triplet.time).motion
    pictures = (triplet.first, triplet.second, triplet.middle)
    return {
        "pictures": np.stack([picture.transpose(2, 0, 1) for picture in pictures]),
        "motion": motion.astype(np.float16),
        "seen": visible(flows, motion, triplet.time).astype(np.float16),
        "time": np.array(triplet.time, np.float32),
    }


def build_pool(path: Path, seed: int, people: int, each: int, patterns: int) -> dict[str, np.ndarray]:
    """Return the arrays of all triplets; read from `path` when they were made before with the same arguments."""
    made_of = json.dumps([seed, people, each, patterns])
    if path.is_file():
        with np.load(path, allow_pickle=False) as held:
            if str(held["made_of"]) == made_of:
                return {name: held[name] for name in held.files if name != "made_of"}
    started, items = time.process_time(), []
    for triplet in triplets(seed, people, each, patterns):
        items.append(encoded(triplet))
        if len(items) % 200 == 0:
            print(f"{len(items)} triplets, {time.process_time() - started:.0f} CPU-s", flush=True)
    pool = {name: np.stack([item[name] for item in items]) for name in items[0]}
    with atomic_path(path) as temporary, open(temporary, "wb") as handle:
        np.savez(handle, allow_pickle=False, made_of=np.array(made_of), **pool)
    return pool


def batch(pool: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, Tensor]:
    """Return a batch of random crops, flipped, turned, reversed in time and with their colours in any order."""
    chosen = [_augmented(pool, int(index), rng) for index in rng.integers(len(pool["time"]), size=BATCH)]
    return {name: torch.stack([item[name] for item in chosen]) for name in chosen[0]}


def _augmented(pool: dict[str, np.ndarray], index: int, rng: np.random.Generator) -> dict[str, Tensor]:
    side = pool["pictures"].shape[-1]
    top, left = (int(value) for value in rng.integers(side - CROP + 1, size=2))
    window = (..., slice(top, top + CROP), slice(left, left + CROP))
    time, moved = float(pool["time"][index]), pool["motion"][index][window].astype(np.float32)
    # What lies beyond the crop is as far out of sight as what lies beyond a picture.
    sight = np.stack([inside(-time * moved), inside((1 - time) * moved)])
    pictures = torch.from_numpy(pool["pictures"][index][window]).float() / 255
    motion, moment = torch.from_numpy(moved), torch.tensor(time)
    seen = torch.from_numpy(pool["seen"][index][window] * sight).float()
    pictures = pictures[:, rng.permutation(3)]
    if rng.random() < 0.5:
        pictures, motion = pictures.flip(-1), motion.flip(-1) * torch.tensor([-1.0, 1])[:, None, None]
        seen = seen.flip(-1)
    if rng.random() < 0.5:
        pictures, motion, seen = pictures.mT, motion.mT.flip(0), seen.mT
    if rng.random() < 0.5:
        pictures, motion, seen, moment = pictures[[1, 0, 2]], -motion, seen.flip(0), 1 - moment
    return {"pictures": pictures, "motion": motion, "seen": seen, "time": moment}


def loss(network: IFNetSmall, items: dict[str, Tensor]) -> Tensor:
    """Return the mean over the batch of the logarithm of the mean squared error plus `FLOOR`, grey levels squared."""
    first, second, target = items["pictures"].unbind(dim=1)
    made = network(first, second, items["motion"], items["seen"], items["time"])
    return (((made - target) * 255) ** 2).mean(dim=(1, 2, 3)).add(FLOOR).log().mean()


def rate(step: int, steps: int) -> float:
    """Return the learning rate: a linear warm-up, then half a cosine."""
    if step < WARM_UP:
        return RATE * (step + 1) / WARM_UP
    share = (step - WARM_UP) / max(1, steps - WARM_UP)
    return LAST_RATE + (RATE - LAST_RATE) * (1 + np.cos(np.pi * share)) / 2


def _layout(tensor: Tensor) -> torch.memory_format:
    """Return the memory format in which convolutions on a CPU are fastest."""
    return torch.channels_last if tensor.ndim == 4 else torch.contiguous_format


class Training:
    """A network, the running mean of its weights, its optimiser and how many steps they made."""

    def __init__(self, seed: int) -> None:
        with torch.random.fork_rng([]):
            torch.manual_seed(derive_seed(seed, "ifnet weights"))
            self.network = IFNetSmall(fast=True)
        for parameter in self.network.parameters():
            parameter.data = parameter.data.contiguous(memory_format=_layout(parameter))
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=RATE, weight_decay=1e-4)
        self.mean = deepcopy(self.network).requires_grad_(False)
        self.parts = {"network": self.network, "mean": self.mean, "optimiser": self.optimiser}
        self.step = 0

    def advance(self, pool: dict[str, np.ndarray], seed: int, steps: int) -> float:
        """Make one step and return its loss; what it trains on follows from the seed and the step's number."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.step, steps)
        value = loss(self.network, batch(pool, np.random.default_rng(derive_seed(seed, "batch", self.step))))
        self.optimiser.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        share = min(AVERAGE, (1 + self.step) / (10 + self.step))
        for mean, parameter in zip(self.mean.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(parameter.detach(), 1 - share)
        self.step += 1
        return float(value.detach())


def train(arguments: Any, log: Any = print) -> Path:
    """Train and write the weights; returns where. `arguments` are those of the command."""
    out = Path(arguments.out)
    sizes = (arguments.people, arguments.each, arguments.patterns)
    pool = build_pool(out.with_name(f"{out.name}.pool.npz"), arguments.seed, *sizes)
    made_of = json.dumps([arguments.seed, arguments.steps, *sizes])
    run, partial = Training(arguments.seed), out.with_name(f"{out.name}.partial")
    run.step, spent = resume(partial, made_of, run.parts)
    if run.step:
        log(f"going on from step {run.step}")
    begun, recent = time.process_time() - spent, []
    while run.step < arguments.steps:
        recent.append(run.advance(pool, arguments.seed, arguments.steps))
        if run.step % 100 == 0:
            log(f"step {run.step}: loss {np.mean(recent[-EVERY:]):.4f}, {time.process_time() - begun:.0f} CPU-s")
        if run.step % EVERY == 0:
            keep(partial, made_of, run.parts, run.step, time.process_time() - begun)
    # One entry: safetensors writes several in any order, and equal runs must give equal bytes.
    note = {"variant": "small", "seed": arguments.seed, "steps": run.step, "pool": sizes}
    write_weights(out, dict(run.mean.named_parameters()), {"mer": json.dumps(note, sort_keys=True)})
    return out


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m mer.pretrain.ifnet", description="Train ifnet_small.")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True)
    parser.add_argument("--people", type=int, default=20, help="simulated people to learn from")
    parser.add_argument("--each", type=int, default=80, help="triplets per person")
    parser.add_argument("--patterns", type=int, default=1400, help="procedural triplets")
    torch.set_num_threads(1)
    print(f"wrote {train(parser.parse_args())}")


if __name__ == "__main__":
    main()
