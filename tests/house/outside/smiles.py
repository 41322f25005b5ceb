"""A database of smiles and frowns: `codes.csv` and a folder of pictures for every clip."""

from pydantic import Field

from mer.core.params import Params
from mer.datasets.annotations import Annotation
from mer.datasets.contract import Database, MediaTree
from mer.datasets.table_reader import EVENT_COLUMNS, TableReader, each, rules_with_apex


class Options(Params):
    apex_missing: str = Field("midpoint", description="what to do where no usable apex is annotated")
    apex_at_onset: str = Field("midpoint", description="what to do where the apex equals the onset")
    alternatives: str = Field("all", description="which branches of an `or` in an AU cell to keep")


def clip_key(folder):
    return (folder.parent.name, folder.name) if folder.parent.name.startswith("p") else None


DATABASE = Database(
    name="smiles",
    fps=25.0,
    emotions=frozenset({"disgust", "happiness", "surprise"}),
    trees=(MediaTree(view="cropped", folders=("clips",), example="folders like clips/p1/a/", key_of=clip_key),),
    tables=("codes.csv",),
)
READER = TableReader(
    name="smiles",
    options=Options,
    licence=None,
    databases=(DATABASE,),
    columns={**EVENT_COLUMNS, "emotion": ("emotion",)},
    annotate=each(lambda row, given: Annotation.of(row, row["subject"], row["filename"])),
    rules=rules_with_apex,
)
