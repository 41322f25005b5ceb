"""The extension with regions and multi-scale multi-head attention against its published table and by properties."""

import numpy as np
import pytest
import torch

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ModelError
from mer.datasets.au import parse_aus
from mer.datasets.meview import parse_cell
from mer.models import dual_branch_msmh as msmh
from mer.models import dual_branch_msmh_network as network
from mer.models import loop
from mer.models.dual_branch_network import step_loss
from mer.stages.rois.regions import TABLES, first_match

TINY = msmh.PRESETS["small"].model_copy(
    update={
        "size": 16,
        "frames": 6,
        "width": 4,
        "trunk": 8,
        "gru": 32,
        "epochs": 12,
        "augment": False,
        "view": "frames",
    }
)
NAMES = tuple(TABLES["dual_branch"])
SHOWN = [region.aus for region in TABLES["dual_branch"].values()]


@pytest.mark.parametrize("preset", ["smic", "lie"])
def test_published_networks_give_one_distribution_per_clip(preset):
    chosen = msmh.PRESETS[preset]
    net = msmh.build(chosen, 3).eval()
    with torch.no_grad():
        out = net(torch.rand(1, 3, chosen.frames, 128, 128))
    assert out.shape == (1, 1, 3) and float(out.exp().sum()) == pytest.approx(1)


def pooling(window=10):
    torch.manual_seed(0)
    return network.MultiScaleAttention(512, msmh.PRESETS["casme2"].divisors, window)


def test_msmh_width_rows_and_parameters():
    pool = pooling()
    assert loop.parameter_count(pool) == 872780 and pool.width == 510
    for steps, rows in ((2, 1), (10, 1), (11, 2), (20, 2), (21, 3)):
        assert pool(torch.randn(2, steps, 512)).shape == (2, rows, 510)
        assert pooling(None)(torch.randn(2, steps, 512)).shape == (2, 1, 510)


def test_msmh_by_hand():
    head = network.Head(6, 3)
    steps = torch.randn(1, 4, 6)
    q, k, v = (f(steps)[0].detach().numpy() for f in (head.query, head.key, head.value))
    score = [max(float(q[i] @ k[j]) for i in range(4)) / 3**0.5 for j in range(4)]
    weight = np.exp(score) / np.exp(score).sum()
    expected = head.out(torch.from_numpy(weight.astype(np.float32) @ v)).detach().numpy()
    assert head(steps, None)[0, 0].detach().numpy() == pytest.approx(expected, abs=1e-5)


def test_msmh_does_not_see_the_order_of_steps():
    pool, steps = pooling(), torch.randn(2, 8, 512)
    assert torch.allclose(pool(steps), pool(steps[:, torch.randperm(8)]), atol=1e-5)
    assert not torch.allclose(pool(steps), pool(steps[:, :7]), atol=1e-3)


def test_query_windows_are_padded_evenly():
    score = torch.arange(12.0)[None, :, None] - 20
    assert network.largest(score, 10).flatten().tolist() == [5 - 20, 11 - 20]
    assert network.largest(score, None).flatten().tolist() == [11 - 20]


def test_causal_attention_does_not_look_ahead():
    torch.manual_seed(0)
    layer = network.CausalAttention(16, 4)
    assert loop.parameter_count(network.CausalAttention(512, 4)) == 4200960
    steps = torch.randn(1, 5, 16)
    changed = steps.clone()
    changed[:, 3:] += 1
    assert torch.allclose(layer(steps)[:, :3], layer(changed)[:, :3], atol=1e-6)
    assert not torch.allclose(layer(steps)[:, 3:], layer(changed)[:, 3:], atol=1e-3)


@pytest.mark.slow
def test_gradients_reach_every_parameter_of_the_clean_network():
    torch.manual_seed(0)
    net = msmh.build(msmh.PRESETS["clean"], 3).train()
    out = net(torch.rand(2, 3, 12, 128, 128), torch.rand(2, 3, 12, 128, 128))
    step_loss(out, torch.tensor([0, 2]), torch.ones(3)).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_the_region_matters_and_both_branches_can_share_a_clip():
    torch.manual_seed(0)
    net, clip = msmh.build(TINY, 3).eval(), torch.rand(1, 3, 6, 16, 16)
    assert torch.equal(net(clip), net(clip, clip))
    assert not torch.allclose(net(clip), net(clip, 1 - clip), atol=1e-5)


