"""my_plugin keeps its contract: run by pytest."""

from pathlib import Path

from mer.testing.plugins import check_plugin


def test_my_plugin_keeps_its_contract() -> None:
    """The checks of `mer check-plugin`; a value that you know belongs in a test beside it."""
    lines: list[str] = []
    assert check_plugin(str(Path(__file__).with_name("my_plugin.py")), lines.append), "\n".join(lines)
