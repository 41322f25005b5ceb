"""`mer bench shuffled` runs every experiment on several orders of its labels, and judges each by its own band."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from mer.bench.shuffled import twins
from mer.bench.survival import WholeRun
from mer.cli import app
from mer.core.errors import ConfigError

BLOCK = {"model": "ststnet", "data": ["a"], "view": "emotion_3", "protocol": "loso", "inputs": {"motion": "flow/apex"}}
UF1 = {"one": {0: 0.30, 1: 0.50}, "two": {0: 0.20, 1: 0.40}}


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """A run that writes the scores of the experiments that it was asked for; returns the overlays that runs got."""
    given = []

    def finish(self):
        overlay = yaml.safe_load(Path(self.command[self.command.index("--configfile") + 1]).read_text(encoding="utf-8"))
        given.append(overlay)
        targets = self.command[self.command.index("--") + 1 :]
        assert [Path(target).parent.name for target in targets] == [*overlay["experiments"]]
        for target in map(Path, targets):
            uf1 = UF1[target.parent.name.partition("_")[2]][overlay["seed"]]
            band = {"low": 0.25, "high": 0.45, "p": 0.01}
            target.parent.mkdir(parents=True)
            scores = {"uf1": {"mean": uf1}, "uar": {"mean": 0.33}}
            chance = {"own_predictions": {"uf1": band, "uar": band}}
            target.write_text(json.dumps({"summary": {"pooled": scores}, "chance": chance, "seeds": [0]}))

    monkeypatch.setattr(WholeRun, "finish", finish)
    monkeypatch.chdir(tmp_path)
    return given


def test_every_order_is_judged_by_the_band_of_its_own_answers(runs):
    shuffled = {**BLOCK, "labels": "permuted"}
    experiments = {"one": BLOCK, "two": {**BLOCK, "labels": "true"}, "known": shuffled}
    Path("config.yaml").write_text(yaml.safe_dump({"results": "out", "seed": 7, "experiments": experiments}))
    done = CliRunner().invoke(app, ["bench", "shuffled", "--orders", "2", "--json"], catch_exceptions=False)
    rows = json.loads(done.stdout)
    assert [(row["what"], row["told"]) for row in rows] == [
        ("one, order 0", "inside chance"),
        ("one, order 1", "above chance, p 0.010"),
        ("one, mean of orders", ""),
        ("two, order 0", "below chance"),
        ("two, order 1", "inside chance"),
        ("two, mean of orders", ""),
    ]
    assert (rows[2]["uf1"], rows[2]["seeds"], rows[0]["uf1_high"]) == (pytest.approx(0.4), 2, 0.45)
    assert [overlay["seed"] for overlay in runs] == [0, 1]
    assert runs[1]["experiments"] == {"shuffled1_one": shuffled, "shuffled1_two": shuffled}


def test_nothing_to_shuffle():
    with pytest.raises(ConfigError, match="none on true labels"):
        twins({"experiments": {"known": {**BLOCK, "labels": "permuted"}}}, 0)
