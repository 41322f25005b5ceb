"""Models of a plain network or of a scikit-learn estimator: the contract, the settings, and what is refused."""

import json

import numpy as np
import pytest
import torch
from model_clips import EVENTS
from torch import nn

from mer.core.container import Container, ContainerWriter
from mer.core.errors import ModelError
from mer.core.seeds import derive_seed
from mer.models import plain_estimator
from mer.models.clip_array import ClipArray
from mer.models.fitted import kept, restored
from mer.models.fitted_trees import put_together, taken_apart
from mer.models.plain_estimator import estimator, rows_of, scores_of
from mer.models.plain_network import OVERRIDABLE, Settings, cross_entropy, network, statistics
from mer.models.state import State
from mer.models.surroundings import surrounded
from mer.testing.cuda_stand_in import stand_in
from mer.testing.models import check_model
from mer.training.fit_session import Session
from mer.training.recipe import Recipe

COUNT = 9
LABELS, GROUPS = np.arange(COUNT) % 3, np.array([f"p{i // 3}" for i in range(COUNT)])
TINY = Settings(epochs=3, batch_size=4)


def build(preset, n_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * preset.size**2, 8), nn.ReLU(), nn.Linear(8, n_classes))


def signal(seed=0, shape=(3, 28, 28)):
    """Features (N, *shape) float32 in which a class shifts one channel."""
    x = np.random.default_rng(seed).normal(size=(COUNT, *shape)).astype(np.float32)
    for clip, label in enumerate(LABELS):
        x[clip, label] += 3
    return x


@pytest.fixture
def clips(tmp_path):
    rng = np.random.default_rng(0)
    with ContainerWriter(tmp_path / "flow.h5", "flow") as out:
        for number in range(COUNT):
            flow = rng.normal(size=(1, 2, 32, 32)).astype(np.float32)
            with out.clip(f"c{number}") as clip:
                clip.write("flow", flow)
                clip.write("strain", np.hypot(flow[:, 0], flow[:, 1]))
                clip.write("frames", rng.integers(0, 255, (6, 16, 16, 3), dtype=np.uint8))
                clip.attributes(EVENTS)
    return [{"motion": clip} for clip in Container(tmp_path / "flow.h5")]


def test_overridable_settings_are_keys_of_a_recipe():
    assert set(Recipe.model_fields) >= OVERRIDABLE
    card = network(build)
    assert card.settings == tuple(sorted(card.settings)) and set(card.settings) <= set(Settings.model_fields)
    assert card.in_epochs and list(card.presets) == ["default"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimiser": "sgd", "scaling": "none", "step": 1, "gamma": 0.5},
        {"optimiser": "adamw", "weight_decay": 0.1, "label_smoothing": 0.1, "class_weights": "none", "shuffle": False},
    ],
)
def test_a_plain_network_keeps_the_contract(clips, changes):
    check_model(network(build, Settings(**{"epochs": 2, "batch_size": 4, **changes})), clips, LABELS, GROUPS)


def test_a_network_of_two_kinds_of_features_gets_them_by_name(clips):
    class Two(nn.Module):
        def __init__(self, n_classes):
            super().__init__()
            self.a, self.b = nn.Linear(3, n_classes), nn.Conv2d(6, n_classes, 16)

        def forward(self, motion, faces):
            assert faces.dtype == torch.float32 and float(faces.min()) >= 0 and float(faces.max()) <= 1
            return self.a(motion) + self.b(faces)[:, :, 0, 0]

    def features(of, preset):
        frames = of["motion"].read("frames")
        flow = of["motion"].read("flow")
        motion = np.array([flow[0, 0].mean(), flow[0, 1].mean(), 1.0], np.float32)
        return {"motion": motion, "faces": np.ascontiguousarray(frames.mean(axis=3).astype(np.uint8))}

    inputs = {"motion": ("flow", "frames")}
    card = network(lambda preset, n: Two(n), TINY, inputs=inputs, features=features)
    check_model(card, clips, LABELS, GROUPS)


