"""`expected.json` has the facts of the machine-readable page of the databases, where that lies beside the checkout."""

import json
from pathlib import Path

import pytest

import mer.datasets.expected as module
from mer.datasets.labels import CD6ME_AUS

PAGE = Path(__file__).resolve().parents[3] / "shared" / "specs" / "datasets_expected.json"
OURS = json.loads((Path(module.__file__).parent / "expected.json").read_text(encoding="utf-8"))
ROMAN = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7}
WORDS = {"other": "others", "happy": "happiness", "sad": "sadness", "comtempt": "contempt"}


def emotions(given, prefix="emotion "):
    counts = {}
    for word, number in given.items():
        name = prefix + WORDS.get(word.casefold(), word.casefold())
        counts[name] = counts.get(name, 0) + number
    return {name: number for name, number in counts.items() if name != prefix}


def sizes(given, prefix=""):
    """Return samples and subjects, each where it is given."""
    named = {"samples": "rows", "rows": "rows", "subjects": "subjects", "videos": "videos"}
    return {prefix + ours: given[theirs] for theirs, ours in named.items() if theirs in given}


def view(name, given):
    """Return rows, subjects and classes of a view."""
    classes = given.get("emotion3") or given.get("emotion") or {}
    return sizes(given, f"{name} ") | emotions(classes, f"{name} ")


def objective(given):
    return {f"objective {ROMAN.get(word, word)}": number for word, number in given.items()}


def people(given, form, prefix="subject "):
    return {prefix + form.format(int(number)): rows for number, rows in given.items()}


def units(given):
    return {f"cd6me au {unit}": number for unit, number in zip(CD6ME_AUS, given, strict=True)}


def lengths(given, *known, prefix=""):
    """Return the lengths of clips that hold whatever is corrected."""
    names = {"min": "shortest clip", "max": "longest clip"}
    counts = {prefix + names[end]: given[end] for end in known if end in names}
    return counts | ({f"{prefix}mean clip in tenths": round(10 * given["mean"])} if "mean" in known else {})


def casme2(page):
    shared, views = page["casme2"]["releases"], page["casme2"]["views"]
    common = view("megc2019", views["megc2019_3class"])
    new, old = (shared[f"CASME2-coding-{day}.xlsx"] for day in ("20190701", "20140508"))
    second = objective(shared["CASME2-ObjectiveClasses.xlsx"]["objective"]) | view("megc2018", views["objective_I_V"])
    five = {year: view("emotion_5", views[f"five_class_{year}"]) for year in (2014, 2019)}
    whole = people(new["samples_per_subject"], "sub{:02d}") | view("emotion_7", views["seven_class_2019"])
    yield (
        "casme2",
        "CASME2-coding-20190701",
        sizes(new)
        | emotions(new["emotion"])
        | common
        | five[2019]
        | whole
        | second
        | lengths(new["length_frames"], "min", "max"),
    )
    yield "casme2", "CASME2-coding-20140508", sizes(old) | emotions(old["emotion"]) | common | five[2014] | second


def casme3(page):
    shared, views = page["casme3_part_a"]["releases"], page["casme3_part_a"]["views"]
    for file, given in shared.items():
        counts = sizes(given) | emotions(given.get("emotion_normalised", {})) | objective(given.get("objective", {}))
        counts |= {f"type {kind}": given[kind] for kind in ("macro", "micro") if kind in given}
        counts |= {"micro subjects": given["micro_subjects"]} if "micro_subjects" in given else {}
        if file.endswith("JpgIndex_v2.xlsx"):
            for name, theirs in (
                ("emotion_3", "three_class"),
                ("emotion_4", "four_class"),
                ("emotion_7", "seven_class"),
            ):
                counts |= view(name, views[theirs])
            counts |= units(page["cd6me"]["au_counts"]["casme3a"])
            # A later copy of which nobody says what it changes.
            yield "casme3a", "cas(me)3_part_A_ME_label_JpgIndex_v2_20250903", counts
        yield "casme3a", file.rpartition(".")[0], counts
    part = page["casme3_part_c"]
    yield "casme3c", "CAS(ME)3_part_C_ME", {"rows": part["micro"]} | sizes(part) | emotions(part["emotion"])


def casme_sq(page):
    given = page["casme_sq"]
    counts = sizes(given) | {f"type {kind}": given[kind] for kind in ("macro", "micro")}
    counts |= {"videos": given["labelled_long_videos"], "micro subjects": given["subjects_with_micro"]}
    for kind in ("macro", "micro"):
        counts |= {f"{kind} videos": given[f"long_videos_with_{kind}"]} | emotions(given["emotion"][kind], f"{kind} ")
    counts |= {f"micro subject {subject}": rows for subject, rows in given["micro_per_subject"].items()}
    counts |= lengths(given["micro_length_frames"], "min", "max", prefix="micro ")
    yield "casme_sq", "", counts | view("micro emotion_3", given["views"]["micro_3class"])


