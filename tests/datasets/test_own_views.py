"""Class schemes as data: those of papers against the rules written out, and a user's own."""

import itertools

import pytest
from pydantic import ValidationError

from mer.core.errors import ConfigError
from mer.core.sample import Sample
from mer.datasets.au import parse_aus
from mer.datasets.labels import CD6ME_AUS, CD6ME_DATASETS, au_targets
from mer.datasets.registry import databases
from mer.datasets.views import View, ViewBlock, shipped_views, view_of, views_of

NEGATIVE = {"anger", "contempt", "disgust", "fear", "sadness", "repression", "negative"}
WORDS = (*sorted(NEGATIVE), "happiness", "positive", "surprise", "others", "tense", "fear?", "contempt/disgust", "")
DATASETS = ("casme", "casme2", "samm", "samm_lv", "smic_hs", "smic_vis", "mmew", "casme3a", "fourdme", "meview", "rld")
OUT = {"sub04/EP12_01f", "sub05/EP09_05f", "sub24/EP07_01", "sub24/EP07_04f", "sub24/EP10_03"}


def row(dataset="casme2", emotion="", sample_id="s/c", cell="", objective=None, kind="micro"):
    return Sample(
        dataset, "s", f"{dataset}:s", sample_id, "v", "", emotion_norm=emotion, objective_class=objective, au_raw=cell,
        aus=parse_aus(cell)[0], expression_type=kind,
    )  # fmt: skip


def folded(word):
    if word in NEGATIVE:
        return "negative"
    return {"happiness": "positive", "positive": "positive", "surprise": "surprise"}.get(word)


def megc2019(dataset, word, clip):
    """The composite of 2019, as its rules read (specs/datasets.md §12.1)."""
    if dataset not in ("smic_hs", "casme2", "samm"):
        return None
    if dataset != "casme2" or word in ("negative", "positive"):
        return folded(word)
    if clip in OUT:
        return None
    return {"disgust": "negative", "repression": "negative", "happiness": "positive"}.get(
        word, "surprise" if word == "surprise" else None
    )


def test_the_schemes_of_papers_are_their_rules():
    for dataset, word, clip in itertools.product(DATASETS, WORDS, ("s/c", "sub24/EP10_03")):
        one = row(dataset, word, clip)
        in_composite = word not in ("negative", "positive") or clip == "s/c"
        if in_composite:
            assert view_of("megc2019").class_of(one) == megc2019(dataset, word, clip), (dataset, word, clip)
        assert view_of("emotion_3").class_of(one) == folded(word)
        assert view_of("emotion_4").class_of(one) == ("others" if word in ("others", "tense") else folded(word))


@pytest.mark.parametrize("clip", sorted(OUT))
def test_a_clip_is_left_out_however_its_folder_is_spelt(clip):
    composite = view_of("megc2019")
    for spelt in (clip, clip.upper(), clip.lower()):
        assert composite.class_of(row("casme2", "surprise", spelt)) is None
        assert composite.class_of(row("samm", "surprise", spelt)) == "surprise"


@pytest.mark.parametrize("cell", ["", "4+L12", "1?+2", "4(k)+5", "14 or 23", "R6 or R12", "25", "0"])
def test_units_of_cd6me_are_their_targets(cell):
    for dataset, kind in itertools.product(DATASETS, ("micro", "macro")):
        one = row(dataset, cell=cell, kind=kind)
        targets = au_targets(one)
        assert (targets is None) == (dataset not in CD6ME_DATASETS or kind == "macro")
        for position, unit in enumerate(CD6ME_AUS):
            wanted = None if targets is None else ("absent", "present")[targets[position]]
            assert view_of(f"cd6me_au{unit}").class_of(one) == wanted


def test_shipped_schemes_name_known_databases():
    for view in shipped_views().values():
        assert set(view.block.only) | set(view.block.datasets) | set(view.block.leave_out) <= set(databases()), (
            view.name
        )


