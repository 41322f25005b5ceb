"""The composite as hard as life, the inputs made of it, and the scores that `mer bench recognition` prints."""

import json
from collections import Counter

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from mer.bench import recognition, recognition_run
from mer.bench.recognition import People, answers, compared, permuted, scored, shuffled
from mer.bench.recognition_clips import STILL, FlowClips, person_fields
from mer.bench.recognition_inputs import Input, stretched
from mer.bench.recognition_run import INPUTS, LINEAR, Asked, cnn, features, published, run_recognition_bench, seen
from mer.cli import app
from mer.core.errors import ConfigError
from mer.core.geometry import MIRRORED
from mer.models.face_regions import mosaic
from mer.simulate.action_units import ACTION_UNITS
from mer.simulate.composite import CLASSES, EMOTIONS, SOURCES, Hardness, composite, own_muscles


def test_it_has_the_counts_of_the_real_one():
    clips = composite(0, Hardness())
    assert [Counter(c.dataset for c in clips)[s.name] for s in SOURCES] == [164, 145, 133]
    assert [Counter(c.label for c in clips)[k] for k in range(3)] == [250, 109, 83]
    for source in SOURCES:
        sizes = Counter(c.group for c in clips if c.dataset == source.name)
        assert len(sizes) == source.people and max(sizes.values()) == source.most
    assert len({c.group for c in clips}) == len({c.plan.face for c in clips}) == 68
    labels = {group: {c.label for c in clips if c.group == group} for group in {c.group for c in clips}}
    assert 15 <= sum(len(own) == 1 for own in labels.values()) <= 35
    assert composite(0, Hardness()) == clips != composite(1, Hardness())


def test_faces_show_their_label_but_for_the_doubtful_ones():
    def told(share):
        clips = composite(0, Hardness(doubtful=share, surer=1.0))
        return np.mean([c.plan.emotion in EMOTIONS[CLASSES[c.label]] for c in clips])

    assert told(0.0) == 1.0
    assert told(0.3) == pytest.approx(0.8, abs=0.05)
    clips = composite(0, Hardness(doubtful=0.6, surer=0.0))
    assert all(c.plan.emotion in EMOTIONS[CLASSES[c.label]] for c in clips if c.label)


def test_events_are_annotated_within_the_expression_and_in_order():
    for clip in composite(0, Hardness(late=0.3)):
        onset, apex, offset = clip.events
        assert clip.plan.onset <= onset < apex < offset <= clip.plan.offset
        assert abs(apex - (onset + offset) / 2) <= 0.5 or clip.dataset != "smic"


def test_people_have_muscles_of_their_own():
    assert own_muscles(0, 3, 0.0) == ACTION_UNITS
    mine, yours = own_muscles(0, 3, 0.3), own_muscles(0, 4, 0.3)
    assert mine != yours and mine == own_muscles(0, 3, 0.3)
    assert {n: len(b) for n, b in mine.items()} == {n: len(b) for n, b in ACTION_UNITS.items()}


@pytest.fixture(scope="module")
def rendered():
    hardness = Hardness(strength=1.5, spread=0.0, style=0.0, stray=0.0, late=0.0, drift=3.0, blink=0.0, light=0.0)
    happy = [c for c in composite(0, hardness) if c.plan.emotion == "happiness" and c.dataset == "smic"]
    clips = [c for c in happy if c.group == happy[0].group][:2]
    wanted = ("apex", "apex" + STILL, "rising" + STILL, "magnified" + STILL)
    return person_fields(0, hardness, wanted, clips)


def test_the_rendered_flow_is_that_of_the_expression(rendered):
    fields, landmarks = rendered
    assert landmarks.shape == (2, 68, 2) and landmarks.min() > 0 and landmarks.max() < 160
    assert all(field.shape == (2, 3, 112, 112) and field.dtype == np.float16 for field in fields.values())
    size = {name: np.sqrt(np.square(f[:, :2].astype(float)).sum(1)) for name, f in fields.items()}
    x, y = ((landmarks[:, [48, 54]].mean(1) + 0.5) * 0.7 - 0.5).round().astype(int).T
    cut = [np.s_[k, y[k] - 8 : y[k] + 8, x[k] - 20 : x[k] + 20] for k in range(2)]
    mouth = {name: [np.quantile(one[place], 0.9) for place in cut] for name, one in size.items()}
    still = [name + STILL for name in ("rising", "apex", "magnified")]
    rising, apex, magnified = (np.array(mouth[name]) for name in still)
    assert (apex > 2 * np.median(size["apex" + STILL], axis=(1, 2))).all() and (rising < apex).all()
    assert (2 * apex < magnified).all() and (magnified < 4 * apex).all()
    assert np.median(size["apex"]) > 1.5 * np.median(size["apex" + STILL])


