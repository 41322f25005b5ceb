"""What every registered model must keep (mer.models.contract), and what each of them is."""

import subprocess
import sys
from contextlib import closing

import h5py
import numpy as np
import pytest
import torch
from model_clips import GROUPS, INPUTS, LABELS, UNITS, clips_for
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn

from mer.bench.systems import features
from mer.core.container import Clip, Container, ContainerWriter
from mer.core.errors import ConfigError, ModelError
from mer.core.seal import SealedFile
from mer.models import ststnet, svm_flow
from mer.models.flow_image import area_pool, area_weights, flow_image
from mer.models.grouping import deal_groups
from mer.models.registry import MODELS, model
from mer.models.state import State, class_weights
from mer.models.ststnet_network import Ststnet
from mer.testing.models import check_model

CENTRES = ((8, 8), (8, 20), (20, 14))


def clips_of(path, flows):
    """Write flow fields (…, 2, H, W) with zero strain and return them as clips of a container."""
    with ContainerWriter(path, "flow") as out:
        for i, flow in enumerate(flows):
            with out.clip(f"c{i}") as clip:
                clip.write("flow", flow.astype(np.float32))
                clip.write("strain", np.hypot(flow[..., 0, :, :], flow[..., 1, :, :]).astype(np.float32))
    return [{"motion": clip} for clip in Container(path)]


def blobs(n, seed, side=28):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    y, x = np.mgrid[:side, :side] * (28 / side)
    fields = []
    for label in labels:
        cy, cx = np.array(CENTRES[label]) + rng.normal(0, 1, 2)
        blob = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 18)
        fields.append(np.stack([blob, (label - 1.0) * blob])[None] + rng.normal(0, 0.05, (1, 2, side, side)))
    return fields, labels, np.array([f"p{i % 5}" for i in range(n)])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    fields, labels, groups = blobs(60, 0)
    return clips_of(tmp_path_factory.mktemp("flow") / "f.h5", fields), labels, groups


def affordable(preset, epochs=2):
    """Return the changes to a preset with which a test can train it."""
    return {"epochs": epochs} if "epochs" in type(preset).model_fields else {}


# The models of one flow field are checked at every preset, the larger systems at the small one.
EVERY = [
    (name, preset)
    for name in MODELS
    for preset in model(name, "test").presets
    if INPUTS[name] == {"motion": "flow"} or preset == "small"
]
REGIONS = [("dual_branch_msmh", "small", who) for who in ("annotation", "predicted")]
CASES = [
    pytest.param(*case, marks=() if INPUTS[case[0]] == {"motion": "flow"} else pytest.mark.slow)
    for case in [*((*pair, None) for pair in EVERY), *REGIONS]
]


@pytest.mark.parametrize(("name", "preset", "regions"), CASES)
def test_every_model_keeps_the_contract(name, preset, regions, tmp_path):
    card = model(name, "test")
    changes = affordable(card.presets[preset]) | ({"regions": regions} if regions else {})
    (tmp_path / "deeper").mkdir()
    deeper = clips_for(name, tmp_path / "deeper", lambda arrays: {k: v[None, None] for k, v in arrays.items()})
    given = {"preset": preset, "settings": changes, "units": UNITS, "unusable": deeper[:1]}
    check_model(card, clips_for(name, tmp_path), LABELS, GROUPS, **given)


@pytest.mark.parametrize("name", MODELS)
def test_settings_of_the_recipe_are_fields_of_every_preset(name):
    card = model(name, "test")
    assert card.default == next(iter(card.presets)) and card.in_epochs == (name != "svm_flow")
    assert list(card.settings) == sorted(card.settings)
    for preset in card.presets.values():
        assert set(card.settings) <= set(type(preset).model_fields)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_card_is_read_without_the_libraries_that_train(name):
    code = f"import sys, {MODELS[name]}\nprint([m for m in ('torch', 'sklearn', 'cv2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("name", "preset"), EVERY)
def test_one_class_is_refused(name, preset):
    card = model(name, "test")
    x = features(name, card.presets[preset], 6) if card.noise else None
    args = (np.zeros((6, 147), np.float32) if x is None else x, np.zeros(6, np.int64), np.array(list("aabbcc")), 3)
    with pytest.raises(ModelError, match="one class only"):
        card.fit(*args, card.presets[preset], 0, print)