OWN = views_of(
    {
        "smiles": {"classes": {"smile": ["Happy", "joy"], "rest": ["fear", "DISGUST"]}},
        "words": {"classes": ["joy", "fear"]},
        "lips": {
            "classes": {
                "up": {"units": [12, 13]},
                "down": {"units": [15], "without": [12]},
                "none": {"without": [12, 15]},
            }
        },
        "both": {
            "classes": {
                "felt": {"emotions": ["happiness"], "units": [6]},
                "posed": {"emotions": ["happiness"], "without": [6]},
            }
        },
        "apart": {
            "classes": {"a": ["fear"], "b": ["joy"], "c": {"objective": [3]}},
            "datasets": {"samm": {"a": ["anger"], "b": ["joy"]}},
            "leave_out": {"samm": ["006/006_1_2"]},
            "kind": "micro",
        },
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("view", "sample", "expected"),
    [
        ("smiles", row(emotion="happiness"), "smile"),
        ("smiles", row(emotion="joy"), "smile"),
        ("smiles", row(emotion="disgust"), "rest"),
        ("smiles", row(emotion="others"), None),
        ("words", row("anything", "joy"), "joy"),
        ("lips", row(cell="R13"), "up"),
        ("lips", row(cell="12+15"), "up"),
        ("lips", row(cell="15"), "down"),
        ("lips", row(cell="4"), "none"),
        ("lips", row(cell="12(k)"), "none"),
        ("lips", row(cell=""), None),
        ("both", row(emotion="happiness", cell="6+12"), "felt"),
        ("both", row(emotion="happiness", cell="12"), "posed"),
        ("both", row(emotion="happiness"), None),
        ("both", row(emotion="fear", cell="6"), None),
        ("apart", row("samm", "anger"), "a"),
        ("apart", row("samm", "fear"), None),
        ("apart", row("casme2", "fear"), "a"),
        ("apart", row("casme2", "x", objective=3), "c"),
        ("apart", row("samm", "joy", "006/006_1_2"), None),
        ("apart", row("samm", "joy", kind="macro"), None),
    ],
)
def test_own_classes(view, sample, expected):
    assert OWN[view].class_of(sample) == expected


def test_classes_keep_their_order_and_their_databases():
    assert OWN["apart"].classes_of(["samm"]) == ("a", "b")
    assert OWN["apart"].classes_of(["samm", "casme2"]) == ("a", "b", "c")
    assert list(OWN["apart"].told(["samm", "casme2", "mmew"]))[:4] == [
        ("casme2, mmew", "a", "fear"),
        ("casme2, mmew", "b", "joy"),
        ("casme2, mmew", "c", "objective class 3"),
        ("samm", "a", "anger"),
    ]
    assert OWN["lips"].block.classes["down"].told == "action unit 15, no action unit 12"


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"classes": {"a": ["fear"]}}, "at least 2"),
        ({"classes": ["fear", "fear"]}, "a class stands twice"),
        ({"classes": {"a": ["fear"], "b": ["Fear "]}}, "'fear' belongs to a and to b"),
        ({"classes": {"a": ["fear"], "b": []}}, "takes nothing"),
        ({"classes": {"a": ["fear"], "b": "joy"}}, r"class 'b' takes the single word 'joy'; expected a list: \[joy\]"),
        ({"classes": {"a": ["fear"], "b": {"emotion": ["joy"]}}}, "Extra inputs"),
        ({"classes": ["a", "b"], "datasets": {"samm": {"c": ["x"]}}}, "datasets.samm has a class 'c'"),
        ({"classes": ["a", "b"], "only": ["samm"], "datasets": {"mmew": ["a", "b"]}}, "'mmew' is not among"),
        ({"classes": ["a", "b"], "kind": "nano"}, "'micro' or 'macro'"),
    ],
)
def test_a_wrong_scheme_is_refused(block, message):
    with pytest.raises(ValidationError, match=message):
        ViewBlock.model_validate(block)


def test_a_view_is_not_defined_for_other_databases():
    only = View("mine", ViewBlock.model_validate({"classes": ["a", "b"], "only": ["samm"]}))
    assert only.class_of(row("casme2", "a")) is None and only.class_of(row("samm", "a")) == "a"
    with pytest.raises(ConfigError, match="mine is not defined for casme2; expected one of samm"):
        only.classes_of(["casme2", "samm"])
