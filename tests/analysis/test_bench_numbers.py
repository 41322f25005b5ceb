"""What the numbers of the spotting bench are made of: matching, the sweep, groups, people, comparison, reliability."""

from dataclasses import replace

import numpy as np
import pytest

from mer.analysis.bench import summary
from mer.analysis.bench.films import Spotter, with_truth
from mer.analysis.bench.matching import Said, score_film, sweep
from mer.analysis.bench.reliability import BINS, reliability
from mer.analysis.bench.simulated import Happening
from mer.analysis.bench.spotting import Outcome
from mer.analysis.bench.tables import render
from mer.simulate.expression import UnitPlan
from mer.simulate.implant import Implant

AMPLITUDES = (0.03, 0.05)
NOTHING = np.zeros((0, 2))


def implanted(onset, emotion="happiness", amplitude=0.03, units=(12,)):
    plans = tuple(UnitPlan(number, "", 1.0, 0.0, 0.0) for number in units)
    return Implant(onset, onset + 5, onset + 10, "micro", emotion, plans, amplitude)


def candidate(onset, offset, emotion="positive", confidence=0.8, cause="other", chance=0.9):
    apex = (onset + offset) // 2
    scores = {emotion: chance} if emotion else {}
    return {"onset": onset, "apex": apex, "offset": offset, "emotion": emotion or None, "confidence": confidence,
            "scores": scores, "cause": cause}  # fmt: skip


def said(*candidates, weaker=NOTHING):
    return Said(candidates, np.asarray(weaker, float).reshape(-1, 2), 0.5, ("negative", "positive", "surprise"))


def scored(implants, candidates, weaker=NOTHING, control=(), person="anna", seconds=60.0):
    return score_film("film0.mp4", person, seconds, 30.0, implants, said(*candidates, weaker=weaker), said(*control))


IMPLANTS = [implanted(30), implanted(90, "disgust", 0.05, (4, 9)), implanted(200, units=(6, 12))]
CANDIDATES = [
    candidate(30, 40),
    candidate(92, 101, "positive", 0.7),
    candidate(150, 160, confidence=0.6, cause="blink"),
    candidate(32, 38, confidence=0.55),
]


def test_found_missed_and_false():
    one = scored(IMPLANTS, CANDIDATES, control=[candidate(149, 160)])
    assert [found and found["onset"] for _, found in one.found] == [30, 92, None]
    assert [alarm["onset"] for alarm in one.alarms] == [150, 32]
    assert (one.counts.tp, one.counts.fp, one.counts.fn) == (2, 2, 1)
    assert (one.repeated, one.lucky) == (1, 0)
    assert scored(IMPLANTS, CANDIDATES, control=[candidate(29, 33)]).lucky == 1


def test_an_apex_outside_the_implant_finds_nothing():
    one = scored([implanted(30)], [candidate(12, 40), candidate(41, 45)])
    assert one.found[0][1] is None and len(one.alarms) == 2


def test_a_row():
    films = [scored(IMPLANTS, CANDIDATES), scored(IMPLANTS, CANDIDATES)]
    controls = [score_film("control.mp4", "anna", 60.0, 30.0, [], said(candidate(149, 160)), None)]
    told = summary.row("mine", "anna", films, controls, AMPLITUDES)
    assert {a: str(share) for a, share in told.found.items()} == {0.03: "2/4", 0.05: "2/2"}
    assert (str(told.all_found), str(told.named), told.undecided) == ("4/6", "2/4", 0)
    assert (told.alarms, told.control, told.precision, told.recall) == pytest.approx((2.0, 1.0, 1 / 2, 2 / 3))
    assert told.f1 == pytest.approx(4 / 7)
    assert told.as_dict()["at_3"] == "2/4"


def test_a_hit_without_a_class_is_no_wrong_one():
    films = [scored([implanted(30), implanted(90)], [candidate(30, 40, ""), candidate(90, 100)])]
    told = summary.row("mine", "anna", films, films, AMPLITUDES)
    assert (str(told.named), told.undecided) == ("1/1", 1)
    assert summary.confusion(films) == {("positive", "no decision"): 1, ("positive", "positive"): 1}


def test_a_combination_counts_under_each_of_its_groups():
    groups = summary.by_group([scored(IMPLANTS, CANDIDATES)], AMPLITUDES)
    assert str(groups["brows"][0.05]) == str(groups["nose"][0.05]) == "1/1"
    assert str(groups["mouth corners"][0.03]) == "1/2" and str(groups["eyes"][0.03]) == "0/1"
    assert str(groups["chin"][0.03]) == "0/0"


def test_causes_are_counted_by_the_minute():
    causes = summary.by_cause([scored(IMPLANTS, CANDIDATES, seconds=30.0)])
    assert causes["blink"] == (1, 2.0) and causes["other"] == (1, 2.0) and causes["head"] == (0, 0.0)


def test_the_sweep_goes_below_the_threshold():
    weaker = [(205, 0.4), (206, 0.3), (300, 0.2)]  # in the third implant, again in it, and outside
    points = sweep([scored(IMPLANTS, CANDIDATES, weaker)])
    assert [t for t, _, _ in points] == [0.8, 0.7, 0.6, 0.55, 0.4, 0.3, 0.2]
    assert [alarms for _, alarms, _ in points] == [0, 0, 1, 2, 2, 3, 4]
    assert [found for _, _, found in points] == pytest.approx([1 / 3, 2 / 3, 2 / 3, 2 / 3, 1, 1, 1])


