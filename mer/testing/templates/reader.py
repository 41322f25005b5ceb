"""my_plugin: a database of `codes.csv` and, for every clip, a folder of numbered pictures `clips/<subject>/<clip>/`.

In a configuration: `plugins: [my_plugin.py]`, and `reader: my_plugin` in a dataset. `mer --plugin my_plugin.py check
ROOT --dataset my_plugin` reads a download. The keys of the reader `table` may do without a file of your own
(docs/datasets.md). `mer check-plugin my_plugin.py` says whether it keeps its contract.
"""

from pathlib import PurePosixPath

from pydantic import Field

from mer.core.params import Params
from mer.datasets.annotations import Annotation
from mer.datasets.contract import Database, MediaTree
from mer.datasets.table_reader import EVENT_COLUMNS, TableReader, each, rules_with_apex


class Options(Params):
    """The keys under `options`; all that follows the published rules (docs/specs/datasets.md, §0.5) asks for these."""

    apex_missing: str = Field("midpoint", description="what to do where no usable apex is annotated")
    apex_at_onset: str = Field("midpoint", description="what to do where the apex equals the onset")
    alternatives: str = Field("all", description="which branches of an `or` in an AU cell to keep")


def clip_of(folder: PurePosixPath) -> tuple[str, str] | None:
    """Return (subject, clip) of a folder of pictures below the root; None for any other folder."""
    return (folder.parent.name, folder.name) if folder.parent.parent.name == "clips" else None


DATABASE = Database(
    # What rows carry as their database. People who are in another database too: the same `family` in both.
    name="my_plugin",
    fps=100.0,
    emotions=frozenset({"disgust", "happiness", "repression", "sadness", "surprise", "fear", "others"}),
    trees=(MediaTree(view="raw", folders=("clips",), example="folders like clips/s01/a/", key_of=clip_of),),
    tables=("codes.csv",),
)

READER = TableReader(
    name="my_plugin",
    options=Options,
    # A `Licence`, where the owner asks for a signature.
    licence=None,
    databases=(DATABASE,),
    # Our names -> the texts of the table's headers, in lower case: subject, filename, onset, apex, offset are there.
    columns={**EVENT_COLUMNS, "emotion": ("emotion",)},
    annotate=each(lambda row, given: Annotation.of(row, row["subject"], row["filename"])),
    rules=rules_with_apex,
)
