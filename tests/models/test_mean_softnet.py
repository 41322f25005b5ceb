"""SOFTNet and MEAN against their published tables, the freezing of the trunk, and MEAN as a recognition model."""

import numpy as np
import pytest
import torch

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ClipError, ModelError
from mer.models import loop, mean_softnet
from mer.models import mean_softnet_network as networks
from mer.models.state import State
from mer.models.step import training
from mer.motion.brow_mouth import minmax, region_boxes
from mer.testing.plain_face import landmarks


def test_published_parameter_counts():
    spotting = networks.Spotting()
    assert loop.parameter_count(networks.SoftNet()) == 314817
    assert loop.parameter_count(spotting) == 3593 and loop.parameter_count(spotting, running=True) == 3621
    for classes, whole, joint, head in ((3, 4407, 7580, 3987), (5, 5193, 8366, 4773)):
        recognition = networks.Recognition(classes, spotting.trunk, "fixed")
        assert loop.parameter_count(recognition, running=True) == whole
        assert sum(p.numel() for p in recognition.parameters() if p.requires_grad) == head
        # Both heads on one trunk, whose weights count once.
        both = torch.nn.ModuleList([spotting, recognition])
        assert loop.parameter_count(both) == joint and loop.parameter_count(both, running=True) == joint + 28


def test_shapes_of_every_stage():
    x = torch.rand(2, 3, 42, 42)
    trunk = networks.Trunk()
    assert networks.SoftNet()(x).shape == networks.Spotting(trunk)(x).shape == (2,)
    assert trunk(x).shape == (2, 14, 14, 14)
    assert networks.Recognition(5)(x).shape == (2, 5)


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_streams_do_not_mix_before_they_are_joined(stream):
    x = torch.rand(1, 3, 42, 42)
    other = x.clone()
    other[:, stream] = 0.5
    trunk = networks.Trunk().eval()
    changed = (trunk(x) != trunk(other)).any(dim=(2, 3))[0]
    own = {0: range(0, 3), 1: range(3, 6), 2: range(6, 14)}[stream]
    assert changed[list(own)].any() and not changed[[i for i in range(14) if i not in own]].any()


def test_normalisation_is_that_of_the_published_weights():
    assert {(norm.eps, norm.momentum) for norm in networks.Trunk().norms} == {(1e-3, 0.01)}


@pytest.mark.parametrize("freeze", ["fixed", "reference"])
def test_a_frozen_trunk_does_not_move(freeze):
    torch.manual_seed(0)
    trunk = networks.Trunk()
    with torch.no_grad():
        trunk.norms[0].running_mean.fill_(0.3)
    before = {name: value.clone() for name, value in trunk.state_dict().items() if "num_batches" not in name}
    net = networks.Recognition(3, trunk, freeze).train()
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=0.1)
    head = net.recog.conv.weight.detach().clone()
    for _ in range(3):
        loss = net(torch.rand(4, 3, 42, 42)).square().sum() + networks.penalty(net.trunk, net.recog)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert all(torch.equal(value, trunk.state_dict()[name]) for name, value in before.items())
    assert not torch.equal(head, net.recog.conv.weight)
    x = torch.rand(4, 3, 42, 42)
    alone = net.train().trunk(x)[:1]
    # Only the reference normalises by the batch and drops values.
    assert torch.equal(alone, net.trunk(x[:1])) == (freeze == "fixed")


def test_penalty_counts_only_what_is_trained():
    net = networks.Recognition(3)
    with torch.no_grad():
        net.recog.conv.weight.fill_(0.1)
        for conv in net.trunk.convs:
            conv.weight.fill_(2.0)
    head, streams = 0.1 * 0.01 * 2800, 1e-3 * 4 * 14 * 25
    assert networks.penalty(net.trunk, net.recog).item() == pytest.approx(head + streams)
    frozen = networks.Recognition(3, net.trunk, "fixed")
    assert networks.penalty(net.trunk, net.recog).item() == pytest.approx(head)
    assert frozen.trunk is net.trunk


def test_spotting_losses():
    x, targets = torch.rand(2, 3, 42, 42), torch.tensor([1.0, 0.0])
    soft = networks.SoftNet()
    torch.nn.init.zeros_(soft.spot.weight)
    torch.nn.init.constant_(soft.spot.bias, 0.25)
    assert networks.spotting_loss(soft, soft(x), targets).item() == pytest.approx((0.75**2 + 0.25**2) / 2)
    mean = networks.Spotting().eval()
    plain = (mean(x) - targets).square().mean().item()
    extra = networks.spotting_loss(mean, mean(x), targets).item() - plain
    assert extra == pytest.approx(networks.penalty(mean.trunk, mean.spot).item(), rel=1e-5)