def test_intervals_over_people():
    good = [scored(IMPLANTS, [candidate(one.onset, one.offset) for one in IMPLANTS], person=name) for name in "ab"]
    bad = [scored(IMPLANTS, CANDIDATES[2:3], person=name) for name in "cd"]
    told = summary.over_people(good + bad)
    assert told["found"]["value"] == pytest.approx(0.5) and told["alarms"]["value"] == pytest.approx(0.5)
    assert told["found"]["low"] < 0.3 and told["found"]["high"] > 0.7
    same = summary.over_people(good)["found"]
    assert same["low"] == same["high"] == 1.0
    # Two films of one person are one person.
    assert summary.over_people([*good[:1], *good[:1]]) == {}


def test_two_spotters_on_the_same_implants():
    people = "abc"
    first = [scored(IMPLANTS, CANDIDATES, person=name) for name in people]
    second = [scored(IMPLANTS, [*CANDIDATES[1:3], candidate(150, 155), candidate(160, 165)], person=n) for n in people]
    told = summary.paired(first, second, AMPLITUDES)
    assert told["found"]["value"] == pytest.approx(2.0) and told["alarms"]["value"] == pytest.approx(2 / 3)
    assert told["found"]["low"] == told["found"]["high"] == pytest.approx(2.0)
    assert told["only_first"] == {0.03: 3, 0.05: 0} and told["both"] == {0.03: 0, 0.05: 3}
    assert told["neither"] == {0.03: 3, 0.05: 0} and told["only_second"] == {0.03: 0, 0.05: 0}
    nothing = [scored(IMPLANTS, [], person=name) for name in people]
    assert summary.paired(first, nothing, AMPLITUDES)["found"] is None


def test_reliability_of_honest_and_of_loud_probabilities():
    rng = np.random.default_rng(0)
    chance = rng.uniform(0, 1, 20_000)
    true = rng.random(20_000) < chance
    honest, loud = reliability(chance, true), reliability(np.where(chance > 0.5, 1.0, 0.0), true)
    assert honest.error < 0.02 and len(honest.bins) == BINS
    assert {one.cases for one in honest.bins} == {2000}
    # P(true | chance > .5) is .75: each of the two values is off by a quarter.
    assert loud.error == pytest.approx(0.25, abs=0.02) and len(loud.bins) == 2


def test_few_cases_share_bins_and_none_have_no_error():
    assert [one.cases for one in reliability([0.2] * 5 + [0.9] * 4, [False] * 9).bins] == [9]
    assert reliability([0.8] * 4, [True, True, True, False]).error == pytest.approx(0.05)
    nothing = reliability([], [])
    assert nothing.cases == 0 and np.isnan(nothing.error)


def test_reliability_of_candidates_and_names():
    films = [scored(IMPLANTS, CANDIDATES)]
    spotting, naming = summary.spotting_reliability(films), summary.naming_reliability(films)
    assert spotting.cases == 4
    assert spotting.error == pytest.approx(abs((0.8 + 0.7 + 0.6 + 0.55) / 4 - 0.5))
    assert naming.cases == 2 and naming.error == pytest.approx(0.9 - 0.5)


def test_rules_against_what_simulated_people_did():
    happenings = [Happening("blink", 150, 156), Happening("speech", 100, 152), Happening("macro", 300, 400)]
    alarms = [candidate(150, 160, cause="blink"), candidate(158, 164, cause="head"), candidate(200, 210),
              candidate(390, 395, cause="macro"), candidate(402, 410, cause="other")]  # fmt: skip
    told = with_truth(said(*alarms), happenings, 30.0)
    assert [one["true_causes"] for one in told.candidates] == [["blink", "speech"], ["blink"], [], ["macro"], ["macro"]]
    one = replace(score_film("f", "p", 60.0, 30.0, [], told, None), simulated=True)
    counts = summary.agreement([one])
    assert counts == {("blink + speech", "blink"): 1, ("blink", "head"): 1, ("nothing of these", "other"): 1,
                      ("macro", "macro"): 1, ("macro", "other"): 1}  # fmt: skip
    assert str(summary.agreed(counts)) == "3/5"
    assert summary.agreement([replace(one, simulated=False)]) == {}


def test_real_and_simulated_people_are_kept_apart():
    spotter = Spotter("mine")
    real = [scored(IMPLANTS, CANDIDATES, person=name) for name in "ab"]
    told = with_truth(said(*CANDIDATES), [], 30.0)
    played = [replace(score_film("f", name, 60.0, 30.0, IMPLANTS, told, None), simulated=True) for name in "cd"]
    outcome = Outcome([spotter], [real + played], [real + played], 1.0, AMPLITUDES)
    assert [row.film for row in outcome.rows] == ["a", "b", "all", "c", "d", "all simulated"]
    value = outcome.as_object()
    assert value["real"]["spotters"]["mine"]["causes"]["blink"]["alarms"] == 2
    assert value["real"]["spotters"]["mine"]["causes_agree"] == []
    assert sum(one["alarms"] for one in value["simulated"]["spotters"]["mine"]["causes_agree"]) == 8
    text = render(outcome)
    assert "# simulated people, mine" in text and "the rules name something that happened: 4/8" in text
    assert "real people" not in render(Outcome([spotter], [real], [real], 1.0, AMPLITUDES))
