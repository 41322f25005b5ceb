"""The page: its numbers, its safety against hostile text, its self-containment and its determinism."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from report_world import HOSTILE

from mer.core.errors import DatasetError, ModelError
from mer.metrics.recognition import source_scores
from mer.report.build import build_report
from mer.report.data import load_dataset
from mer.report.details import Details
from mer.report.html import digest_of
from mer.report.inputs import ReportInputs
from mer.report.scores import load_experiment


class Reader(HTMLParser):
    """Collects elements, attributes and visible text, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attributes]
        if tag not in ("img", "meta", "br", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


@pytest.fixture(scope="module")
def seen(page: Path) -> Reader:
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    assert not reader.open
    return reader


PACKAGE = Path(build_report.__code__.co_filename).parent


def words(text: str) -> str:
    return " ".join(text.split())


def build(inputs: ReportInputs, folder: Path) -> str:
    build_report(inputs, folder / "index.html")
    return (folder / "index.html").read_text(encoding="utf-8")


def test_the_page_contains_the_numbers_of_the_metrics(inputs: ReportInputs, seen: Reader) -> None:
    text = words(seen.text)
    for name in ("good", "better"):
        metrics = json.loads(inputs.experiments[name].metrics.read_text())
        bounds = metrics["interval"]["uf1"]
        value, high = metrics["summary"]["pooled"]["uf1"]["mean"], metrics["chance"]["permuted"]["uf1"]["high"]
        facts = f"{name} : pooled UF1 {value:.3f} [95 % interval {bounds['low']:.3f}, {bounds['high']:.3f}]"
        assert facts in text
        assert f"random labels reach up to {high:.3f}" in text
        for dataset in ("alpha", "beta"):
            assert f"{dataset} 23 4 {metrics['summary']['per_dataset'][dataset]['uf1']['mean']:.3f}" in text
        for row in metrics["per_seed"]["0"]["pooled"]["per_class"].values():
            assert str(row["support"]) in text


def test_confusion_counts_are_summed_over_seeds(inputs: ReportInputs, page: Path) -> None:
    metrics = json.loads(inputs.experiments["good"].metrics.read_text())
    total = sum(metrics["per_seed"][seed]["pooled"]["confusion"][0][0] for seed in ("0", "1", "2"))
    section = page.read_text(encoding="utf-8").split('<section id="experiments">')[1]
    first = re.search(r'<table class="confusion">.*?<td class="n cell[^>]*>(\d+)<small>', section, re.S)
    assert first is not None and int(first[1]) == total
    assert "Counts are summed over 3 seeds." in section


def test_every_subject_has_accuracy_uf1_and_uar(inputs: ReportInputs, page: Path) -> None:
    experiment = load_experiment("good", inputs.experiments["good"])
    details = Details(experiment)
    for name, clips, accuracy, uf1, uar, *counts in details.subject_rows:
        matrices = np.array([run["per_subject"][name]["confusion"] for run in details.runs])
        expected = source_scores(matrices).mean(axis=0)
        assert [uf1, uar, accuracy] == [f"{value:.3f}" for value in expected]
        assert sum(counts) == clips == matrices[0].sum()
    section = page.read_text(encoding="utf-8").split('<section id="experiments">')[1]
    assert re.search(r"subject</th>.*?accuracy</th>.*?UF1</th>.*?UAR</th>", section, re.S)
    assert "those of the published per-subject lists" in section


def test_mean_of_folds_is_named_and_explained(inputs: ReportInputs, seen: Reader) -> None:
    folds = json.loads(inputs.experiments["good"].metrics.read_text())["summary"]["mean_of_folds"]
    assert f"{folds['present']['f1']['mean']:.3f} / {folds['all']['f1']['mean']:.3f}" in seen.text
    assert "is not UF1" in seen.text


def test_permuted_labels_are_read_as_a_leak_test(seen: Reader) -> None:
    assert "the score stays at chance: no sign of a leak" in seen.text
    assert "2 of 2 experiments score above chance" in seen.text


def test_flags_of_the_score_step_are_shown(inputs: ReportInputs, tmp_path: Path) -> None:
    metrics = json.loads(inputs.experiments["good"].metrics.read_text())
    metrics["flags"] = ["suspicious: UF1 0.910 <b>"]
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    suspect = replace(inputs.experiments["good"], metrics=tmp_path / "metrics.json")
    html = build(replace(inputs, experiments={"good": suspect}), tmp_path / "out")
    assert '<p class="warning">suspicious: UF1 0.910 &lt;b&gt;</p>' in html
    assert "see the warning above" in html


def test_hostile_text_stays_text(page: Path, seen: Reader) -> None:
    html = page.read_text(encoding="utf-8")
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", html, re.S)
    (own,) = [text for kind, text in scripts if not kind]
    assert f"script-src 'sha256-{digest_of(own)}'" in html and own in (PACKAGE / "templates/report.js").read_text()
    assert seen.tags.count("script") == len(scripts)
    told = [json.loads(text) for kind, text in scripts if kind]
    assert len(told) == 46 and HOSTILE not in json.dumps(told, ensure_ascii=False)
    assert "b>no</b" not in html and "<img src=x" not in html
    assert all(not name.startswith("on") for name, _ in seen.attributes)
    assert "\u202e" not in html
    assert HOSTILE.replace("\u202e", "\ufffd") in seen.text
    assert "<b>no</b> frames" in seen.text and "<img src=x onerror=y>" in seen.text


def test_nothing_is_fetched_from_elsewhere(page: Path, seen: Reader) -> None:
    html = page.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]+\.[a-z]|@import|url\(", html)
    for name, value in seen.attributes:
        if name == "src":
            assert value.startswith("data:image/")
        if name == "href":
            assert value.startswith("#") and f'id="{value[1:]}"' in html
    assert "default-src 'none'; img-src data:" in html


def test_the_same_inputs_give_the_same_bytes(whole: ReportInputs, page: Path, tmp_path: Path) -> None:
    assert build(whole, tmp_path) == page.read_text(encoding="utf-8")
    for name in ("scores.csv", "scores.tex", "methods.tex", "references.bib"):
        assert (tmp_path / name).read_bytes() == (page.parent / name).read_bytes()


def test_every_section_states_its_facts(seen: Reader) -> None:
    text = words(seen.text)
    assert "24 annotated expressions, 23 usable, of 4 subjects." in text
    assert "1 clip excluded: 1 at index" in text and "1 problem met by the reader: 1 error" in text
    assert "align alpha/face 2 23 10.6 9.2" in text
    assert "1 of 4 jobs ended before Snakemake had measured them" in text
    assert "1 correction of the annotation applied to 1 clip" in text and "apex 13 to 14 (typing error)" in text
    assert "Release: coding.xlsx sha256:0123abcd." in text
    assert "datasets: alpha: reader: casme2 simulate: subjects: 4" in text
    assert "Method lagrangian, alphas [1.5, 3.0]" in text and "c0de" in text
    assert "mer 0.1.0" in text or re.search(r"mer \d", text)


def test_the_licence_note_is_for_licensed_faces_only(page: Path) -> None:
    clips = page.read_text(encoding="utf-8").split('<section id="clips">')[1].split('<section id="time">')[0]
    alpha, beta = clips.split("<h3>beta</h3>")
    assert "These pictures show people" in beta and "These pictures show people" not in alpha


def test_words_that_no_clip_has_are_told_where_they_are_seen(inputs: ReportInputs, tmp_path: Path) -> None:
    first = next(iter(inputs.experiments))
    told = {first: replace(inputs.experiments[first], unheard=("wonder",))}
    assert "<p>No clip has wonder: misspelt, perhaps.</p>" in build(replace(inputs, experiments=told), tmp_path)


def test_the_three_classes_are_shown_where_a_clip_has_one(inputs: ReportInputs) -> None:
    alpha = load_dataset("alpha", inputs.datasets["alpha"])
    own = replace(alpha, samples=[replace(row, emotion_norm="smirk", emotion_3=None) for row in alpha.samples])
    assert [len(row) for row in alpha.class_rows[:1]] == [4] and alpha.has_view
    assert [row[0] for row in own.class_rows] == ["smirk"] and len(own.class_rows[0]) == 3 and not own.has_view


def test_missing_parts_are_named(inputs: ReportInputs, tmp_path: Path) -> None:
    alpha = inputs.datasets["alpha"]
    products = {key: dict(paths) for key, paths in alpha.products.items()}
    products["magnify/three"] = {key: tmp_path / "gone.h5" for key in products["magnify/three"]}
    bare = replace(alpha, excluded=tmp_path / "no.csv", problems=tmp_path / "no.csv", products=products)
    empty = replace(inputs.datasets["beta"], products={})
    html = build(
        replace(inputs, datasets={"alpha": bare, "beta": empty}, experiments={}, benchmarks=tmp_path / "none"), tmp_path
    )
    for sentence in (
        "No experiment was scored", "No experiment is configured.", "No benchmark files are there",
        "The list of excluded clips is not there", "The reader&#39;s list of problems is not there",
        "Not shown: container not found.", "No clip has a product that can be drawn.",
        "No product of this dataset was made.", "alpha-s00: container not found",
    ):  # fmt: skip
        assert sentence in html, sentence


def test_containers_made_in_different_ways_are_named(inputs: ReportInputs, tmp_path: Path, products_of_two) -> None:
    from mer.core.container import ContainerWriter

    products = products_of_two
    with ContainerWriter(products["align/face"]["alpha-s00"], "align", "face", {"method": "other"}, {}, "beef"):
        pass
    only = replace(inputs.datasets["alpha"], products=products)
    html = build(replace(inputs, datasets={"alpha": only}, experiments={}), tmp_path / "out")
    assert "Made with different parameters, code or versions for different subjects: align/face." in html


def test_a_missing_index_or_metrics_file_is_one_line(inputs: ReportInputs, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(DatasetError, match="index not found"):
        build(replace(inputs, datasets={"a": replace(inputs.datasets["alpha"], index=gone)}), tmp_path)
    with pytest.raises(ModelError, match="metrics not found; run the score step first"):
        build(replace(inputs, experiments={"a": replace(inputs.experiments["good"], metrics=gone)}), tmp_path)
    assert not (tmp_path / "index.html").exists()


def test_the_report_needs_neither_torch_nor_the_training_libraries() -> None:
    code = "import sys, mer.report.build; print(sorted({'torch', 'sklearn', 'safetensors'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