@pytest.mark.parametrize(
    ("cell", "region"),
    [
        ("4+7", "eyes"),
        ("L12", "mouth"),
        ("1+2+4", "eyes"),
        ("6+12", "mouth"),
        ("1+2", "eyebrows"),
        ("6", "cheeks"),
        ("38", "face"),
        ("", "face"),
        ("AU12B", "mouth"),
        ("1+2+10", "mouth"),
    ],
)
def test_action_units_name_a_region_of_the_table(cell, region):
    units, _ = parse_aus(cell)
    assert NAMES[first_match((unit.number for unit in units), SHOWN)] == region
    assert region in {*msmh.MOSAIC, "face"}


def test_the_decimal_cells_of_meview_name_the_eyebrows():
    assert NAMES[first_match((unit.number for unit in parse_cell("1.2")[0]), SHOWN)] == "eyebrows"


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Return pairs of clips whose class is the brightness of the mouth, and their labels."""
    folder, rng = tmp_path_factory.mktemp("msmh"), np.random.default_rng(0)
    labels = np.arange(36) % 3
    with ContainerWriter(folder / "a.h5", "align") as faces, ContainerWriter(folder / "r.h5", "rois") as cuts:
        for i, label in enumerate(labels):
            events = {"onset": 0, "apex": 3, "offset": 5}
            with faces.clip(f"c{i:02}") as clip:
                clip.write("frames", rng.integers(90, 110, (6, 32, 32, 3), dtype=np.uint8))
                clip.attributes(events)
            patches = np.stack([np.full((6, 16, 16, 3), 40 * j, np.uint8) for j in range(5)], axis=1)
            patches[:, 1] = 60 + 50 * label + rng.integers(-20, 20, (6, 1, 1, 1))
            with cuts.clip(f"c{i:02}") as clip:
                clip.write("patches", patches)
                clip.write("names", np.array(NAMES))
                clip.attributes({**events, "of": "frames"})
    pairs = zip(Container(folder / "a.h5"), Container(folder / "r.h5"), strict=True)
    return [{"clip": a, "regions": b} for a, b in pairs], labels


def test_features_show_the_region_asked_for(clips):
    pair = clips[0][0]
    eyebrows = msmh.features(pair, TINY.model_copy(update={"region": "eyebrows"}))
    assert set(eyebrows) == {"clip", "region"} and eyebrows["region"].shape == (6, 16, 16, 3)
    assert (eyebrows["region"] == 80).all()
    mosaic = msmh.features(pair, TINY.model_copy(update={"region": "all_four"}))["region"][0, :, :, 0]
    assert (
        mosaic[3, 3] == pytest.approx(80) and mosaic[3, 12] == pytest.approx(0) and mosaic[12, 3] == pytest.approx(120)
    )
    assert set(msmh.features(pair, TINY.model_copy(update={"region": "none"}))) == {"clip"}


def test_products_that_do_not_fit_are_refused(clips, tmp_path):
    pair = dict(clips[0][0])
    with ContainerWriter(tmp_path / "r.h5", "rois") as out:
        for name, names, frames in (("c1", ("brows",), 6), ("c2", ("face",), 5)):
            with out.clip(name) as clip:
                clip.write("patches", np.zeros((frames, 1, 8, 8, 3), np.uint8))
                clip.write("names", np.array(names))
    box = Container(tmp_path / "r.h5")
    with pytest.raises(ModelError, match="no region 'face' among brows; expected face; use table: dual_branch"):
        msmh.features(pair | {"regions": box.clip("c1")}, TINY)
    with pytest.raises(ModelError, match="patches of 5 frames; expected 6, as its clip"):
        msmh.features(pair | {"regions": box.clip("c2")}, TINY)


@pytest.mark.slow
def test_learns_from_the_region_alone(clips):
    pairs, labels = clips
    preset = TINY.model_copy(update={"region": "mouth"})
    each = [msmh.features(pair, preset) for pair in pairs]
    x = {name: np.stack([value[name] for value in each]) for name in each[0]}
    groups = np.array([f"p{i // 3 % 4}" for i in range(36)])
    seen = groups != "p3"
    train = {name: value[seen] for name, value in x.items()}
    test = {name: value[~seen] for name, value in x.items()}
    state = msmh.MODEL.fit(train, labels[seen], groups[seen], 3, preset, 0, lambda line: None)
    scores = msmh.MODEL.predict(state, test)
    assert (scores.argmax(1) == labels[~seen]).mean() > 0.9
