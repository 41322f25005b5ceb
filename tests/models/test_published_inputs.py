"""What presets of the dual-branch systems and of AU fusion are given, and how they learn, beside the published code.

Expected values are read off the original scripts (specs/dual-branch.md §3.2, specs/au-fusion.md §5.7), not off ours.
"""

import numpy as np
import pytest
import torch

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ClipError
from mer.models import au_fusion, dual_branch, dual_branch_msmh, loop
from mer.models.au_fusion_inputs import factor_index
from mer.models.clip_frames import Frames, positions

COUNT = 60
EVENTS = {"onset": 10, "apex": 20, "offset": 50}
S1, S2 = dual_branch.PRESETS, dual_branch_msmh.PRESETS
# Frames t and t + 1 differ by 4 t + 2 levels of red: the largest changes are the last ones.
RED = 128 + (-1) ** np.arange(COUNT) * np.arange(COUNT) * 2


def clip_of(folder, events):
    red = np.stack([RED, np.full(COUNT, 4), np.full(COUNT, 2)], axis=1).astype(np.uint8)
    with ContainerWriter(folder / "c.h5", "align") as out, out.clip("c") as clip:
        clip.write("frames", np.broadcast_to(red[:, None, None], (COUNT, 16, 16, 3)).copy())
        clip.attributes(events)
    return Container(folder / "c.h5").clip("c")


PUBLISHED = [
    (S1["icip2024"], range(30), range(30)),
    (S1["icip2024_smic"], range(10), range(10)),
    (S1["icip2024_p3"], range(10), range(10)),
    (S2["smic"], range(10), range(10)),
    # framerange = [x + 5 for x in range(16)]
    (S2["lie"], range(5, 21), range(5, 21)),
    # np.linspace(0, total - 1, 30, dtype=int)
    (S2["samm"], [2 * i for i in range(29)] + [59], [2 * i for i in range(29)] + [59]),
    # Pairs of range(0, total): the last 30 (8) of them.
    (S2["casme3"], range(29, 59), range(29, 59)),
    (S2["casme2sq"], range(51, 59), range(51, 59)),
    # Pairs of range(0, offset - 1): frames up to 48.
    (S2["casme2"], range(18, 48), None),
    (S1["clean"], np.linspace(10, 50, 30), None),
    (S2["small"], [10, 18, 26, 34, 42, 50], None),
]


@pytest.mark.parametrize(("preset", "annotated", "bare"), PUBLISHED)
def test_frames_of_every_preset_with_and_without_events(tmp_path, preset, annotated, bare):
    clip = clip_of(tmp_path, EVENTS)
    asked = preset.sampler, preset.frames, preset.first
    assert positions(clip, Frames(clip), *asked) == pytest.approx(list(annotated))
    clip = clip_of(tmp_path, {})
    if bare is None:
        with pytest.raises(ClipError, match="unknown; expected 0 to 59; use sampler: span, which needs no event"):
            positions(clip, Frames(clip), *asked)
    else:
        assert positions(clip, Frames(clip), *asked) == pytest.approx(list(bare))


@pytest.mark.parametrize(
    ("module", "preset", "order"),
    [(dual_branch, name, "rgb") for name in ("small", "clean", "icip2024", "icip2024_smic")]
    + [(dual_branch_msmh, name, "bgr") for name in ("casme2", "samm", "smic", "casme3", "casme2sq")]
    + [(dual_branch_msmh, name, "rgb") for name in ("lie", "clean")],
)
def test_colours_are_in_the_published_order(tmp_path, module, preset, order):
    changes = {"region": "none", "size": 16} if module is dual_branch_msmh else {"size": 16}
    seen = module.features({"clip": clip_of(tmp_path, EVENTS)}, module.PRESETS[preset].model_copy(update=changes))
    seen = seen["clip"] if isinstance(seen, dict) else seen
    if preset != "small":
        brightest = int(np.abs(seen.astype(float)).mean(axis=(0, 1, 2)).argmax())
        assert brightest == (0 if order == "rgb" else 2)
    assert module.PRESETS[preset].colours == order


def test_the_region_has_the_colours_of_the_clip(tmp_path):
    clip = clip_of(tmp_path, EVENTS)
    with ContainerWriter(tmp_path / "r.h5", "rois") as out, out.clip("c") as regions:
        regions.write("patches", clip.read("frames")[:, None])
        regions.write("names", np.array(["face"]))
        regions.write("units", np.array([""]))
    given = {"clip": clip, "regions": Container(tmp_path / "r.h5").clip("c")}
    both = dual_branch_msmh.features(given, S2["casme2"].model_copy(update={"size": 16}))
    assert np.array_equal(both["clip"], both["region"]) and both["clip"][..., 2].mean() > both["clip"][..., 0].mean()


def test_lie_penalises_the_attention_less_than_the_dense_layers():
    # 0.03 on the two dense layers, 0.01 on the two kernels of the channel gate (§5).
    torch.manual_seed(0)
    preset = S2["lie"].model_copy(update={"size": 16})
    network = dual_branch_msmh.build(preset, 2)
    dense, gate = (
        sum(float(kernel.detach().square().sum()) for kernel in part.penalised())
        for part in (network.bottleneck, network.attention)
    )
    assert float(network.penalty(preset).detach()) == pytest.approx(0.03 * dense + 0.01 * gate, rel=1e-5)
    casme2 = S2["casme2"].model_copy(update={"size": 16})
    network = dual_branch_msmh.build(casme2, 3)
    assert torch.equal(network.penalty(casme2), loop.l2_penalty(network.penalised(), 0.01))


def test_recipes_are_the_published_ones():
    told = {name: (p.epochs, p.batch_size, p.learning_rate, p.rate_step, p.dropout) for name, p in S2.items()}
    published = {
        "casme2": (200, 8, 1e-3, 40, 0.5),
        "samm": (200, 8, 1e-3, 40, 0.3),
        "smic": (200, 8, 1e-3, 40, 0.3),
        "casme3": (100, 8, 1e-3, 20, 0.5),
        "casme2sq": (100, 8, 1e-3, 20, 0.5),
        "lie": (100, 8, 1e-3, 0, 0.3),
    }
    assert {name: told[name] for name in published} == published
    assert S2["lie"].class_weights == (0.5, 0.5) and S2["casme2sq"].class_weights == (0.2, 0.3, 0.3, 0.2)
    assert (S1["icip2024"].epochs, S1["icip2024"].rate_step, S1["icip2024"].readout) == (200, 0, "first")
    released = au_fusion.PRESETS["released"]
    assert (released.epochs, released.batch_size, released.learning_rate) == (100, 16, 1e-4)


def test_au_fusion_is_tested_at_the_published_factor():
    # Added 1.2, 1.4, … 3.0 are the factors 2.2 … 4.0 here; tested is what is added twice over: a factor of 3.
    factors = np.arange(22, 42, 2) / 10
    assert factors[factor_index(factors, au_fusion.PRESETS["released"].test_alpha)] == 3.0
