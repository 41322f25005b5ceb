"""`examples/notebook.py` runs from top to bottom on a run, and is what jupytext takes for a notebook."""

import re
import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "notebook.py"


@pytest.mark.slow
def test_the_example_runs_and_scores_with_intervals(project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    seen = runpy.run_path(str(EXAMPLE))
    for name, predicted in (("p_svm", seen["p_svm"]), ("p_network", seen["p_network"].ravel())):
        assert set(predicted) <= set(seen["clips"].classes), name
    score = seen["network_score"]
    assert list(score.index) == ["uf1", "uar", "accuracy"]
    assert ((score["low"] <= score["value"]) & (score["value"] <= score["high"])).all()
    assert (score["chance_low"] < score["chance_high"]).all()
    shown = capsys.readouterr().out
    assert shown.count("chance_low") == 3 and shown.count("distinguishable") == 2 and "longest motion" in shown


def test_it_is_in_percent_form():
    text = EXAMPLE.read_text(encoding="utf-8")
    assert text.startswith("# ---\n# jupyter:\n#   jupytext:") and "format_name: percent" in text
    cells = re.split(r"^# %%", text, flags=re.M)[1:]
    titles = [cell for cell in cells if cell.startswith(" [markdown]")]
    assert len(titles) >= 5 and len(cells) - len(titles) >= 8
    for cell in titles:
        assert all(line.startswith("#") for line in cell.splitlines()[1:] if line), cell
