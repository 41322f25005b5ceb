"""What goes into a paper: citations, the paragraph Methods, tables, figures."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from mer.core.errors import ConfigError
from mer.datasets.registry import READERS
from mer.models.registry import MODELS
from mer.report import figures
from mer.report.citations import bibliography, cite, entries
from mer.report.clip_pictures import ClipReader
from mer.report.courses import Courses
from mer.report.details import Details
from mer.report.scores import load_experiment, score_rows

OURS = {"svm_flow", "flow_cnn"}  # models of our own, and readers of anybody's clips
ANYBODYS = {"videos", "table"}


def test_every_database_and_published_system_is_cited():
    assert {name for name in READERS if not cite(f"reader:{name}")} == ANYBODYS
    assert {name for name in MODELS if not cite(f"model:{name}")} == OURS


def test_entries_have_unique_keys_and_closed_braces():
    keys = [entry.key for entry in entries()]
    assert len(set(keys)) == len(keys)
    for entry in entries():
        assert entry.text.count("{") == entry.text.count("}") and entry.text.endswith("}")
        assert re.match(r"@\w+\{\w+,\n? *\w+ = ", entry.text), entry.text
        assert "uses =" not in entry.text and "shown =" not in entry.text and "year = {" in entry.text


def test_only_what_is_cited_is_in_the_bibliography():
    text = bibliography([cite("reader:casme2"), cite("reader:smic_e")])
    assert re.findall(r"^@\w+\{(\w+)", text, re.M) == ["yan2014casme2", "li2013smic", "li2018towards"]


def test_the_methods_say_what_the_files_say(page, whole):
    text = (page.parent / "methods.tex").read_text()
    for told in (
        r"simulated faces in the layout of CASME~II~\cite{yan2014casme2} (23 clips of 4 subjects)",
        r"and SAMM~\cite{davison2018samm} (23 clips of 4 subjects)",
        r"from align/face by tvl1~\cite{zach2007tvl1}, in short \emph{apex}",
        "size 96",
        r"\emph{good} is svm\_flow (preset float\_flow, 3 seeds) on \emph{apex}",
        "leave-one-subject-out",
        "on 46 clips",
        "200 bootstrap draws",
        "2 clips at the stage index",
    ):
        assert told in text, told
    # Only what leads to a system, and no experiment on shuffled labels.
    assert "magnif" not in text and "leak" not in text
    cited = {key for keys in re.findall(r"\\cite\{([^}]*)\}", text) for key in keys.split(",")}
    known = set(re.findall(r"^@\w+\{(\w+)", (page.parent / "references.bib").read_text(), re.M))
    assert cited == known


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX on the path")
def test_the_texts_compile(page, tmp_path):
    for name in ("methods.tex", "scores.tex", "references.bib"):
        shutil.copy(page.parent / name, tmp_path)
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\input{methods}\n\n{\\scriptsize\\input{scores}}\n"
        "\\bibliographystyle{plain}\\bibliography{references}\\end{document}\n"
    )
    for command in (["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper"], ["bibtex", "paper"]) * 2:
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(["pdflatex", "-interaction=nonstopmode", "paper"], cwd=tmp_path, check=True, capture_output=True)
    log = (tmp_path / "paper.log").read_text(errors="replace")
    assert "undefined" not in log and (tmp_path / "paper.pdf").stat().st_size > 10_000


@pytest.fixture(scope="module")
def drawn(inputs):
    one = load_experiment("good", inputs.experiments["good"])
    alpha = inputs.datasets["alpha"].products
    paths = {product: files["alpha-s00"] for product, files in alpha.items()}
    with ClipReader(paths, "s00/clip0", inputs.sources) as reader:
        return {
            "confusion": figures.confusion(Details(one)),
            "intervals": figures.intervals(score_rows(one), 2),
            "curves": figures.curves(Courses([np.linspace(2, 1, 9), np.linspace(3, 1, 9)], ["a", "b"])),
            "clip": figures.clip(reader, 2),
            "flow": figures.clip(reader, 1, ("flow",)),
        }


@pytest.mark.parametrize("kind", ["confusion", "intervals", "curves", "clip", "flow"])
def test_figures_are_as_wide_as_columns_and_come_out_the_same_twice(drawn, kind, tmp_path):
    figure = drawn[kind]
    assert figure.get_figwidth() == figures.COLUMNS[2 if kind in ("intervals", "clip") else 1]
    ending, magic = {"curves": ("svg", b"<?xml"), "flow": ("png", b"\x89PNG")}.get(kind, ("pdf", b"%PDF"))
    first, second = (figures.save(figure, tmp_path / f"{n}.{ending}").read_bytes() for n in "ab")
    assert first.startswith(magic) and first == second
    with pytest.raises(ConfigError, match=r"ends in \.gif"):
        figures.save(figure, tmp_path / "a.gif")


def test_figures_say_what_they_were_given(drawn):
    texts = [text.get_text() for text in drawn["confusion"].axes[0].texts]
    assert len(texts) == 9 and all("%" in text for text in texts)
    labels = [tick.get_text() for tick in drawn["intervals"].axes[0].get_yticklabels()]
    assert labels == ["good", "alpha", "beta"]
    mean = drawn["curves"].axes[0].lines[-1].get_ydata()
    assert mean[0] == pytest.approx(2.5) and mean[-1] == pytest.approx(1)
    assert {"flow/apex", "flow/big"} <= {text.get_text() for text in drawn["flow"].texts}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["pie"], "knows no 'pie'; expected confusion, intervals"),
        (["clip"], "is not told of which clip; expected --clip and --dataset"),
        (["curves"], "is told of no experiments; expected --experiment with one of one, two"),
    ],
)
def test_a_wrong_figure_is_one_line(given, message, monkeypatch):
    from types import SimpleNamespace

    from typer.testing import CliRunner

    from mer.cli import app
    from mer.notebook import run

    monkeypatch.setattr(run, "open_run", lambda *paths: SimpleNamespace(experiments=["one", "two"]))
    told = CliRunner().invoke(app, ["figure", *given])
    assert isinstance(told.exception, ConfigError) and message in told.exception.line()