def test_it_learns_and_augmentation_is_of_training_only():
    seen = []

    def augment(batch, preset):
        seen.append(len(batch[""]))
        return {"": batch[""] + 0.01 * torch.randn_like(batch[""])}

    card = network(build, Settings(epochs=30, batch_size=4), augment=augment)
    x = signal()
    state = card.fit(x, LABELS, GROUPS, 3, card.presets["default"], 0, lambda line: None)
    drawn = len(seen)
    assert drawn == 30 * 2, "nine clips in batches of four, the last one of one joins its neighbour"
    scores = card.predict(state, x)
    assert (scores.argmax(axis=1) == LABELS).all() and len(seen) == drawn
    assert state.array("scale.", (2, 3)) == pytest.approx(statistics(ClipArray.of(x)))


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_gpu_learns_what_a_cpu_does(precision):
    card, x = network(build, TINY), signal()

    def scores(device):
        with surrounded(Session(precision=precision)):
            state = card.fit(x, LABELS, GROUPS, 3, TINY, 0, lambda line: None, device)
        return card.predict(state, x, device)

    expected = scores("cpu")
    with stand_in():
        assert scores("cuda") == pytest.approx(expected, abs=1e-4 if precision == "float32" else 0.05)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_that_of_torch(smoothing):
    torch.manual_seed(0)
    logits, labels, weights = torch.randn(7, 3), torch.arange(7) % 3, torch.tensor([0.5, 2.0, 1.0])
    expected = nn.functional.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
    assert torch.allclose(cross_entropy(logits, labels, weights, smoothing), expected)


def test_scaling_is_of_the_training_clips_by_channel():
    x = signal()
    mean, deviation = statistics(ClipArray.of(x))
    assert mean == pytest.approx(x.mean(axis=(0, 2, 3)), abs=1e-5) and deviation == pytest.approx(x.std(axis=(0, 2, 3)))
    assert (statistics(ClipArray.of(np.full((4, 2), 3.0)))[1] == 1).all()
    assert statistics(ClipArray.of(np.arange(6.0).reshape(3, 2))).shape == (2, 2)


@pytest.mark.parametrize("head", [lambda n: nn.Linear(8, n + 1), lambda n: nn.Identity()])
def test_logits_of_another_shape_are_one_line(head):
    def wrong(preset, n_classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 28 * 28, 8), head(n_classes))

    card = network(wrong, TINY)
    with pytest.raises(ModelError, match=r"plain_models: the network gives \(4, \d\); expected logits \(4, 3\), one"):
        card.fit(signal(), LABELS, GROUPS, 3, TINY, 0, print)


def svm(preset):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(class_weight="balanced"))


def forest(preset):
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(3)


def logistic(preset):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()


def bayes(preset):
    from sklearn.naive_bayes import GaussianNB

    return GaussianNB()


def perceptron(preset):
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((4,), max_iter=5)


def nearest(preset):
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("made", "parameter"),
    [(svm, "svc__C"), (svm, ""), (logistic, "C"), (bayes, ""), (perceptron, ""), (nearest, ""), (forest, "")],
)
def test_an_estimator_keeps_the_contract(clips, made, parameter):
    card = estimator(made, plain_estimator.Settings(c_grid=(0.1, 1.0)), parameter=parameter)
    check_model(card, clips, LABELS, GROUPS)
    assert card.settings == (("c_grid", "inner_folds", "size") if parameter else ("size",))


@pytest.mark.parametrize("made", [svm, logistic, bayes, forest])
def test_an_estimator_answers_as_scikit_learn_does(made):
    x = signal(1)
    card = estimator(made)
    state = card.fit(x, LABELS, GROUPS, 4, card.presets["default"], 0, lambda line: None)
    seeded = plain_estimator._seeded(made(None), derive_seed(0, "test_plain_models"))
    reference = seeded.fit(rows_of(x), LABELS)
    scores = card.predict(state, x)
    assert np.array_equal(scores.argmax(axis=1), reference.predict(rows_of(x)))
    assert (scores[:, 3] < scores[:, :3].min(axis=1)).all(), "a class that was not seen is below all others"