def test_stretched_images_lose_size_and_zero():
    image = np.random.default_rng(0).normal(size=(2, 3, 28, 28))
    once = stretched(image)
    assert once.min((-2, -1)) == pytest.approx(0) and once.max((-2, -1)) == pytest.approx(1)
    assert np.array_equal(once, stretched(4 * image + 3)) and (stretched(np.ones((1, 3, 4, 4))) == 0).all()
    assert np.allclose(once * 255, np.rint(once * 255))


def test_regions_of_a_mirrored_face_are_the_mirrored_regions(rendered):
    landmarks = (rendered[1][0].astype(float) + 0.5) * (112 / 160) - 0.5
    field = cv2.GaussianBlur(np.random.default_rng(0).normal(size=(112, 112, 3)), (0, 0), 3).transpose(2, 0, 1)
    turned = landmarks[list(MIRRORED)] * [-1, 1] + [111, 0]
    whole = mosaic(field.astype(np.float32), landmarks)
    other = mosaic(np.ascontiguousarray(field[:, :, ::-1], dtype=np.float32), turned)
    assert whole.shape == (3, 84, 84) and np.abs(whole).max() > 0.05
    assert np.allclose(other[:, :, ::-1], whole, atol=0.02 * np.abs(field).max())


def crowd(people=12, each=6, signal=1.0, seed=0):
    """Return flow fields whose class is where something moves, and whose they are."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, people * each)
    rows, columns = np.mgrid[:112, :112]
    fields = rng.normal(0, 0.3, (len(y), 3, 112, 112))
    for k, label in enumerate(y):
        fields[k] += signal * np.exp(-((rows - 20 - 35 * label) ** 2 + (columns - 56) ** 2) / 200)
    fields = np.stack([cv2.GaussianBlur(f.transpose(1, 2, 0), (0, 0), 3).transpose(2, 0, 1) for f in fields])
    groups = np.repeat([f"p{k:02d}" for k in range(people)], each)
    datasets = np.where(np.arange(len(y)) < len(y) // 2, "a", "b")
    return FlowClips({"apex": fields.astype(np.float16)}, np.zeros((len(y), 68, 2)), y, groups, datasets)


def linear(clips):
    return features(LINEAR, LINEAR.sees.of(clips)), People(clips.y, clips.groups, clips.datasets)


def test_scores_of_what_can_be_learned_and_of_nothing():
    x, people = linear(crowd())
    found = answers(LINEAR, x, people, 4, (0, 1))
    row = scored("level", "svm", people, found)
    assert row.uf1 > 0.9 and row.uf1_low <= row.uf1 <= row.uf1_high and row.seeds == 2
    same = compared("itself", people, found, found)
    assert same.uf1 == 0 and same.told == "not told from nothing"
    noise, _ = linear(crowd(signal=0.0))
    better = compared("signal", people, found, answers(LINEAR, noise, people, 4, (0, 1)))
    assert better.uf1_low > 0 and better.told == "helps"


def test_a_held_out_person_says_nothing():
    x, people = linear(crowd(signal=0.3))
    part = people.parts(4, 0)
    assert all(len(set(part[people.groups == name])) == 1 for name in people.groups)
    assert len(set(people.parts(0, 0))) == 12
    found = answers(LINEAR, x, people, 4, (0,))[0]
    held = part == "part3"
    wrong = People(np.where(held, (people.y + 1) % 3, people.y), people.groups, people.datasets)
    assert np.array_equal(answers(LINEAR, x, wrong, 4, (0,))[0, held], found[held])


def test_labels_in_random_order():
    x, people = linear(crowd())
    mixed = shuffled(people, 1)
    for name in "ab":
        where = people.datasets == name
        assert Counter(mixed.y[where]) == Counter(people.y[where])
    assert not np.array_equal(mixed.y, people.y) and not np.array_equal(shuffled(people, 2).y, mixed.y)
    rows = permuted(LINEAR, x, people, 4, 3)
    assert len(rows) == 4 and all(row.uf1 < 0.6 for row in rows)
    assert rows[3].uf1 == pytest.approx(np.mean([row.uf1 for row in rows[:3]]))
    assert permuted(LINEAR, x, people, 4, 0) == []


@pytest.fixture
def quick(monkeypatch):
    """Make the bench see clips made up, and train its networks for three epochs."""
    clips = crowd()
    monkeypatch.setattr(recognition_run, "render_clips", lambda *_: clips)

    def fast(name, sees):
        system = made(name, sees)
        settings = {**system.settings, "epochs": 3, "period": 3, "width": 4}
        return recognition.System(system.name, system.model, system.preset, system.sees, settings)

    made = recognition_run.cnn
    monkeypatch.setattr(recognition_run, "cnn", fast)
    monkeypatch.setattr(recognition_run, "BASE", fast("flow_cnn", Input()))


def test_the_command_prints_levels_curve_inputs_and_chance(quick):
    asked = ["bench", "recognition", "--inputs", "magnitude,56", "--seeds", "1", "--folds", "2", "--orders", "1"]
    rows = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    parts = Counter(row["part"] for row in rows)
    assert parts == {"level": 2, "learning curve": 1, "shuffled labels": 4, "input": 3, "over 28x28 min-max": 3}
    names = {row["what"] for row in rows if row["part"] == "input"}
    assert names == {"svm_flow, magnitude in pixels", "flow_cnn, magnitude in pixels", "flow_cnn, 56 pixels"}
    with pytest.raises(ConfigError, match="unknown name 'maginfied'"):
        run_recognition_bench(Asked(inputs=("maginfied",)), print)


def test_published_images_are_read_as_the_workflow_reads_them(tmp_path):
    folder = tmp_path / "datasets" / "STSNet_whole_norm_u_v_os"
    folder.mkdir(parents=True)
    lines = ["dataset,sub,filename_o,label,apex,imagename,sub_filename"]
    rng = np.random.default_rng(0)
    for k in range(4):
        name = f"s{k + 1:02d}_s{k + 1:02d}_ne_01"
        cv2.imwrite(str(folder / f"{name} .png"), rng.integers(0, 256, (28, 28, 3), np.uint8))
        lines.append(f"smic,s{k + 1:02d},s{k + 1:02d}_ne_01,{k % 3},,{name} .png,")
    (tmp_path / "combined_3_class2_for_optical_flow.csv").write_text("\n".join(lines) + "\n")
    images, people = published(tmp_path)
    assert images.shape == (4, 3, 28, 28) and np.median(images[:, :2], axis=(2, 3)) == pytest.approx(np.zeros((4, 2)))
    assert sorted(people.y) == [0, 0, 1, 2] and len(set(people.groups)) == 4 and set(people.datasets) == {"smic_hs"}


def test_inputs_have_their_shapes():
    clips = crowd(2, 2)
    both = Input(("apex", "apex"), side=56, minmax=False).of(clips)
    assert both.shape == (4, 6, 56, 56) and np.array_equal(both[:, :3], both[:, 3:])


@pytest.mark.parametrize("name", INPUTS)
def test_a_network_sees_images_of_the_side_that_it_is_built_for(name):
    pairs = [pair for _, sees in INPUTS.values() for pair in sees.pairs]
    fields = {pair: np.random.default_rng(0).normal(size=(2, 3, 112, 112)).astype(np.float16) for pair in pairs}
    points = np.random.default_rng(1).uniform(40, 120, (2, 68, 2)).astype(np.float32)
    clips = FlowClips(fields, points, np.array([0, 1]), np.array(["a", "b"]), np.array(["smic", "smic"]))
    system = cnn(name, INPUTS[name][1])
    expected = (2, 3 * system.settings["pairs"], system.settings["side"], system.settings["side"])
    assert seen(system, clips).shape == expected