def samm(page):
    (given,), views = page["samm"]["releases"].values(), page["samm"]["views"]
    counts = sizes(given) | emotions(given["emotion"]) | objective(given["objective"])
    counts |= people(given["samples_per_subject"], "{:03d}") | units(page["cd6me"]["au_counts"]["samm"])
    for name, theirs in (("megc2019", "megc2019_3class"), ("emotion_5", "five_class"), ("megc2018", "objective_I_V")):
        counts |= view(name, views[theirs])
    yield "samm", "SAMM_Micro_FACS_Codes_v2", counts
    # The same table under another name and without a preamble, of which nobody has counted a row.
    yield "samm", "SAMM_20181215_Micro_FACS_Codes_v2", counts
    given = page["samm_lv"]
    sure = {f"type {kind}": given[kind] for kind in ("macro", "micro")} | {"rows": given["rows"]}
    counts = sizes(given) | sure
    for kind in ("macro", "micro"):
        counts |= {f"{kind} videos": given[f"videos_with_{kind}"], f"{kind} subjects": given[f"subjects_with_{kind}"]}
    yield "samm_lv", "SAMM_LongVideos_V2_Release", counts
    yield "samm_lv", "SAMM_LongVideos", sure


def smic(page):
    for camera in ("hs", "vis", "nir"):
        given = page[f"smic_{camera}"]
        counts = sizes(given) | emotions(given["emotion3"])
        for number, split in given.get("negative_positive_surprise_per_subject", {}).items():
            counts |= people({number: sum(split)}, "s{:02d}")
            for word, rows in zip(("negative", "positive", "surprise"), split, strict=True):
                counts |= people({number: rows}, "s{:02d}", f"{word} subject ")
        counts |= lengths(given["length_frames"], "min", "max", "mean", prefix="raw ") if camera == "hs" else {}
        yield f"smic_{camera}", "", counts
        given = page[f"smic_e_{camera}"]
        yield f"smic_e_{camera}", "", {"videos": given["long_clips"], "subjects": given["subjects"]}


def composite(page):
    given, counts = page["megc2019_cde"], {}
    for name, part in given["parts"].items():
        ours = "smic_hs" if name == "smic" else name
        counts |= sizes(part, f"{ours} ") | {f"{ours} {word}": part[word] for word in given["emotion3"]}
    counts |= {f"casme2 subject {subject}": rows for subject, rows in given["casme2_per_subject"].items()}
    counts |= {f"samm subject {subject}": rows for subject, rows in given["samm_per_subject"].items()}
    splits = page["smic_hs"]["negative_positive_surprise_per_subject"]
    counts |= people({number: sum(split) for number, split in splits.items()}, "s{:02d}", "smic_hs subject ")
    yield "flow_images", "", sizes(given) | emotions(given["emotion3"], "megc2019 ") | counts


def others(page):
    given = page["mmew"]["micro"]
    counts = sizes(given) | emotions(given["emotion"]) | people(given["samples_per_subject"], "S{:02d}")
    counts |= view("emotion_3", page["mmew"]["views"]["three_class"])
    counts |= view("emotion_7", page["mmew"]["views"]["seven_class"])
    counts |= lengths(given["length_frames"], "min")
    yield "mmew", "MMEW_Micro_Exp", counts | units(page["cd6me"]["au_counts"]["mmew"])
    given = page["meview"]
    yield (
        "meview",
        "MEVIEW",
        {"rows": given["table_rows"], "subjects": given["subjects"]} | emotions(given["emotion_raw"]),
    )
    given = page["real_life_deception"]
    trials = emotions(given["classes"]) | emotions(given["classes"], "deception ")
    yield "rld", "", {"rows": given["videos"]} | trials
    counts = {"rows": page["4dme"]["micro"], "subjects": page["4dme"]["subjects_with_micro"]}
    yield "fourdme", "", counts | units(page["cd6me"]["au_counts"]["fourd"])
    yield "casme", "", {"rows": page["casme"]["micro"]} | units(page["cd6me"]["au_counts"]["casme"])


@pytest.mark.skipif(not PAGE.is_file(), reason="the page of facts is not part of the repository")
def test_counts_are_those_of_the_page_of_facts():
    page = json.loads(PAGE.read_text(encoding="utf-8"))["datasets"]
    makers = (casme2, casme3, casme_sq, samm, smic, composite, others)
    facts = {(name, release): counts for maker in makers for name, release, counts in maker(page)}
    ours = {
        (name, known["release"]): {**known["counts"], **known.get("secondary", {})}
        for name, releases in OURS.items()
        for known in releases
    }
    assert ours == facts


def test_a_release_that_is_verified_in_part_holds_no_count_twice():
    for name, releases in OURS.items():
        for known in releases:
            assert not set(known["counts"]) & set(known.get("secondary", {})), (name, known["release"])


def test_sums_of_the_page_close():
    """Views that have no name here are sums of emotions."""
    words = OURS["mmew"][0]["counts"]
    assert sum(words[f"emotion {word}"] for word in ("happiness", "surprise", "disgust", "others")) == 263
    assert words["rows"] - words["emotion others"] == 234
    split = OURS["smic_hs"][0]["counts"]
    for word in ("negative", "positive", "surprise"):
        assert sum(n for name, n in split.items() if name.startswith(f"{word} subject ")) == split[f"emotion {word}"]
