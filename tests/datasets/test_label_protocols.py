"""Action-unit targets of CD6ME, the `or` policies behind them, and where is spotted."""

import dataclasses

import pytest

from mer.core.sample import Sample
from mer.datasets import casme2, samm
from mer.datasets.alternatives import resolve
from mer.datasets.au import parse_aus
from mer.datasets.labels import CD6ME_AUS, CD6ME_DATASETS, au_targets, family_of
from mer.datasets.recordings import has_recordings
from mer.datasets.views import view_of


def row(dataset="casme2", cell="", kind="micro", sample_id="sub01/EP01", **kwargs):
    units = kwargs.pop("aus", parse_aus(cell)[0])
    return Sample(
        dataset, "s", f"{dataset}:s", sample_id, "v", "", au_raw=cell, aus=units, expression_type=kind, **kwargs
    )


def present(sample):
    return [unit for unit, there in zip(CD6ME_AUS, au_targets(sample), strict=True) if there]


def test_twelve_binary_targets():
    assert len(CD6ME_AUS) == 12 and len(CD6ME_DATASETS) == 6
    assert present(row(cell="4+L12+25")) == [4, 12]
    assert present(row(cell="1?+2")) == [1, 2]
    assert present(row(dataset="fourdme", cell="4(k)+5")) == [5]
    assert au_targets(row(cell="")) == (0,) * 12
    assert au_targets(row(dataset="smic_hs")) is None
    assert au_targets(row(dataset="casme3a", cell="4", kind="macro")) is None


@pytest.mark.parametrize("policy", ["all", "first", "none", "resolved"])
def test_targets_do_not_hang_on_the_reader_option(policy):
    header = ["Subject", "Filename", "Onset Frame", "Apex Frame", "Offset Frame", "Action Units", "Estimated Emotion"]
    cells = ["007", "007_6_1", "10", "20", "30", "(R6 or R12)+R15", "Other"]
    table = [dict(zip(header, cells, strict=True))]
    sample = samm.READER.samples_from(table, {}, samm.Options(alternatives=policy), "r").samples[0]
    assert present(sample) == [12, 15]
    assert sample.au_numbers == {"all": (6, 12, 15), "first": (6, 15), "none": (15,), "resolved": (12, 15)}[policy]
    assert bool(sample.errata) == (policy == "resolved")


def test_an_or_without_a_recorded_choice_takes_the_first_branch():
    units = parse_aus("L12 or L14")[0]
    assert resolve(units, "casme_sq", "s15/anger1_1", "resolved") == (units[:1], ())
    assert resolve(units, "casme_sq", "s15/anger1_1", "all") == (units, ())
    header = ["Subject", "Filename", "Onset", "Apex", "Offset", "Action Units", "Estimated Emotion"]
    table = [dict(zip(header, ["1", "EP01_1", "1", "5", "9", "14or23", "others"], strict=True))]
    kept = [
        casme2.READER.samples_from(table, {}, casme2.Options(alternatives=policy), "r").samples[0].au_numbers
        for policy in ("all", "first", "none", "resolved")
    ]
    assert kept == [(14, 23), (14,), (), (14,)]


def test_only_long_recordings_are_spotted_in():
    assert has_recordings(row(dataset="samm_lv", view="long"))
    cut = row(dataset="casme_sq", view="selected")
    assert not has_recordings(cut)
    assert has_recordings(dataclasses.replace(cut, view="raw"))


def test_releases_with_the_same_people_are_held_out_together():
    assert family_of(Sample("samm_lv", "006", "samm:006", "a", "a", "")) == "samm"
    assert family_of(Sample("smic_e_nir", "s11", "smic:s11", "a", "a", "")) == "smic"


def test_each_cd6me_unit_is_a_view_of_its_own():
    sample = row(cell="4+L12")
    assert view_of("cd6me_au4").class_of(sample) == "present"
    assert view_of("cd6me_au12").class_of(sample) == "present"
    assert view_of("cd6me_au1").class_of(sample) == "absent"
    assert view_of("cd6me_au1").class_of(row(dataset="smic_hs")) is None
