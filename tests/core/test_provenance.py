"""A code digest follows behaviour, not words."""

import re

import pytest

from mer import provenance


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    provenance._tree.cache_clear()
    (tmp_path / "kernel.py").write_text(
        '"""Words."""\nimport numpy\n\ndef double(x):\n    """Words."""\n    return 2 * x\n'
    )
    (tmp_path / "stage.py").write_text("def run(x):\n    from mer.kernel import double\n    return double(x)\n")
    (tmp_path / "other.py").write_text("VALUE = 1\n")
    yield tmp_path
    provenance._tree.cache_clear()


def digest(*names):
    provenance._tree.cache_clear()
    return provenance.code_digest(*names)


def test_words_and_layout_do_not_count(package):
    before = digest("mer.stage")
    (package / "kernel.py").write_text(
        '"""Other words."""\nimport numpy  # why\n\n\ndef double(x):\n    """More words."""\n    return (2 *\n x)\n'
    )
    assert digest("mer.stage") == before


def test_behaviour_of_an_import_inside_a_function_counts(package):
    before, untouched = digest("mer.stage"), digest("mer.other")
    (package / "kernel.py").write_text("def double(x):\n    return 3 * x\n")
    assert digest("mer.stage") != before
    assert digest("mer.other") == untouched


def test_a_missing_module_is_an_error(package):
    for name in ("mer.none", "nowhere", "nowhere.at_all", "json.none", "_thread"):
        with pytest.raises(ModuleNotFoundError, match=re.escape(name)):
            digest(name)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("theirs.model", {"network": "from ._layers import f", "_layers": "def f(): return 1", "__init__": ""}),
        ("theirs.model", {"network": "import theirs", "_layers": "1", "__init__": "from theirs._layers import f"}),
        ("model_by_itself", {"network": "import _layers", "_layers": "def f(): return 1"}),
    ],
)
def test_a_module_outside_counts_with_what_lies_beside_it_and_with_mer(package, tmp_path, monkeypatch, name, files):
    home = tmp_path / "outside" / name.rpartition(".")[0]
    home.mkdir(parents=True)
    beside = "from . import network" if "." in name else "import network"
    model = f'"""Words."""\nimport numpy\n{beside}\ndef fit():\n    from mer.kernel import double\n'
    for file, text in {**files, name.rpartition(".")[2]: model, "other": "VALUE = 1"}.items():
        (home / f"{file}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "outside")
    before = digest(name)
    for untouched in (home / "other.py", package / "other.py"):
        untouched.write_text("VALUE = 2\n")
        assert digest(name) == before
    (home / f"{name.rpartition('.')[2]}.py").write_text(model.replace("Words", "Other words"))
    assert digest(name) == before
    for path in (home / "_layers.py", package / "kernel.py", home / "network.py"):
        path.write_text(path.read_text() + "\nMORE = 3\n")
        after = digest(name)
        assert after != before, path
        before = after


def test_versions_name_what_shapes_results():
    found = provenance.versions()
    assert found["numpy"][0].isdigit()
    assert found["torch"] != "not installed"
