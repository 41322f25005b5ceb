"""AMAN: set pooling, the published counts, frame choice, and the pooled variant as a model that learns."""

import numpy as np
import pytest
import torch

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ClipError, ModelError
from mer.models import aman, aman_network
from mer.models.clip_array import ClipArray
from mer.models.clip_frames import DEVIATION, MEAN
from mer.networks import resnet18

TINY = aman.PRESETS["pooled"].model_copy(update={"size": 32, "frames": 3})
WHOLE = aman.PRESETS["small"].model_copy(update={"size": 32, "frames": 3, "widths": (4, 8, 16), "epochs": 12})


def test_equal_scores_give_the_mean_and_one_high_score_its_vector():
    pool, x = aman_network.SetPooling(4), torch.randn(2, 5, 4)
    torch.nn.init.zeros_(pool.score.weight)
    assert torch.allclose(pool(x), x.mean(1), atol=1e-6)
    with torch.no_grad():
        pool.score.weight[0, 0] = 1.0
        pool.score.bias.fill_(-60)
        x[:, 3, 0] = 90.0
    assert torch.allclose(pool(x), x[:, 3], atol=1e-4)


def test_network_takes_maps_and_does_not_see_the_order_of_frames_or_factors():
    torch.manual_seed(0)
    net, x = aman.build(aman.PRESETS["published"], 5).eval(), torch.rand(2, 11, 9, 256, 2, 2)
    with torch.no_grad():
        out = net(x)
        assert out.shape == (2, 5)
        assert torch.allclose(out, net(x[:, torch.randperm(11)]), atol=1e-5)
        assert torch.allclose(out, net(x[:, :, torch.randperm(9)]), atol=1e-5)
        assert not torch.allclose(out, net(x[:, :4]), atol=1e-5)


def test_network_equals_a_naive_double_loop():
    torch.manual_seed(0)
    net, x = aman.build(aman.PRESETS["published"], 3).eval(), torch.rand(1, 3, 2, 256, 4, 4)
    with torch.no_grad():
        frames = []
        for j in range(3):
            vectors = [net.layer4(x[0, j, k][None]).mean((2, 3))[0] for k in range(2)]
            scores = [torch.sigmoid(net.factors.score(v)) for v in vectors]
            frames.append(sum(s * v for s, v in zip(scores, vectors, strict=True)) / sum(scores))
        scores = [torch.sigmoid(net.frames.score(v)) for v in frames]
        clip = sum(s * v for s, v in zip(scores, frames, strict=True)) / sum(scores)
        assert torch.allclose(net(x)[0], net.out(clip), atol=1e-5)


SHAPES = {
    "small": (4, 3, 3, 48, 48),
    "pooled": (11, 9, 512),
    "clean": (11, 9, 256, 4, 4),
}


@pytest.mark.parametrize("preset", ["small", "clean", "pooled"])
def test_gradients_reach_every_parameter(preset):
    torch.manual_seed(0)
    net = aman.build(aman.PRESETS[preset], 3).train()
    x = torch.rand(2, 3, 2, *SHAPES[preset][2:])
    torch.nn.functional.cross_entropy(net(x), torch.tensor([0, 2])).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_the_fourth_layer_starts_random_or_from_the_trunk_and_may_keep_its_statistics():
    clean = aman.PRESETS["clean"]
    released = resnet18.seeded(0).layer4.state_dict()
    copied = aman.build(clean, 3).layer4.state_dict()
    assert all(torch.equal(value, copied[name]) for name, value in released.items())
    random = aman.build(aman.PRESETS["published"], 3).layer4.state_dict()
    assert not torch.equal(random["0.conv1.weight"], released["0.conv1.weight"])
    for norm in ("batch", "frozen"):
        net = aman.build(clean.model_copy(update={"layer4_norm": norm}), 3).train()
        net(torch.rand(2, 2, 2, 256, 2, 2))
        moved = not torch.equal(net.layer4[0].bn1.running_mean, released["0.bn1.running_mean"])
        assert moved == (norm == "batch")