def test_spotting_learns_from_windows():
    torch.manual_seed(0)
    x, targets = torch.rand(32, 3, 42, 42) * 0.1, (torch.arange(32) % 2).float()
    x[1::2, 2, 20:26, 15:27] += 0.9
    net = networks.Spotting()
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    plan = loop.Schedule(30, 16)
    step = training(net, x, lambda scores, clips: networks.spotting_loss(net, scores, targets[clips]))
    loop.train(net, step.loss, 32, plan, optimiser, lambda line: None, "spot")
    # Running statistics move by a hundredth per batch; batch statistics are those of training.
    with torch.no_grad():
        scores = net.train()(x)
    assert scores[1::2].mean() - scores[::2].mean() > 0.5


def test_gradients_reach_every_parameter_of_the_clean_network():
    torch.manual_seed(0)
    net = mean_softnet.build(mean_softnet.PRESETS["clean"], 3).train()
    torch.nn.functional.cross_entropy(net(torch.randn(8, 3, 42, 42)), torch.arange(8) % 3).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_boxes_golden():
    assert region_boxes(landmarks(), 128, 128).tolist() == [[18, 26, 112, 74], [38, 78, 92, 116]]
    # The margin grows with the picture.
    assert region_boxes(landmarks(256), 256, 256).tolist() == [[36, 52, 224, 148], [76, 156, 184, 232]]
    high = landmarks()
    high[:, 1] -= 30
    assert region_boxes(high, 128, 128)[0].tolist() == [18, 0, 112, 44]


def test_regions_are_stacked_brows_above_mouth():
    rows = np.repeat(np.arange(128.0)[:, None], 128, axis=1)
    stacked = mean_softnet.stack_regions(np.stack([rows, rows.T, rows * 0 + 5]), landmarks(), "c")
    assert stacked.shape == (3, 42, 42) and stacked.dtype == np.float32
    # Cell i of n covers [start + i·L/n, start + (i+1)·L/n): its middle is half a pixel less in pixel coordinates.
    assert stacked[0, :, 7] == pytest.approx(
        [26 + (i + 0.5) * 48 / 21 - 0.5 for i in range(21)] + [78 + (i + 0.5) * 38 / 21 - 0.5 for i in range(21)],
        abs=1e-3,
    )
    assert stacked[1, 3, :] == pytest.approx([18 + (i + 0.5) * 94 / 42 - 0.5 for i in range(42)], abs=1e-3)
    assert stacked[2] == pytest.approx(5)


def test_minmax_sees_the_whole_face():
    image = np.zeros((3, 128, 128))
    image[0, 0, 0], image[0, 5, 5], image[1] = 4.0, -1.0, 7.0
    scaled = minmax(image)
    assert scaled[0].min() == 0 and scaled[0].max() == 1 and scaled[0, 64, 64] == pytest.approx(0.2)
    assert (scaled[1] == 0).all()


def write_motion(path, fields, points):
    with ContainerWriter(path, "flow") as out:
        for i, field in enumerate(fields):
            with out.clip(f"c{i:02}") as clip:
                clip.write("flow", field[None].astype(np.float32))
                clip.write("strain", np.hypot(*field)[None].astype(np.float32))
                clip.write("landmarks", points[None].astype(np.float32))
    return [{"motion": clip} for clip in Container(path)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng, labels = np.random.default_rng(0), np.arange(72) % 3
    y, x = np.mgrid[:64, :64]
    fields = []
    for label in labels:
        cy, cx = ((24, 20), (24, 46), (48, 32))[label] + rng.normal(0, 1, 2)
        blob = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 40)
        fields.append(np.stack([blob * (label - 1), blob]) + rng.normal(0, 0.1, (2, 64, 64)))
    clips = write_motion(tmp_path_factory.mktemp("mean") / "f.h5", fields, landmarks(64))
    return clips, labels, np.array([f"p{i // 3 % 6}" for i in range(72)])


