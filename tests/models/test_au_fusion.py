"""The fusion network against its published table, its action-unit targets and masks, and as a model that learns."""

import numpy as np
import pytest
import torch

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ModelError
from mer.datasets.au import parse_aus
from mer.models import au_fusion, loop
from mer.models import au_fusion_network as networks
from mer.models.au_fusion_inputs import factor_index, unit_targets
from mer.models.au_fusion_network import P3D, SplitBlock
from mer.models.feed import Feed
from mer.models.learner import Inputs

TINY = au_fusion.PRESETS["small"].model_copy(
    update={"size": 32, "width": 4, "layers": 1, "epochs": 40, "rate_start": 99, "learning_rate": 2e-3}
)


def test_published_parameter_counts():
    net = au_fusion.build(au_fusion.PRESETS["released"], 4)
    assert loop.parameter_count(net) == 26026861
    assert loop.parameter_count(net.units) == 24944073
    assert loop.parameter_count(net.motion) == 1033558
    assert loop.parameter_count(net.graph) == 49172
    clean = au_fusion.build(au_fusion.PRESETS["clean"], 4)
    assert loop.parameter_count(clean) == 26026861 - 600


@pytest.fixture(scope="module")
def clean():
    torch.manual_seed(0)
    return au_fusion.build(au_fusion.PRESETS["clean"], 4)