@pytest.mark.parametrize(
    ("onset", "offset", "n", "expected"),
    [
        (46, 86, 11, [47, 51, 55, 59, 63, 66, 70, 74, 78, 82, 86]),
        (0, 2, 4, [1, 1, 2, 2]),
        (3, 4, 3, [4, 4, 4]),
    ],
)
def test_frame_indices_golden(onset, offset, n, expected):
    assert aman.frame_indices(onset, offset, n).tolist() == expected


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Return clips whose class is the third of the face that brightens with the factor, and their labels."""
    rng, labels = np.random.default_rng(0), np.arange(48) % 3
    path = tmp_path_factory.mktemp("aman") / "m.h5"
    with ContainerWriter(path, "magnify") as out:
        for i, label in enumerate(labels):
            frames = np.tile(rng.integers(90, 110, (1, 1, 32, 32, 3)), (2, 5, 1, 1, 1))
            for a, factor in enumerate((2, 6)):
                for t in range(5):
                    frames[a, t, 11 * label : 11 * label + 10] += 4 * factor * t
            with out.clip(f"c{i:02}") as clip:
                clip.write("frames", np.clip(frames, 0, 255).astype(np.uint8))
                clip.write("alphas", np.array([2.0, 6.0]))
                clip.attributes({"onset": 0, "apex": 2, "offset": 4})
    return [{"magnified": clip} for clip in Container(path)], labels


def test_features_are_of_the_frames_after_the_onset(clips):
    clip = clips[0][0]["magnified"]
    x = aman.features(clips[0][0], TINY)
    assert x.shape == (3, 2, 512) and x.dtype == np.float32
    images = torch.from_numpy(clip.read("frames")[:, 4].astype(np.float32) / 255).permute(0, 3, 1, 2)
    centred = (images - torch.from_numpy(MEAN)[:, None, None]) / torch.from_numpy(DEVIATION)[:, None, None]
    with torch.no_grad():
        expected = resnet18.seeded(0)(centred).numpy()
    assert x[2] == pytest.approx(expected, abs=1e-4)
    maps = aman.features(clips[0][0], aman.PRESETS["clean"].model_copy(update={"size": 64, "frames": 2}))
    assert maps.shape == (2, 2, 256, 4, 4)


@pytest.mark.slow
def test_weights_of_a_file_are_used_and_recorded(clips, tmp_path):
    path = tmp_path / "ferplus.pth.tar"
    held = {f"module.{name}": value for name, value in resnet18.seeded(3).state_dict().items()}
    torch.save({"state_dict": held}, path)
    from_file = TINY.model_copy(update={"trunk": str(path), "epochs": 1})
    same = TINY.model_copy(update={"trunk_seed": 3})
    x = np.stack([aman.features(pair, from_file) for pair in clips[0][:6]])
    assert np.array_equal(x[0], aman.features(clips[0][0], same))
    assert not np.array_equal(x[0], aman.features(clips[0][0], TINY))
    state = aman.MODEL.fit(x, clips[1][:6], np.array(list("aabbcc")), 3, from_file, 0, lambda line: None)
    assert state.meta["trunk"] == resnet18.record(str(path), 0) and "sha256" in state.meta["trunk"]


@pytest.mark.slow
def test_the_small_trunk_sees_what_differs_from_the_onset_and_is_trained(clips):
    pairs, labels = clips
    x = np.stack([aman.features(pair, WHOLE) for pair in pairs])
    assert x.shape == (48, 3, 2, 3, 32, 32) and x.dtype == np.float32
    frames = pairs[4]["magnified"].read("frames").astype(np.float32) / 255
    assert x[4, 2] == pytest.approx((frames[:, 4] - frames[:, 0]).transpose(0, 3, 1, 2), abs=1e-6)
    assert aman.fold_scale(ClipArray(x), WHOLE)[:, 0] == pytest.approx([0, np.sqrt((x.astype(float) ** 2).mean())])
    groups = np.array([f"p{i // 3 % 4}" for i in range(48)])
    seen = groups != "p3"
    lines = []
    state = aman.MODEL.fit(x[seen], labels[seen], groups[seen], 3, WHOLE, 0, lines.append)
    scores = aman.MODEL.predict(state, x[~seen])
    assert (scores.argmax(1) == labels[~seen]).mean() > 0.9
    assert state.meta["trunk"] == "trained in the fold"
    assert any(name.startswith("trunk.layer3") for name in state.arrays)


def test_turning_treats_all_images_of_a_clip_alike():
    torch.manual_seed(1)
    images = torch.rand(6, 1, 1, 3, 16, 16).expand(6, 2, 3, 3, 16, 16).contiguous()
    turned = aman_network.turned(images)
    assert turned.shape == images.shape and not torch.allclose(turned, images)
    assert torch.equal(turned, turned[:, :1, :1].expand_as(turned))


@pytest.mark.slow
def test_learns_what_brightens(clips):
    pairs, labels = clips
    x = np.stack([aman.features(pair, TINY) for pair in pairs])
    groups = np.array([f"p{i // 3 % 4}" for i in range(48)])
    seen = groups != "p3"
    lines = []
    chosen = TINY.model_copy(update={"epochs": 25})
    state = aman.MODEL.fit(x[seen], labels[seen], groups[seen], 3, chosen, 0, lines.append)
    scores = aman.MODEL.predict(state, x[~seen])
    assert (scores.argmax(1) == labels[~seen]).mean() > 0.9
    assert state.meta["trunk"] == "random, seed 0" and "trunk random, seed 0" in lines[-1]


@pytest.mark.slow
def test_the_trained_layer_comes_back_from_a_checkpoint():
    rng = np.random.default_rng(0)
    x, labels = rng.random((6, 2, 2, 256, 2, 2), np.float32), np.arange(6) % 3
    for name in ("clean", "published"):
        preset = aman.PRESETS[name].model_copy(update={"epochs": 1})
        state = aman.MODEL.fit(x, labels, np.array(list("aabbcc")), 3, preset, 0, lambda line: None)
        scores = aman.MODEL.predict(state, x)
        assert np.array_equal(scores[1:2], aman.MODEL.predict(state, x[1:2]))
        changed = {**state.arrays, "layer4.0.conv1.weight": state.arrays["layer4.0.conv1.weight"] * 0}
        assert not np.array_equal(aman.MODEL.predict(type(state)(changed, state.meta), x), scores)


def test_refusals(tmp_path):
    cases = {
        "plain": (np.zeros((5, 8, 8, 3), np.uint8), {"onset": 0, "offset": 4}),
        "late": (np.zeros((2, 5, 8, 8, 3), np.uint8), {"onset": 3, "offset": 3}),
        "lost": (np.zeros((2, 5, 8, 8, 3), np.uint8), {"onset": 0}),
    }
    with ContainerWriter(tmp_path / "m.h5", "magnify") as out:
        for name, (frames, events) in cases.items():
            with out.clip(name) as clip:
                clip.write("frames", frames)
                clip.attributes(events)
    box = Container(tmp_path / "m.h5")
    with pytest.raises(ModelError, match=r"frames \(5, 8, 8, 3\), uint8; expected uint8 \(A, F, S, S, 3\)"):
        aman.features({"magnified": box.clip("plain")}, TINY)
    with pytest.raises(ClipError, match="offset 3 does not follow onset 3"):
        aman.features({"magnified": box.clip("late")}, TINY)
    with pytest.raises(ClipError, match="offset unknown"):
        aman.features({"magnified": box.clip("lost")}, TINY)
