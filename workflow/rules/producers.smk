# Who makes a file: Snakemake's question of every input of every job, answered without trying all files of a rule, of which
# there may be thousands.

import snakemake.dag
from snakemake.output_index import OutputIndex


class Producers(OutputIndex):
    """Look up the rules that make a file.

    Rules without wildcards, which name their files (the tables of all folds, the products of several persons), are found by
    the name of the file, before all others; these are asked once for a file, not by every job that reads it.
    """

    def __init__(self, rules):
        rules = list(rules)
        super().__init__([rule for rule in rules if rule.has_wildcards()])
        self._named = {
            str(file): {rule}
            for rule in rules
            if not rule.has_wildcards()
            for file in rule.products()
        }
        self._asked = {}

    def match_producers(self, targetfile):
        if targetfile in self._named:
            return self._named[targetfile]
        if targetfile not in self._asked:
            self._asked[targetfile] = super().match_producers(targetfile)
        return self._asked[targetfile]


snakemake.dag.OutputIndex = Producers