def test_two_classes_have_a_distance_each():
    x, y = signal(2), LABELS % 2
    scores = scores_of(svm(None).fit(rows_of(x), y), rows_of(x), 2)
    assert scores[:, 0] == pytest.approx(-scores[:, 1])


def test_the_value_is_chosen_by_person():
    lines = []
    card = estimator(svm, plain_estimator.Settings(c_grid=(0.01, 100.0)), parameter="svc__C")
    state = card.fit(signal(3), LABELS, GROUPS, 3, card.presets["default"], 0, lines.append)
    assert set(state.meta["inner_macro_f1"]) == {"0.01", "100.0"}
    assert lines[0].startswith("test_plain_models: svc__C = ") and "inner macro F1" in lines[0]


def test_what_cannot_be_kept_without_pickling_is_refused():
    from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier

    for made in (GradientBoostingClassifier(n_estimators=2), HistGradientBoostingClassifier(max_iter=2)):
        card = estimator(lambda preset, made=made: made)
        with pytest.raises(ModelError, match=r"nothing is pickled; take|cannot be kept as arrays.*; take"):
            card.fit(signal(), LABELS, GROUPS, 3, card.presets["default"], 0, print)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("node.left_child", value) for value in (99, -7, 0)),
        *(("node.right_child", value) for value in (99, -1, 0)),
        *(("node.feature", value) for value in (10**6, -2)),
    ],
)
def test_a_tree_that_leads_out_of_itself_is_refused(field, value):
    from sklearn.tree import DecisionTreeClassifier

    x = rows_of(signal())
    tree = DecisionTreeClassifier().fit(x, LABELS).tree_
    told = taken_apart(tree)
    assert np.array_equal(put_together(told).predict(x.astype(np.float32)), tree.predict(x.astype(np.float32)))
    told[field] = told[field].copy()
    told[field][0] = value
    with pytest.raises(ModelError, match="a tree whose nodes lead out of it"):
        put_together(told)


def test_a_tree_of_other_values_is_refused():
    from sklearn.tree import DecisionTreeClassifier

    told = taken_apart(DecisionTreeClassifier().fit(rows_of(signal()), LABELS).tree_)
    for changes in ({"outputs": 2}, {"classes": np.array([9])}, {"values": told["values"][:, :, :1]}):
        with pytest.raises(ModelError, match="a tree with values"):
            put_together({**told, **changes})


def test_kept_estimators_come_back_from_json():
    x = rows_of(signal())
    made = svm(None).fit(x, LABELS)
    state = kept(made)
    back = restored(State(state.arrays, json.loads(json.dumps(state.meta))), svm(None))
    assert np.allclose(back.decision_function(x), made.decision_function(x))


@pytest.mark.parametrize(
    "name", ["os:system", "subprocess:Popen", "sklearn.utils:Bunch", "sklearn.nothing_there:X", "builtins:eval"]
)
def test_a_checkpoint_makes_nothing_but_estimators(name):
    state = kept(svm(None).fit(rows_of(signal()), LABELS))
    steps = state.meta["fitted"]["state"]["steps"]["list"]
    steps[0]["tuple"][1]["estimator"] = name
    with pytest.raises(ModelError, match=r"holds (a .*; expected an estimator of scikit|an .* be made again)"):
        restored(state, svm(None))


def test_a_checkpoint_of_something_else_is_refused():
    for told, found in (([], "no estimator"), ({"a": 1}, "unknown form"), ({"array": "a", "shape": 3}, "made again")):
        with pytest.raises(ModelError, match=found):
            restored(State({}, {"fitted": told}), svm(None))
    with pytest.raises(ModelError, match="holds a GaussianNB"):
        restored(kept(bayes(None).fit(rows_of(signal()), LABELS)), svm(None))
