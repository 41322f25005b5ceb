"""A code digest follows behaviour, not words."""

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
    with pytest.raises(ModuleNotFoundError, match=r"mer\.none"):
        digest("mer.none")


def test_versions_name_what_shapes_results():
    found = provenance.versions()
    assert found["numpy"][0].isdigit()
    assert found["torch"] != "not installed"
