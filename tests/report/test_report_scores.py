"""Scores in the report: tables, verdicts, comparisons, times."""

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jinja2 import UndefinedError
from report_world import drawn

from mer.core.errors import ContainerError, ModelError
from mer.report.answer import title
from mer.report.charts import Scale, bar_chart, thinned
from mer.report.html import PACKAGE, environment
from mer.report.inputs import ReportInputs
from mer.report.origin import as_yaml
from mer.report.scores import Comparison, Experiment, compare, comparisons, load_experiment, score_rows
from mer.report.tables import scores_csv, scores_tex
from mer.report.times import stage_times
from mer.report.wording import plain


@pytest.fixture(scope="module")
def experiments(inputs: ReportInputs) -> dict[str, Experiment]:
    return {name: load_experiment(name, files) for name, files in inputs.experiments.items()}


def comparison_table(rows: list[Comparison]) -> str:
    return drawn("scores.html", "comparison_table", rows)


def renamed(experiment: Experiment, name: str) -> Experiment:
    return replace(experiment, name=name)


def test_pooled_rows_repeat_the_metrics_and_datasets_have_their_own_interval(
    experiments: dict[str, Experiment],
) -> None:
    pooled, alpha, beta = score_rows(experiments["good"])
    metrics = experiments["good"].metrics
    assert pooled.value["uar"] == metrics["summary"]["pooled"]["uar"]["mean"]
    assert (pooled.low["uf1"], pooled.high["uf1"]) == (
        metrics["interval"]["uf1"]["low"],
        metrics["interval"]["uf1"]["high"],
    )
    assert [row.dataset for row in (alpha, beta)] == ["alpha", "beta"]
    assert alpha.clips + beta.clips == pooled.clips == 46
    for row in (alpha, beta):
        assert row.low["uf1"] <= row.value["uf1"] <= row.high["uf1"]
    # A dataset of half the clips is less certain, and random labels reach further on it.
    assert alpha.chance["uf1"]["high"] > pooled.chance["uf1"]["high"]


@pytest.mark.parametrize(("value", "low", "kind"), [(0.9, 0.6, "above"), (0.9, 0.4, "unclear"), (0.5, 0.4, "chance")])
def test_a_verdict_needs_the_whole_interval(
    experiments: dict[str, Experiment], value: float, low: float, kind: str
) -> None:
    score = score_rows(experiments["good"])[0]
    chance = {"uf1": {"low": 0.2, "mean": 0.3, "high": 0.5}}
    score = replace(score, value={"uf1": value}, low={"uf1": low}, chance=chance)
    assert score.verdict == kind


def test_the_title_answers(experiments: dict[str, Experiment]) -> None:
    pooled = [score_rows(e)[0] for e in experiments.values()]
    assert title(pooled) == "2 of 2 experiments score above chance"
    assert title(pooled[:1]).startswith("good scores above chance: UF1 0.")
    assert title([pooled[2]]) == "Only experiments on permuted labels were scored"
    assert title([]) == "No experiment was scored"


def test_an_experiment_cannot_be_told_from_itself(experiments: dict[str, Experiment]) -> None:
    same = compare(experiments["good"], renamed(experiments["good"], "twin"))
    assert same.scores["uf1"] == {"value": 0, "low": same.scores["uf1"]["low"], "high": same.scores["uf1"]["high"],
                                  "distinguishable": False}  # fmt: skip
    assert same.scores["uf1"]["low"] <= 0 <= same.scores["uf1"]["high"] and same.clips == 46
    html = comparison_table([same])
    assert "not distinguishable: the interval contains 0" in html


def test_a_system_is_better_than_noise_in_either_order(experiments: dict[str, Experiment]) -> None:
    first = compare(experiments["better"], experiments["leak_test"])
    second = compare(experiments["leak_test"], experiments["better"])
    one, other = first.scores["uf1"], second.scores["uf1"]
    assert one["distinguishable"] and one["low"] > 0
    assert other["value"] == pytest.approx(-one["value"]) and other["high"] < 0
    assert "better is better" in comparison_table([first]) and "better is better" in comparison_table([second])