@pytest.mark.parametrize("preset", ["small", "joint"])
def test_learns_where_the_face_moves(data, preset):
    clips, labels, groups = data
    chosen = mean_softnet.PRESETS[preset].model_copy(update={"epochs": 25, "learning_rate": 3e-3})
    x = np.stack([mean_softnet.features(clip, chosen) for clip in clips])
    assert x.shape == (72, 3, 42, 42) and x.dtype == np.float32
    seen = ~np.isin(groups, ["p4", "p5"])
    state = mean_softnet.MODEL.fit(x[seen], labels[seen], groups[seen], 3, chosen, 0, lambda line: None)
    scores = mean_softnet.MODEL.predict(state, x[~seen])
    assert (scores.argmax(1) == labels[~seen]).mean() > 0.9
    assert np.array_equal(mean_softnet.MODEL.predict(state, x[~seen][5:6])[0], scores[5])
    assert mean_softnet.MODEL.predict(state, x[:0]).shape == (0, 3)


def test_published_trains_a_head_on_a_trunk_that_spots_and_nothing_else(data):
    clips, labels, groups = data
    chosen = mean_softnet.PRESETS["published"].model_copy(update={"epochs": 25, "learning_rate": 3e-3})
    x = np.stack([mean_softnet.features(clip, chosen) for clip in clips])
    start = mean_softnet.fresh_trunk()
    start.arrays["trunk.norms.0.running_mean"][:] = 0.2
    before = {name: array.copy() for name, array in start.arrays.items()}
    fit = mean_softnet.MODEL.fit
    state = fit(x, labels, groups, 3, chosen, 0, lambda line: None, start=start)
    same = [name for name in before if name.startswith("trunk.") and "num_batches" not in name]
    assert len(same) == 18 and all(np.array_equal(state.arrays[name], before[name]) for name in same)
    assert all(np.array_equal(start.arrays[name], before[name]) for name in before), "its caller's arrays are untouched"
    assert (mean_softnet.MODEL.predict(state, x).argmax(1) == labels).mean() > 0.6
    with pytest.raises(ModelError, match=r"no trunk that learned to spot; expected train: \{trunk: spotting/<name>\}"):
        fit(x, labels, groups, 3, chosen, 0, print)
    scaled = State({**start.arrays, "scale": np.full(3, 0.5, np.float32)})
    with pytest.raises(ModelError, match="scaled by the fold; expected a spotting experiment with protocol: ref"):
        fit(x, labels, groups, 3, chosen, 0, print, start=scaled)


def test_the_same_seed_gives_the_same_bits(data):
    clips, labels, groups = data
    chosen = mean_softnet.PRESETS["small"].model_copy(update={"epochs": 2})
    x = np.stack([mean_softnet.features(clip, chosen) for clip in clips])
    first, again, other = (
        mean_softnet.MODEL.fit(x, labels, groups, 3, chosen, s, lambda line: None) for s in (0, 0, 1)
    )
    assert all(np.array_equal(first.arrays[name], again.arrays[name]) for name in first.arrays)
    assert not np.array_equal(first.arrays["recog.out.weight"], other.arrays["recog.out.weight"])


def test_fold_scale_keeps_zero_and_does_not_depend_on_units():
    x = np.random.default_rng(0).normal(size=(5, 3, 42, 42))
    assert mean_softnet.fold_scale(4 * x, "fold") == pytest.approx(4 * mean_softnet.fold_scale(x, "fold"))
    assert (mean_softnet.fold_scale(x * 0, "fold") == 1).all() and (mean_softnet.fold_scale(x, "minmax") == 1).all()


def test_refusals(data, tmp_path):
    groups = data[2]
    preset = mean_softnet.PRESETS["small"]
    bad = landmarks(64)
    bad[5] = np.nan
    with pytest.raises(ClipError, match="c00: landmarks are not finite"):
        mean_softnet.features(write_motion(tmp_path / "a.h5", [np.zeros((2, 64, 64))], bad)[0], preset)
    away = landmarks(64) + 400
    with pytest.raises(ClipError, match="the box of the brows is 0 x 0 pixels"):
        mean_softnet.features(write_motion(tmp_path / "b.h5", [np.zeros((2, 64, 64))], away)[0], preset)
    x = np.zeros((6, 3, 42, 42), np.float32)
    with pytest.raises(ModelError, match="one class only"):
        mean_softnet.MODEL.fit(x, np.zeros(6, np.int64), groups[:6], 3, preset, 0, print)