@pytest.mark.parametrize(("name", "preset"), [pair for pair in EVERY if INPUTS[pair[0]] == {"motion": "flow"}])
def test_several_pairs_or_factors_are_refused(name, preset, tmp_path):
    clip = clips_of(tmp_path / "f.h5", [np.zeros((3, 2, 28, 28))])[0]
    card = model(name, "test")
    with pytest.raises(ModelError, match=r"several frame pairs .* one pair; name a flow variant"):
        card.features(clip, card.presets[preset])


def test_one_magnification_factor_is_one_image(tmp_path):
    field = blobs(1, 3)[0][0]
    plain, with_factor = clips_of(tmp_path / "f.h5", [field, field[None]])
    assert np.array_equal(flow_image(plain, 28), flow_image(with_factor, 28))


def test_other_sizes_keep_the_picture(tmp_path):
    for side in (56, 112, 45):
        small_clip, large = clips_of(
            tmp_path / f"{side}.h5", [blobs(1, 3)[0][0] * 0 + 2, np.full((1, 2, side, side), 2.0)]
        )
        assert flow_image(large, 28) == pytest.approx(flow_image(small_clip, 28), abs=1e-6)


def test_area_weights_share_border_pixels():
    assert area_weights(3, 2) == pytest.approx(np.array([[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]]))
    assert area_weights(2, 4) == pytest.approx(np.array([[1, 0], [1, 0], [0, 1], [0, 1]]))
    image = np.random.default_rng(0).random((2, 28, 28))
    assert area_pool(image, 7)[1, 2, 3] == pytest.approx(image[1, 8:12, 12:16].mean())
    assert area_pool(image, 5).mean() == pytest.approx(image.mean())


def test_dealing_of_groups():
    groups = ["a"] * 5 + ["b"] * 3 + ["c"] * 3 + ["d"]
    parts = deal_groups(groups, 2, seed=0)
    assert parts == deal_groups(groups[::-1], 2, seed=0)
    assert sorted(sum(parts[g] == p for g in groups) for p in (0, 1)) == [6, 6]


def test_class_weights():
    labels = np.array([0, 0, 0, 2])
    assert class_weights("balanced", labels, 3) == pytest.approx([2 / 3, 0, 2])
    assert class_weights("none", labels, 3) == pytest.approx([1, 1, 1])
    with pytest.raises(ModelError, match="2 weights; expected one for each of the 3 classes"):
        class_weights((1.0, 2.0), labels, 3)


# svm_flow


def test_svm_has_147_features_and_presets_differ_in_scale_and_zero():
    image = np.random.default_rng(0).normal(size=(3, 28, 28))
    floats, images = (svm_flow.PRESETS[name] for name in ("float_flow", "minmax_image"))
    assert svm_flow.pooled_features(image, floats).shape == (147,)
    assert svm_flow.pooled_features(3 * image, floats) == pytest.approx(
        3 * svm_flow.pooled_features(image, floats), rel=1e-5
    )
    stretched = svm_flow.pooled_features(3 * image + np.array([11, -4, 0])[:, None, None], images)
    assert stretched == pytest.approx(svm_flow.pooled_features(image, images), abs=1e-5)
    mirrored = image[:, :, ::-1] * np.array([-1, 1, 1])[:, None, None]
    for preset in (floats, images):
        assert svm_flow.pooled_features(mirrored, preset) == pytest.approx(svm_flow.pooled_features(image, preset))


def test_svm_reads_as_many_frame_pairs_as_asked_for(tmp_path):
    flow = np.random.default_rng(0).normal(size=(2, 2, 28, 28))
    both, first = clips_of(tmp_path / "f.h5", [flow, flow[:1]])
    preset = svm_flow.PRESETS["minmax_image"]
    two = svm_flow.features(both, preset.model_copy(update={"pairs": 2}))
    assert two.shape == (294,) and np.array_equal(two[:147], svm_flow.features(first, preset))
    with pytest.raises(ModelError, match="expected 2 frame pairs"):
        svm_flow.features(first, preset.model_copy(update={"pairs": 2}))
    x, y = np.stack([two, -two, two, -two]), np.array([0, 1, 0, 1])
    assert (svm_flow.predict(svm_flow.train_machine(x, y, 3, 1.0, preset), x).argmax(axis=1) == y).all()