def test_permuted_labels_are_compared_with_nothing(experiments: dict[str, Experiment]) -> None:
    found = comparisons(list(experiments.values()))
    assert [(c.first, c.second) for c in found] == [("good", "better")]


def test_experiments_that_share_no_clip_or_class_set_say_so(experiments: dict[str, Experiment]) -> None:
    good = experiments["good"]
    other = replace(good, scored=replace(good.scored, classes=("a", "b")))
    assert compare(good, other).problem == "classes negative, positive, surprise and a, b"
    elsewhere = replace(good.scored, keys=[("gamma", name) for _, name in good.scored.keys])
    assert "not comparable: no clip in common" in comparison_table([compare(good, replace(good, scored=elsewhere))])


def test_the_csv_table_holds_what_the_rows_hold(experiments: dict[str, Experiment]) -> None:
    rows = score_rows(experiments["good"])
    table = list(csv.DictReader(io.StringIO(scores_csv(rows))))
    assert [line["dataset"] for line in table] == ["pooled", "alpha", "beta"]
    for line, row in zip(table, rows, strict=True):
        assert float(line["uf1"]) == pytest.approx(row.value["uf1"], abs=1e-6)
        assert float(line["uar_low"]) == pytest.approx(row.low["uar"], abs=1e-6)
    assert table[0]["seeds"] == "3" and table[1]["mean_of_folds_f1_all"] == ""


def test_a_spreadsheet_runs_no_cell(experiments: dict[str, Experiment]) -> None:
    rows = [replace(row, dataset="=HYPERLINK(1)") for row in score_rows(experiments["good"])[1:]]
    table = list(csv.DictReader(io.StringIO(scores_csv(rows))))
    assert table[0]["dataset"] == "'=HYPERLINK(1)"


def test_latex_is_escaped_and_has_a_row_per_score(experiments: dict[str, Experiment]) -> None:
    rows = score_rows(renamed(experiments["good"], r"a_b\input{x}"))
    text = scores_tex(rows)
    assert r"a\_b\textbackslash{}input\{x\}" in text
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(body) == 1 + len(rows) and {line.count("&") for line in body} == {5 + 0, 5}
    assert f"{rows[0].value['uf1']:.3f} [{rows[0].low['uf1']:.3f}, {rows[0].high['uf1']:.3f}]" in text


def test_predictions_may_be_one_file_per_fold(
    inputs: ReportInputs, experiments: dict[str, Experiment], tmp_path: Path
) -> None:
    files = inputs.experiments["good"]
    head, *lines = files.predictions[0].read_text(encoding="utf-8").splitlines()
    parts = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path, part in zip(parts, (lines[::2], lines[1::2]), strict=True):
        path.write_text("\n".join([head, *part]) + "\n", encoding="utf-8")
    again = load_experiment("good", replace(files, predictions=parts))
    assert (again.scored.predicted == experiments["good"].scored.predicted).all()
    with pytest.raises(ModelError, match="occurs a second time with seed 0"):
        load_experiment("good", replace(files, predictions=[*parts, parts[0]]))
    with pytest.raises(ModelError, match=r"not every seed has every clip|scores 46 clips"):
        load_experiment("good", replace(files, predictions=parts[:1]))


