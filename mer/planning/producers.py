"""Who makes a file: Snakemake's question of every input of every job, answered without trying all outputs of a rule."""

from __future__ import annotations

from collections.abc import Iterable

from snakemake import dag
from snakemake.output_index import OutputIndex
from snakemake.rules import Rule


class Producers(OutputIndex):
    """Look up the rules that make a file.

    Rules without wildcards, which make many files each (the tables of all folds, the products of several persons), are
    found by the name of the file, before all others; these are asked once for a file, not by every job that reads it.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        rules = list(rules)
        super().__init__([rule for rule in rules if rule.has_wildcards()])
        self._named = {str(file): {rule} for rule in rules if not rule.has_wildcards() for file in rule.products()}
        self._asked: dict[str, set[Rule]] = {}

    def match_producers(self, targetfile: str) -> set[Rule]:
        """Return the rules that make a file."""
        if targetfile in self._named:
            return self._named[targetfile]
        if targetfile not in self._asked:
            self._asked[targetfile] = super().match_producers(targetfile)
        return self._asked[targetfile]


def look_up_by_name() -> None:
    """Have Snakemake look up files in this way from here on."""
    dag.OutputIndex = Producers  # type: ignore[misc]