@pytest.mark.parametrize("value", [9.0, 0.1, -1e-4, 0.0])
def test_svm_constant_motion_is_no_motion(value):
    image = np.full((3, 28, 28), value)
    image[:2] += 1e-9 * value * np.random.default_rng(0).normal(size=(2, 28, 28))
    flat = svm_flow.pooled_features(image, svm_flow.PRESETS["minmax_image"])
    assert (flat[:98] == 0).all() and flat[98:] == pytest.approx(np.full(49, np.sign(value) / 7))


@pytest.mark.parametrize("present", [(0, 1), (0, 2), (0, 1, 2), (1, 2, 3), (0, 1, 2, 3)])
def test_svm_predicts_as_scikit_learn(present):
    rng = np.random.default_rng(1)
    y = np.array(present)[rng.integers(len(present), size=80)]
    x = (rng.normal(size=(80, 147)) + 0.25 * np.eye(4)[y] @ rng.normal(size=(4, 147))).astype(np.float32)
    x *= rng.uniform(0.1, 10, 147).astype(np.float32)
    x[:, 3] = 5.0
    preset = svm_flow.PRESETS["minmax_image"]
    state = svm_flow.train_machine(x, y, 4, 147.0, preset)
    scores = svm_flow.predict(state, x)
    reference = SVC(kernel="linear", C=1.0, class_weight="balanced", break_ties=len(present) > 2)
    reference = make_pipeline(StandardScaler(), reference).fit(x.astype(float), y)
    assert np.array_equal(scores.argmax(axis=1), reference.predict(x.astype(float)))
    if len(present) > 2:
        assert scores[:, list(present)] == pytest.approx(reference.decision_function(x.astype(float)), abs=1e-6)
    absent = sorted(set(range(4)) - set(present))
    assert (scores[:, absent] == -1).all()


def test_svm_keeps_the_relation_of_cells_in_pixels():
    x = np.random.default_rng(0).normal(size=(30, 294)) * np.repeat([3, 1, 2, 5, 0, 7], 49)
    x[:, :10] *= 0.01
    middle, size = svm_flow.scale_of(x, svm_flow.PRESETS["float_flow"])
    scaled = ((x - middle) / size).reshape(30, 6, 49)
    assert np.square(scaled).mean(axis=(0, 2)) == pytest.approx([1, 1, 1, 1, 0, 1])
    assert scaled[:, 0, 0].std() / scaled[:, 0, 20].std() == pytest.approx(x[:, 0].std() / x[:, 20].std())
    y = np.arange(30) % 3
    whole = svm_flow.train_machine(x, y, 3, 0.1, svm_flow.PRESETS["float_flow"])
    other = svm_flow.train_machine(8 * x, y, 3, 0.1, svm_flow.PRESETS["float_flow"])
    assert svm_flow.predict(other, 8 * x) == pytest.approx(svm_flow.predict(whole, x))


def test_svm_cost_is_chosen_by_person():
    # Every person has a signature that gives the label away within the person only.
    rng = np.random.default_rng(0)
    groups = np.repeat([f"p{i}" for i in range(9)], 8)
    y = np.tile(np.arange(8) % 2, 9)
    x = rng.normal(size=(72, 147)).astype(np.float32)
    x[:, 0] += 2 * y
    cost, scores = svm_flow.choose_cost(x, y, groups, 2, svm_flow.PRESETS["float_flow"], seed=0)
    assert set(scores) == {"1.5", "5.0", "15.0"}
    assert cost == min(float(c) for c, s in scores.items() if s == max(scores.values()))


@pytest.mark.parametrize("persons", [1, 2])
def test_svm_with_few_persons(persons):
    fields, y, _ = blobs(12, 2)
    x = np.stack(
        [svm_flow.pooled_features(np.concatenate([f[0], f[0, :1]]), svm_flow.PRESETS["float_flow"]) for f in fields]
    )
    groups = np.array([f"p{i % persons}" for i in range(12)])
    lines = []
    state = svm_flow.fit(x, y, groups, 3, svm_flow.PRESETS["float_flow"], 0, lines.append)
    assert ("no inner split" in lines[0]) == (persons == 1)
    assert (svm_flow.predict(state, x).argmax(axis=1) == y).mean() > 0.9


def test_svm_inner_part_with_one_class_names_it():
    x = np.random.default_rng(0).normal(size=(4, 147)).astype(np.float32)
    machine = svm_flow.train_machine(x, np.ones(4, np.int64), 3, 1.0, svm_flow.PRESETS["float_flow"])
    assert (svm_flow.predict(machine, x).argmax(axis=1) == 1).all()


# ststnet

TINY = ststnet.PRESETS["clean"].model_copy(update={"epochs": 3})


