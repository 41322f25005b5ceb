"""Text in LaTeX."""

from mer.core.latex import escape


def test_reserved_characters_are_escaped_and_others_kept() -> None:
    assert escape(r"a_b & 5 % \x{}~^#$") == (
        r"a\_b \& 5 \% \textbackslash{}x\{\}\textasciitilde{}\textasciicircum{}\#\$"
    )
    assert escape("é 1.5") == "é 1.5"
