"""Emotion words and class schemes."""

import pytest

from mer.core.errors import ConfigError
from mer.core.sample import Sample
from mer.datasets.labels import normalise_emotion, objective_class
from mer.datasets.views import view_of, with_classes


def sample(dataset, emotion, objective=None):
    return Sample(dataset, "s", f"{dataset}:s", "s/c", "s/c", "", emotion_norm=emotion, objective_class=objective)


@pytest.mark.parametrize(
    ("raw", "norm"),
    [
        ("Other ", "others"),
        ("HAPPY", "happiness"),
        ("happyiness", "happiness"),
        ("comtempt", "contempt"),
        (" sad", "sadness"),
    ]
    + [("fear?", "fear?"), ("contempt/disgust", "contempt/disgust"), ("", "")],
)
def test_words_are_folded(raw, norm):
    assert normalise_emotion(raw) == norm


@pytest.mark.parametrize(
    ("dataset", "emotion", "classes"),
    [
        ("casme2", "repression", ("negative", "negative", "negative", "repression", "repression")),
        ("casme2", "fear", (None, "negative", "negative", None, "fear")),
        ("casme2", "others", (None, None, "others", "others", "others")),
        ("samm", "fear", ("negative", "negative", "negative", None, "fear")),
        ("samm", "others", (None, None, "others", "others", None)),
        ("smic_hs", "positive", ("positive", "positive", "positive", None, None)),
        ("mmew", "sadness", (None, "negative", "negative", None, "sadness")),
        ("meview", "fear?", (None, None, None, None, None)),
    ],
)
def test_schemes(dataset, emotion, classes):
    row = sample(dataset, emotion)
    assert (
        tuple(view_of(v).class_of(row) for v in ("megc2019", "emotion_3", "emotion_4", "emotion_5", "emotion_7"))
        == classes
    )
    filled = with_classes(row)
    assert (filled.emotion_3, filled.emotion_4, filled.emotion_5, filled.emotion_7) == classes[1:]


def test_testimony_is_deceptive_or_truthful():
    assert view_of("deception").classes_of(["rld"]) == ("deceptive", "truthful")
    assert [view_of("deception").class_of(sample("rld", word)) for word in ("deceptive", "truthful", "")] == [
        "deceptive",
        "truthful",
        None,
    ]
    assert view_of("deception").class_of(sample("casme2", "fear")) is None
    with pytest.raises(ConfigError, match="deception is not defined for casme2"):
        view_of("deception").classes_of(["casme2", "rld"])


def test_objective_classes():
    assert [objective_class(t) for t in ("I", "vii", " 3 ", "8", "", "x")] == [1, 7, 3, None, None, None]
    assert view_of("objective").class_of(sample("casme2", "fear", 7)) == "7"
    assert view_of("megc2018").class_of(sample("casme2", "fear", 7)) is None
    assert view_of("megc2018").class_of(sample("samm", "fear", 5)) == "5"
    assert view_of("megc2018").class_of(sample("mmew", "fear", 5)) is None


def test_class_order_is_fixed_and_per_database():
    assert view_of("megc2019").classes == ("negative", "positive", "surprise")
    assert view_of("emotion_5").classes_of(["samm"]) == ("anger", "contempt", "happiness", "others", "surprise")
    assert view_of("emotion_5").classes_of(["casme2", "samm"]) == view_of("emotion_5").classes
    assert view_of("emotion_3").classes_of(["anything"]) == view_of("emotion_3").classes
    with pytest.raises(ConfigError, match="emotion_5 is not defined for mmew"):
        view_of("emotion_5").classes_of(["casme2", "mmew"])
    with pytest.raises(ConfigError, match="did you mean 'megc2019'"):
        view_of("megc19").class_of(sample("casme2", "fear"))