def test_broken_metrics_are_one_line(inputs: ReportInputs, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(ModelError, match="not JSON"):
        load_experiment("good", replace(inputs.experiments["good"], metrics=tmp_path / "metrics.json"))


def test_times_are_summed_and_the_unmeasured_counted(inputs: ReportInputs) -> None:
    rows = stage_times(inputs.benchmarks, {("align", "alpha/face"): 23})
    assert [(row.stage, row.what) for row in rows] == [("frames", "alpha"), ("align", "alpha/face"), ("fit", "good")]
    align = rows[1]
    assert (align.jobs, align.unmeasured, align.clips) == (2, 1, 23)
    assert (align.wall, align.cpu, align.memory) == (pytest.approx(10.6), 9.25, 512.0)
    assert all(not math.isnan(row.wall) for row in rows)


def test_folds_and_seeds_of_an_experiment_are_one_row(tmp_path: Path) -> None:
    for seed in (0, 1):
        for fold, memory in (("a", "200"), ("b.c", "150"), ("d", "-")):
            path = tmp_path / f"fit/net/seed{seed}/{fold}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"s\tmax_rss\tcpu_time\n2.0\t{memory}\t1.5\n")
    (row,) = stage_times(tmp_path, {})
    assert (row.what, row.jobs, row.wall, row.cpu, row.memory) == ("net", 6, 12.0, 9.0, 200.0)
    assert (row.unmeasured, row.clips) == (2, None)


def test_no_benchmarks_give_no_rows_and_a_bad_file_one_line(tmp_path: Path) -> None:
    assert stage_times(tmp_path / "none", {}) == []
    (tmp_path / "flow/a").mkdir(parents=True)
    (tmp_path / "flow/a/b.tsv").write_text("s\tmax_rss\n1\t2\n")
    with pytest.raises(ContainerError, match="unreadable benchmark"):
        stage_times(tmp_path, {})


def test_the_configuration_reads_back_as_yaml(inputs: ReportInputs) -> None:
    yaml = pytest.importorskip("yaml")
    tricky = {
        "a": None,
        "b": [1, 2.5, "on", "x: y", ""],
        "c": {},
        "d": {"e f": True, "g": '"<&>"'},
        "h": "0012",
        "i": "é\n",
    }
    for config in (inputs.configuration, tricky):
        assert yaml.safe_load(as_yaml(config)) == json.loads(json.dumps(config))


def test_text_is_escaped_and_markup_is_not() -> None:
    heading = """{% from "parts.html" import grey, folded %}"""
    text = environment(PACKAGE).from_string(heading + '<p title="{{ t }}">{{ grey(t) }}</p>')
    assert text.render(t='<b>"&') == '<p title="&lt;b&gt;&#34;&amp;"><p class="grey">&lt;b&gt;&#34;&amp;</p></p>'
    nested = environment(PACKAGE).from_string(heading + '{% call folded(t ~ "<") %}{{ t }}{% endcall %}')
    assert nested.render(t="<i>").split() == ["<details><summary>&lt;i&gt;&lt;</summary>", "&lt;i&gt;", "</details>"]


@pytest.mark.parametrize("code", [0x00, 0x08, 0x0B, 0x1F, 0x7F, 0x9F, 0xD800, 0x200B, 0x202E, 0x2066, 0xFEFF])
def test_characters_that_hide_or_reorder_text_are_replaced(code: int) -> None:
    assert plain(f"a{chr(code)}b\t\n") == "a\ufffdb\t\n"


def test_a_template_that_lacks_a_value_fails_instead_of_showing_nothing() -> None:
    with pytest.raises(UndefinedError):
        environment(PACKAGE).from_string("{{ absent }}").render()


def test_shapes_stay_on_the_scale_and_hold_their_numbers() -> None:
    chart = bar_chart([("a<b", 2.0, "2.0 s"), ("none", 0.0, "0.0 s")], "seconds")
    long, short = [shape for shape in chart.shapes if shape.name == "rect"]
    assert float(long.attributes["width"]) == chart.width - 340 and float(short.attributes["width"]) == 0.5
    assert [Scale(0, 10, 100, 0)(value) for value in (-5, 0, 5, 10, 99)] == [100, 100, 50, 0, 0]
    text = drawn("charts.html", "svg", chart)
    assert text.startswith('<svg viewBox="0 0 720 50" role="img" aria-label="seconds"') and "a&lt;b" in text


def test_a_thinned_curve_keeps_its_peak() -> None:
    values = np.zeros(5000)
    values[1234] = 7.0
    places, kept = thinned(np.arange(5000), values)
    assert len(kept) == len(places) == 700 and kept.max() == 7.0 and abs(places[kept.argmax()] - 1234) < 8