@pytest.mark.slow
def test_gradients_reach_every_parameter_of_the_clean_network_from_the_emotion_alone(clean):
    clean.train().zero_grad()
    emotion, units = clean(torch.randn(2, 9, 30, 2, 7, 7), torch.randn(2, 3, 16, 144, 144))
    assert emotion.shape == (2, 4) and units.shape == (2, 9)
    torch.nn.functional.cross_entropy(emotion, torch.tensor([0, 3])).backward()
    dead = [name for name, p in clean.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # The last layer's bias of the detector too: its logits are the graph's nodes.
    assert dead == []


def test_maps_of_p3d_are_as_published(clean):
    shapes = []
    hooks = [
        layer.register_forward_hook(lambda m, i, o: shapes.append(tuple(o.shape[1:]))) for layer in clean.units.layers
    ]
    with torch.no_grad():
        assert clean.units.eval()(torch.zeros(1, 3, 16, 144, 144)).shape == (1, 9)
    for hook in hooks:
        hook.remove()
    assert shapes == [(256, 8, 36, 36), (512, 4, 18, 18), (1024, 2, 9, 9), (2048, 1, 5, 5)]
    kinds = [block.kind for layer in clean.units.layers for block in layer if block.time is not None]
    assert "".join(kinds) == "ABCABCABCABCA"


@pytest.mark.parametrize("size", [32, 64, 160, 170])
def test_p3d_never_folds_space_into_the_batch(size):
    with torch.no_grad():
        assert P3D(9, 2, (1, 1, 1, 1)).eval()(torch.zeros(2, 3, 16, size, size)).shape == (2, 9)


@pytest.mark.parametrize("frames", [8, 15, 17, 32])
def test_p3d_wants_sixteen_frames(frames):
    with pytest.raises(ModelError, match=rf"clips of shape \(1, 3, {frames}, 32, 32\).*interpolate to 16 frames"):
        P3D(9, 2, (1, 1, 1, 1))(torch.zeros(1, 3, frames, 32, 32))


@pytest.mark.parametrize(("kind", "expected"), [("A", 6.0), ("B", 5.0), ("C", 8.0)])
def test_kinds_of_split_blocks(kind, expected):
    """Without normalisation and with S = 2x, T = 3x: A gives T(S), B gives S + T, C gives S + T(S)."""
    block = SplitBlock(4, 1, 1, kind).eval()
    with torch.no_grad():
        for part, factor in ((block.reduce, 1.0), (block.space, 2.0), (block.time, 3.0), (block.expand, 1.0)):
            kernel = torch.zeros_like(part[0].weight)
            kernel[:, 0, kernel.shape[2] // 2, kernel.shape[3] // 2, kernel.shape[4] // 2] = factor
            part[0].weight.copy_(kernel)
            part[1].eps = 0.0
        out = block(torch.tensor([1.0, 0, 0, 0])[None, :, None, None, None].expand(1, 4, 3, 3, 3))
    assert out[0, 1].flatten().tolist() == pytest.approx([expected] * 27)
    assert out[0, 0, 1, 1, 1].item() == pytest.approx(expected + 1)


def test_brow_windows_reach_the_brow_vector_only():
    torch.manual_seed(0)
    motion, patches = networks.Motion(layers=2).eval(), torch.randn(1, 9, 30, 2, 7, 7)
    changed = patches.clone()
    changed[:, :, :10] += 1
    brows, mouth = motion(patches)
    other_brows, other_mouth = motion(changed)
    assert brows.shape == mouth.shape == (1, 160)
    assert torch.equal(mouth, other_mouth) and not torch.allclose(brows, other_brows, atol=1e-3)


def test_encoder_does_not_see_the_order_of_tokens():
    torch.manual_seed(0)
    layer, x, order = networks.EncoderLayer(49, 128).eval(), torch.randn(2, 10, 49), torch.randperm(10)
    assert torch.allclose(layer(x)[:, order], layer(x[:, order]), atol=1e-5)


def test_graph_equals_its_formula():
    torch.manual_seed(0)
    graph, x = networks.ActionUnitGraph(2).eval(), torch.randn(2, 9)
    a = graph.adjacency(torch.stack([torch.diag(row) for row in x]))
    assert a.mean(-1).abs().max() < 1e-5
    h = x[:, :, None]
    for w in graph.weights:
        z = torch.einsum("bij,bjd->bid", a, torch.einsum("bjc,cd->bjd", h, w))
        h = torch.where(z > 0, z, 0.2 * z)
    assert graph(x).shape == (2, 9, 160) and torch.allclose(graph(x), h, atol=1e-5)


def test_fusion_is_a_dot_product_per_unit():
    torch.manual_seed(0)
    net = networks.Network(3, 2, (1, 1, 1, 1), 1).eval()
    patches, clip = torch.randn(2, 9, 30, 2, 7, 7), torch.randn(2, 3, 16, 32, 32)
    with torch.no_grad():
        emotion, units = net(patches, clip)
        (brows, mouth), nodes = net.motion(patches), net.graph(units)
        rows = [[float((brows if i < 3 else mouth)[b] @ nodes[b, i]) for i in range(9)] for b in range(2)]
        expected = net.out(net.norm(torch.tensor(rows)))
    assert torch.allclose(emotion, expected, atol=1e-4)


def numbers(cell):
    return [unit.number for unit in parse_aus(cell)[0]]


def test_unit_targets():
    targets = unit_targets([numbers("4+7+L10"), numbers("10R"), numbers("L1+R1"), None, []])
    assert targets.dtype == np.float32
    assert targets[0].tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 0]
    assert targets[1].tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert targets[2].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert np.isnan(targets[3]).all() and (targets[4] == 0).all()


def test_unit_loss_leaves_out_what_is_not_annotated():
    logits = torch.zeros(2, 9, requires_grad=True)
    targets = torch.from_numpy(unit_targets([[1, 2], None]))
    value = networks.unit_loss(logits, targets)
    value.backward()
    assert value.item() == pytest.approx(np.log(2))
    assert (logits.grad[1] == 0).all() and logits.grad[0].tolist() == pytest.approx([-0.5 / 9] * 2 + [0.5 / 9] * 7)
    assert networks.unit_loss(logits, torch.full((2, 9), torch.nan)).item() == 0


def test_clip_normalisation():
    clip = torch.tensor([124, 173, 255], dtype=torch.uint8)[None, None, None, None]
    shown = networks.normalised(clip, "imagenet")
    assert shown.shape == (1, 3, 1, 1, 1) and shown.dtype == torch.float32
    expected = [(124 / 255 - 0.485) / 0.229, (173 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert shown.flatten().tolist() == pytest.approx(expected, abs=1e-5)
    assert networks.normalised(clip, "raw").flatten().tolist() == [255, 173, 124]


def test_factors_are_drawn_per_clip_or_per_map():
    torch.manual_seed(0)
    for mode, mixed in (("per_clip", False), ("per_step", True)):
        draws = [networks.draw_factors(2, 3, 9, mode).numpy() for _ in range(20)]
        assert all(d.shape == (2, 9) for d in draws)
        assert any(len(set(row)) > 1 for d in draws for row in d) == mixed
        assert {int(v) for d in draws for v in d.ravel()} == {0, 1, 2}


def test_training_and_prediction_read_the_factor_asked_for():
    preset = TINY.model_copy(update={"test_alpha": 2.0})
    patches = np.zeros((5, 3, 9, 30, 2, 7, 7), np.float32)
    patches += 10 * np.arange(5).reshape(5, 1, 1, 1, 1, 1, 1) + np.arange(3).reshape(1, 3, 1, 1, 1, 1, 1)
    alphas = np.tile(np.array([1.2, 2.1, 3.0], np.float32), (5, 1))
    x = {"patches": patches, "alphas": alphas, "clip": np.zeros((5, 16, 32, 32, 3), np.uint8)}
    with Feed(x | {"units": np.zeros((5, 9), np.float32)}, torch.device("cpu")) as feed:
        setup = au_fusion.training_setup(au_fusion.build(preset, 3), Inputs(x), feed, preset)
        read = setup.given(torch.tensor([4, 1]), False)[0]
        drawn = [setup.given(torch.tensor([4, 1]), True)[0][:, :, 0, 0, 0, 0] for _ in range(20)]
    assert read[:, 0, 0, 0, 0, 0].tolist() == [41, 11]
    assert all((d // 10).tolist() == [[4.0] * 9, [1.0] * 9] for d in drawn)
    assert {int(v) % 10 for d in drawn for v in d.flatten()} == {0, 1, 2}
    assert factor_index(np.array([1.2, 2.1, 3.0]), 2.0) == 1


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Return clips whose class is the motion of the mouth windows and what brightens in its frames, and labels."""
    folder, rng, labels = tmp_path_factory.mktemp("fusion"), np.random.default_rng(0), np.arange(36) % 3
    with ContainerWriter(folder / "m.h5", "rois") as motion, ContainerWriter(folder / "c.h5", "interpolate") as faces:
        for i, label in enumerate(labels):
            field = rng.normal(0, 0.1, (3, 9, 30, 2, 7, 7))
            field[:, :, 10:, 0] += (label - 1) * np.array([1.2, 2.0, 3.0])[:, None, None, None, None]
            with motion.clip(f"c{i:02}") as clip:
                clip.write("patches", field.astype(np.float32))
                clip.write("alphas", np.array([1.2, 2.0, 3.0]))
            frames = rng.integers(60, 90, (16, 32, 32, 3))
            frames[:, 8 * label + 4 : 8 * label + 10, 10:22] += np.arange(0, 160, 10)[:, None, None, None]
            with faces.clip(f"c{i:02}") as clip:
                clip.write("frames", frames.astype(np.uint8))
    pairs = zip(Container(folder / "m.h5"), Container(folder / "c.h5"), strict=True)
    return [{"motion": a, "clip": b} for a, b in pairs], labels


def stacked(pairs, preset):
    each = [au_fusion.features(pair, preset) for pair in pairs]
    return {name: np.stack([value[name] for value in each]) for name in each[0]}


def test_features(clips):
    x = au_fusion.features(clips[0][0], TINY)
    assert {name: (value.shape, value.dtype) for name, value in x.items()} == {
        "patches": ((3, 9, 30, 2, 7, 7), np.float32),
        "alphas": ((3,), np.float32),
        "clip": ((16, 32, 32, 3), np.uint8),
    }
    frames = clips[0][0]["clip"].read("frames")
    assert np.array_equal(x["clip"][5], frames[5])


@pytest.mark.slow
def test_learns_what_the_mouth_does(clips):
    pairs, labels = clips
    x = stacked(pairs, TINY)
    groups = np.array([f"p{i // 3 % 4}" for i in range(36)])
    seen = groups != "p3"
    train, test = ({name: value[part] for name, value in x.items()} for part in (seen, ~seen))
    units = [((12,), (15,), None)[label] for label in labels[seen]]
    lines = []
    state = au_fusion.MODEL.fit(train, labels[seen], groups[seen], 3, TINY, 0, lines.append, units=units)
    scores = au_fusion.MODEL.predict(state, test)
    assert (scores.argmax(1) == labels[~seen]).mean() > 0.9
    assert lines[0] == "au_fusion: action units of 18 of 27 training clips supervise the detector"
    assert state.meta["alpha"] == 2.0
    # Prediction reads the factor 2 and no other.
    blind = {**test, "patches": test["patches"].copy()}
    blind["patches"][:, [0, 2]] = 9.0
    assert np.array_equal(au_fusion.MODEL.predict(state, blind), scores)


@pytest.mark.slow
def test_supervision_changes_the_detector_and_seeds_decide(clips):
    x, labels = stacked(clips[0][:12], TINY), clips[1][:12]
    groups, units = np.array(list("abcd") * 3), [(12,)] * 12

    def arrays(seed, supervision, given):
        preset = TINY.model_copy(update={"epochs": 2, "supervision": supervision})
        state = au_fusion.MODEL.fit(x, labels, groups, 3, preset, seed, lambda line: None, units=given)
        return state.arrays["units.out.bias"]

    fixed, none = arrays(0, "fixed", units), arrays(0, "none", units)
    assert np.array_equal(fixed, arrays(0, "fixed", units)) and not np.array_equal(fixed, arrays(1, "fixed", units))
    assert np.array_equal(none, arrays(0, "fixed", None)) and not np.array_equal(none, fixed)
    assert not np.array_equal(arrays(0, "legacy_zero", units), none)


def test_refusals(clips, tmp_path):
    with ContainerWriter(tmp_path / "m.h5", "rois") as out, out.clip("c") as clip:
        clip.write("patches", np.zeros((1, 30, 2, 7, 7), np.float32))
    pair = {**clips[0][0], "motion": Container(tmp_path / "m.h5").clip("c")}
    with pytest.raises(ModelError, match=r"patches \(1, 1, 30, 2, 7, 7\); expected \(\[A,\] 9, 30, 2, 7, 7\)"):
        au_fusion.features(pair, TINY)