@pytest.mark.parametrize(("classes", "expected"), [(3, 1683), (5, 2485)])
def test_ststnet_parameters_golden(classes, expected):
    assert sum(p.numel() for p in Ststnet(classes).parameters()) == expected


def test_ststnet_is_three_parallel_streams():
    torch.manual_seed(0)
    net = Ststnet(3).eval()
    conv, norm = net.streams[0], net.streams[2]
    with torch.no_grad():
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    x, parts, start = torch.randn(4, 3, 28, 28), [], 0
    for width in (3, 5, 8):
        own = slice(start, start + width)
        y = nn.functional.conv2d(x, conv.weight[own], conv.bias[own], padding=2).relu()
        shape = [t[own] for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias)]
        y = nn.functional.max_pool2d(nn.functional.batch_norm(y, *shape), 3, 3, 1)
        parts.append(y)
        start += width
    joined = torch.cat(parts, 1)
    assert joined.shape == (4, 16, 10, 10)
    reference = net.head(nn.functional.avg_pool2d(joined, 2).flatten(1))
    assert torch.allclose(net(x), reference, atol=1e-5)


def test_ststnet_scaling():
    image = np.random.default_rng(0).normal(3, 2, (3, 28, 28))
    stretched = ststnet.scale_image(image, "range255")
    assert (stretched.min(axis=(1, 2)) == 0).all() and stretched.max(axis=(1, 2)) == pytest.approx([255] * 3)
    standard = ststnet.scale_image(image, "standard")
    assert standard.mean(axis=(1, 2)) == pytest.approx([0] * 3, abs=1e-5)
    assert standard.std(axis=(1, 2)) == pytest.approx([1] * 3, abs=1e-5)
    for scaling in ("range255", "standard"):
        assert (ststnet.scale_image(np.full((3, 28, 28), 0.1), scaling) == 0).all()


def test_ststnet_leaves_the_callers_random_state_alone(data):
    clips, labels, groups = data
    x = np.stack([ststnet.features(clip, TINY) for clip in clips])
    torch.manual_seed(3)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    first = ststnet.MODEL.fit(x, labels, groups, 3, TINY, 1, print)
    assert torch.equal(before, torch.random.get_rng_state()) and torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    other = ststnet.MODEL.fit(x, labels, groups, 3, TINY, 2, print)
    assert not np.array_equal(first.arrays["head.weight"], other.arrays["head.weight"])


def test_ststnet_divergence_and_device_are_clear(data):
    x = np.random.default_rng(0).normal(size=(12, 3, 28, 28)).astype(np.float32)
    y, groups = np.arange(12) % 3, np.array([f"p{i}" for i in range(12)])
    wild = TINY.model_copy(update={"learning_rate": 1e30, "epochs": 20})
    with pytest.raises(ModelError, match=r"loss .* in epoch .* lower the learning rate"):
        ststnet.MODEL.fit(x, y, groups, 3, wild, 0, print)
    with pytest.raises(ConfigError, match="unknown device 'gpu0x'"):
        ststnet.MODEL.fit(x, y, groups, 3, TINY, 0, print, "gpu0x")


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA device")
def test_ststnet_without_cuda():
    x = np.zeros((1, 3, 28, 28), np.float32)
    with pytest.raises(ConfigError, match="no CUDA device is available"):
        ststnet.MODEL.predict(State({}, {"n_classes": 3}), x, "cuda")


def test_ststnet_foreign_arrays():
    x = np.zeros((1, 3, 28, 28), np.float32)
    with pytest.raises(ModelError, match=r"has no array 'streams\.0\.weight'"):
        ststnet.MODEL.predict(State({"a": np.zeros(1)}, {"n_classes": 3}), x)
    arrays = {name: value.numpy() for name, value in Ststnet(4).state_dict().items()}
    with pytest.raises(ModelError, match=r"head.weight has shape \(4, 400\); expected \(3, 400\)"):
        ststnet.MODEL.predict(State(arrays, {"n_classes": 3}), x)


def test_bad_flow_shape(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["c/flow"], file["c/strain"] = np.zeros((1, 3, 28, 28)), np.zeros((1, 28, 28))
    with (
        h5py.File(path) as file,
        closing(SealedFile(path)) as held,
        pytest.raises(ModelError, match=r"flow \(1, 3, 28, 28\)"),
    ):
        flow_image({"motion": Clip("c", file["c"], path, held)}, 28)
