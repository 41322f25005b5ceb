"""The ICIP 2024 network against its published tables, and as a model that learns (specs/dual-branch.md §11)."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ModelError
from mer.models import dual_branch, loop
from mer.models import dual_branch_network as network
from mer.models.augment import augmented, turned
from mer.models.clip_array import ClipArray
from mer.models.clip_frames import viewed
from mer.models.dual_branch_blocks import (
    ATTENTIONS,
    Attention,
    BlockAttention,
    ChannelGate,
    SamePadMaxPool3d,
    Stem,
    he_normal,
    recurrent,
)
from mer.models.dual_branch_settings import SOURCE_WEIGHTS

TINY = dual_branch.PRESETS["small"].model_copy(update={"size": 24, "frames": 6, "epochs": 14, "augment": False})


@pytest.mark.parametrize(
    ("pool", "frames", "size", "branch", "trunk"),
    [
        (2, 30, 128, (15, 64, 64), (8, 32, 32)),
        (3, 30, 128, (10, 43, 43), (4, 15, 15)),
        (3, 10, 128, (4, 43, 43), (2, 15, 15)),
        (3, 16, 128, (6, 43, 43), (2, 15, 15)),
        (2, 8, 128, (4, 64, 64), (2, 32, 32)),
    ],
)
def test_stem_shapes(pool, frames, size, branch, trunk):
    stem, clip = Stem(1, 2, pool), torch.zeros(1, 3, frames, size, size)
    assert stem.first(clip).shape == stem.second(clip).shape == (1, 1, *branch)
    assert stem(clip, clip).shape == (1, 2, *trunk)


@pytest.mark.parametrize("pool", [2, 3])
@pytest.mark.parametrize("n", [4, 5, 10, 15, 16, 30, 43, 128])
@pytest.mark.parametrize("axis", [2, 3, 4])
def test_same_pool_equals_brute_force(pool, n, axis):
    shape = [1, 1, pool, pool, pool]
    shape[axis] = n
    x = torch.randn(shape, generator=torch.Generator().manual_seed(n)) - 5  # all negative: zero padding would show
    lacking = max((-(-n // pool) - 1) * pool + pool - n, 0)
    windows = [range(i * pool - lacking // 2, (i + 1) * pool - lacking // 2) for i in range(-(-n // pool))]
    line = x.amax([a for a in (2, 3, 4) if a != axis]).flatten()
    expected = [max(float(line[j]) for j in window if 0 <= j < n) for window in windows]
    assert SamePadMaxPool3d(pool)(x).flatten().tolist() == expected


def constant(channels):
    values = 2.0 ** torch.arange(channels) / 16
    return values[None, :, None, None, None].expand(2, channels, 4, 8, 8).contiguous()


def test_equal_networks_on_constant_features_gate_by_a_half():
    gate = ChannelGate(16, ATTENTIONS["eccbam"])
    gate.largest.load_state_dict(gate.mean.state_dict())
    assert torch.equal(gate(constant(16)), torch.full((2, 16, 1, 1, 1), 0.5))


def test_swapping_the_networks_negates_the_logit():
    torch.manual_seed(0)
    gate, x = ChannelGate(16, ATTENTIONS["eccbam"]), constant(16)
    logits = gate.logits(x)
    gate.mean, gate.largest = gate.largest, gate.mean
    assert logits.abs().min() > 1e-4 and torch.equal(gate.logits(x), -logits)


def test_eccbam_multiplies_two_gates_of_the_ungated_features():
    torch.manual_seed(0)
    block, x = BlockAttention(16, ATTENTIONS["eccbam"]), torch.randn(2, 16, 3, 5, 5)
    assert block.voxel(x).shape == x.shape
    assert torch.allclose(block(x), x * block.channel(x) * block.voxel(x))
    later = BlockAttention(16, Attention(order="sequential"))
    later.load_state_dict(block.state_dict())
    assert not torch.allclose(later(x), block(x), atol=1e-3)


def test_cbam_is_the_textbook_one():
    torch.manual_seed(0)
    block, x = BlockAttention(32, ATTENTIONS["cbam"]), torch.randn(2, 32, 3, 5, 5)
    w1, b1, w2, b2 = block.channel.mean.parameters()

    def shared(v):
        return functional.linear(functional.linear(v, w1, b1).relu(), w2, b2)

    assert w1.shape == (2, 32)
    channel = torch.sigmoid(shared(x.mean((2, 3, 4))) + shared(x.amax((2, 3, 4))))[:, :, None, None, None]
    refined = x * channel
    planes = torch.stack([refined.amax(1), refined.mean(1)], 1)
    voxel = torch.sigmoid(functional.conv3d(planes, block.voxel.conv.weight, block.voxel.conv.bias, padding=3))
    assert voxel.shape == (2, 1, 3, 5, 5)
    assert torch.allclose(block(x), refined * voxel, atol=1e-6)


@pytest.mark.parametrize(("channels", "count"), [(32, 2344), (64, 5712)])
def test_eccbam_parameter_counts(channels, count):
    assert loop.parameter_count(BlockAttention(channels, ATTENTIONS["eccbam"])) == count


def test_initial_weights_follow_the_published_rules():
    torch.manual_seed(0)
    weight = torch.empty(64, 500)
    he_normal(weight)
    assert float(weight.std()) == pytest.approx(np.sqrt(2 / 500), rel=0.02)
    assert float(weight.abs().max()) <= 2 * np.sqrt(2 / 500) / 0.8796 + 1e-6
    gru = recurrent(8, 16)
    assert torch.allclose(gru.weight_hh_l0.T @ gru.weight_hh_l0, torch.eye(16), atol=1e-5)
    assert float(gru.bias_ih_l0.detach().abs().sum() + gru.bias_hh_l0.detach().abs().sum()) == 0


def test_output_is_a_distribution_per_step_and_read_out_three_ways():
    torch.manual_seed(0)
    net = dual_branch.build(TINY.model_copy(update={"frames": 12}), 4).eval()
    steps = net(torch.rand(2, 3, 12, 24, 24))
    assert steps.shape == (2, 3, 4) and torch.allclose(steps.exp().sum(-1), torch.ones(2, 3), atol=1e-6)
    assert torch.equal(network.read_out(steps, "first"), steps[:, 0])
    assert torch.equal(network.read_out(steps, "last"), steps[:, 2])
    # The loss over all steps is the loss of the mean read-out.
    labels, weights = torch.tensor([1, 3]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    mean = network.read_out(steps, "mean")
    expected = -(2 * mean[0, 1] + 4 * mean[1, 3]) / 2
    assert torch.allclose(network.step_loss(steps, labels, weights), expected)


def test_source_weights_scale_the_loss():
    halves = torch.log(torch.tensor([[[0.5, 0.25, 0.25]], [[0.5, 0.25, 0.25]]]))
    value = network.step_loss(halves, torch.tensor([0, 1]), torch.tensor(SOURCE_WEIGHTS))
    assert float(value) == pytest.approx((0.3 * np.log(2) + 0.35 * np.log(4)) / 2)


@pytest.mark.slow
def test_l2_penalty_equals_weight_decay_of_twice_the_factor():
    results = []
    for explicit in (True, False):
        torch.manual_seed(0)
        net = dual_branch.build(TINY, 3).eval()
        chosen = net.penalised()
        others = [p for p in net.parameters() if all(p is not c for c in chosen)]
        assert len(chosen) == 4
        groups = [{"params": others}, {"params": chosen, "weight_decay": 0.0 if explicit else 0.02}]
        optimiser = torch.optim.Adam(groups, lr=1e-3)
        clip = torch.rand(2, 3, 6, 24, 24, generator=torch.Generator().manual_seed(1))
        for _ in range(3):
            loss = network.step_loss(net(clip), torch.tensor([0, 2]), torch.ones(3))
            loss = loss + loop.l2_penalty(chosen, 0.01) if explicit else loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        results.append([p.detach().clone() for p in chosen])
    for explicit_weight, decayed in zip(*results, strict=True):
        assert torch.allclose(explicit_weight, decayed, atol=1e-6)


@pytest.mark.slow
def test_gradients_reach_every_parameter_of_the_clean_network():
    torch.manual_seed(0)
    net = dual_branch.build(dual_branch.PRESETS["clean"], 3).train()
    loss = network.step_loss(net(torch.rand(2, 3, 6, 128, 128)), torch.tensor([0, 2]), torch.ones(3))
    loss.backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_scale_is_of_the_training_clips():
    values = np.array([0, 1, 2, 5], np.uint8).reshape(2, 1, 1, 2, 1)
    source, standard = (
        dual_branch.PRESETS["icip2024"].model_copy(update={"scaling": s}) for s in ("source", "standard")
    )
    for x in (ClipArray(values), ClipArray(values.astype(np.float32)), ClipArray(np.repeat(values, 2, 0), [0, 3])):
        assert dual_branch.scale_of(x, source) == pytest.approx([2, 3])
        assert dual_branch.scale_of(x, standard) == pytest.approx([2, np.std([0, 1, 2, 5])])
    change = standard.model_copy(update={"view": "change"})
    moving = ClipArray(np.array([1.0, 1.5, 3.0], np.float32).reshape(1, 3, 1, 1, 1))
    assert dual_branch.scale_of(moving, change) == pytest.approx([2.5 / 3, np.std([0, 0.5, 2])])
    clips = torch.tensor([5, 2], dtype=torch.uint8).reshape(1, 1, 1, 2, 1).expand(1, 1, 1, 2, 3)
    made = network.scaled(clips, np.array([2.0, 3.0]), "frames")
    assert made.shape == (1, 3, 1, 1, 2) and made[0, 1].flatten().tolist() == [1, 0]


def test_change_takes_the_face_away():
    face, moves = np.random.default_rng(0).random((2, 1, 4, 4, 3)), np.zeros((2, 5, 4, 4, 3))
    moves[:, 2, 1, 1] = 0.3
    assert viewed(face + moves, "change") == pytest.approx(moves)
    assert np.array_equal(viewed(face + moves, "frames"), face + moves)


def test_turning():
    clip = torch.rand(3, 2, 4, 9, 9)
    still, mirrored = torch.zeros(3), torch.tensor([1.0, -1.0, 1.0])
    moved = turned(clip, still, mirrored)
    assert torch.allclose(moved[0], clip[0], atol=1e-5) and torch.allclose(moved[1], clip[1].flip(-1), atol=1e-5)
    quarter = turned(clip, torch.full((3,), np.pi / 2), torch.ones(3))
    assert torch.allclose(quarter, clip.rot90(1, (-2, -1)), atol=1e-4)
    torch.manual_seed(1)
    first, second = augmented([clip, clip])
    assert torch.equal(first, second) and not torch.allclose(first, clip, atol=1e-2)


def clips_with_moving_blob(n, size=24, frames=6, seed=0):
    """Return (n, frames, size, size, 3) uint8, labels and groups: the class is the way a blob moves."""
    rng = np.random.default_rng(seed)
    labels, ways = np.arange(n) % 3, ((0, -1), (0, 1), (-1, 0))
    y, x = np.mgrid[:size, :size]
    clips = []
    for label in labels:
        cy, cx = size / 2 + rng.normal(0, 1.5, 2)
        dy, dx = ways[label]
        places = [(cy + dy * t, cx + dx * t) for t in range(frames)]
        images = [90 + 100 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 12) + rng.normal(0, 3, y.shape) for a, b in places]
        clips.append(np.clip(images, 0, 255))
    video = np.repeat(np.array(clips)[..., None], 3, axis=-1).astype(np.uint8)
    return video, labels, np.array([f"p{i // 3 % 6}" for i in range(n)])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("dual") / "frames.h5"
    video, labels, groups = clips_with_moving_blob(72)
    with ContainerWriter(path, "align") as out:
        for i, frames in enumerate(video):
            with out.clip(f"c{i:02}") as clip:
                clip.write("frames", frames)
                clip.attributes({"onset": 0, "apex": 3, "offset": 5})
    x = np.stack([dual_branch.features({"clip": clip}, TINY) for clip in Container(path)])
    return x, labels, groups


@pytest.fixture(scope="module")
def trained(data):
    x, labels, groups = data
    seen, lines = ~np.isin(groups, ["p4", "p5"]), []
    return dual_branch.MODEL.fit(x[seen], labels[seen], groups[seen], 3, TINY, 5, lines.append), seen, lines


@pytest.mark.slow
def test_learns_what_moves_which_way(data, trained):
    (x, labels, _), (state, seen, lines) = data, trained
    scores = dual_branch.MODEL.predict(state, x[~seen])
    assert scores.shape == (24, 3) and scores.dtype == np.float64 and scores.sum(1) == pytest.approx(np.ones(24))
    assert (scores.argmax(1) == labels[~seen]).mean() > 0.9
    assert state.meta["classes_used"] == pytest.approx(3, abs=0.1) and "classes_used" in lines[-1]


@pytest.mark.slow
def test_statistics_are_of_the_clips_given_to_fit(data):
    x, labels, groups = (part[:12] for part in data)
    short = TINY.model_copy(update={"epochs": 1})
    scales = [
        dual_branch.MODEL.fit(x * factor, labels, groups, 3, short, 1, lambda line: None).arrays["scale.clip"]
        for factor in (1, 0.5)
    ]
    assert scales[1] == pytest.approx(scales[0] / 2, rel=1e-5)


def test_refusals(data):
    x, labels, groups = (part[:12] for part in data)
    published = TINY.model_copy(update={"class_weights": SOURCE_WEIGHTS})
    with pytest.raises(ModelError, match="3 weights; expected one for each of the 5 classes"):
        dual_branch.MODEL.fit(x, labels, groups, 5, published, 0, print)
    wild = TINY.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(ModelError, match=r"loss .* in epoch .* lower the learning rate"):
        dual_branch.MODEL.fit(x, labels, groups, 3, wild, 0, print)
