"""What planning hands to the report, and configuration files laid over each other."""

from pathlib import Path

import pytest

from mer.core.errors import ConfigError
from mer.planning.catalog import Catalog
from mer.planning.keys import report_code
from mer.planning.read_config import parse, read_files
from mer.planning.recognition import PlannedRecognition
from mer.planning.report_inputs import report_inputs, sources
from mer.provenance import PACKAGE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def given() -> dict:
    return read_files([ROOT / "config.yaml", ROOT / "tests" / "small.yaml"])


def test_everything_comes_from_the_checked_configuration(given: dict) -> None:
    catalog = Catalog(parse(given))
    inputs = report_inputs(catalog, given)
    assert list(inputs.datasets) == list(given["datasets"]) and all(d.simulated for d in inputs.datasets.values())
    assert set(inputs.experiments) == set(given["experiments"])
    assert inputs.benchmarks == Path("results/small/benchmarks") and inputs.configuration is given
    name = next(iter(inputs.experiments))
    assert inputs.experiments[name].predictions == PlannedRecognition(catalog, name).files("predictions.csv")
    for dataset, files in inputs.datasets.items():
        assert list(files.products) == catalog.config.products_of(dataset)
        assert files.index == Path(f"results/small/{dataset}/index.csv")


def test_sources_follow_the_configuration() -> None:
    raw = {
        "datasets": {"a": {"reader": "casme2", "simulate": {"subjects": 2, "clips": 2}}},
        "align": {"face": {"method": "dlib"}},
        "magnify": {"three": {"from": "align/face", "method": "lagrangian"}},
        "flow": {"apex": {"from": "align/face", "method": "tvl1"}, "big": {"from": "magnify/three", "method": "tvl1"}},
    }
    assert sources(parse(raw)) == {
        "align/face": "frames", "magnify/three": "align/face", "flow/apex": "align/face", "flow/big": "magnify/three",
    }  # fmt: skip


def test_a_later_file_changes_keys_of_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("seed: 1\nreport: {clips: 3}\ndatasets: {x: {reader: samm}}\n")
    (tmp_path / "b.yaml").write_text("report: {clips: 5}\ndatasets: {y: {reader: smic}}\n")
    merged = read_files([tmp_path / "a.yaml", tmp_path / "b.yaml"])
    assert merged["seed"] == 1 and merged["report"] == {"clips": 5} and set(merged["datasets"]) == {"x", "y"}


@pytest.mark.parametrize(
    ("text", "message"), [(None, "configuration not found"), ("a: [", "not YAML"), ("- a\n", "not a mapping")]
)
def test_a_file_that_is_no_configuration_is_one_line(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "c.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        read_files([path])
    assert "\n" not in str(error.value)


def test_the_report_is_made_again_when_a_template_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    from mer.planning import keys

    read = []
    monkeypatch.setattr(keys, "with_files", lambda code, *paths: read.extend(paths) or code)
    report_code()
    assert {path.name for path in read} == {path.name for path in (PACKAGE / "report" / "templates").iterdir()}
    assert {"base.html", "page.css"} <= {path.name for path in read}
