"""What a reader of a database is: the contract of every file that `mer.datasets.registry` names.

Such a file has `READER`, an instance of a class that derives from `Reader`. Its fields are the card of the database:
everything that planning, `mer check`, the documentation and the simulator ask about it. Databases that come with an
annotation table use `mer.datasets.table_reader.TableReader`, where the card is all but a few small functions. Nothing
here or in a reader imports OpenCV, torch or pandas; spreadsheets are opened only where a table is really read.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Generic, TypeVar

from mer.core.errors import ConfigError
from mer.core.params import Params
from mer.datasets.reading import Listing, Reading

OptionsT = TypeVar("OptionsT", bound=Params)
#: (canonical subject, clip) of a folder of images, given relative to the dataset root; None for any other folder.
KeyOf = Callable[[PurePosixPath], tuple[str, str] | None]


@dataclass(frozen=True)
class Licence:
    """The agreement of one database: the form that is signed, where it is asked for, and the paper to cite."""

    form: str
    url: str
    cite: str


@dataclass(frozen=True)
class Picture:
    """Documented form of images: (width, height) in pixels or None where it varies, 1 or 3 channels or None."""

    size: tuple[int, int] | None = None
    channels: int | None = None

    def fault(self, width: int, height: int, channels: int | None) -> str:
        """Return the V16 message for an image of another form, '' for one as documented.

        `channels` is None where the image was not decoded.
        """
        sized = self.size is None or (width, height) == self.size
        coloured = self.channels is None or channels is None or channels == self.channels
        if sized and coloured:
            return ""
        wanted = "any size" if self.size is None else f"{self.size[0]}x{self.size[1]}"
        found = f"{width}x{height}"
        if channels is not None and self.channels is not None:
            found, wanted = f"{found}x{channels}", f"{wanted}, grey" if self.channels == 1 else f"{wanted}x3"
        return f"{found}; expected {wanted}; another view?"


VGA = Picture((640, 480), 3)
COLOUR = Picture(None, 3)


@dataclass(frozen=True)
class Release:
    """Counts of one known copy of an annotation table (`mer.datasets.expected.measure` names them).

    `name` begins the table's file name; '' matches any file. `status` is "verified" (counted on the owner's table) or
    "secondary" (from a paper, a page or code); `secondary` holds counts of a verified release that are second-hand.
    """

    name: str
    status: str
    counts: Mapping[str, int]
    secondary: Mapping[str, int] = field(default_factory=dict)


def _known_releases(database: str) -> tuple[Release, ...]:
    return tuple(
        Release(known["release"], known["status"], known["counts"], known.get("secondary", {}))
        for known in _expected().get(database, ())
    )


@cache
def _expected() -> dict[str, Any]:
    return json.loads(Path(__file__).with_name("expected.json").read_text(encoding="utf-8"))


@dataclass(frozen=True, kw_only=True)
class MediaTree:
    """One tree of images or videos that a database is released as.

    Args:
        view: what its rows carry as `Sample.view`.
        option: value of the reader's option `view` that chooses it; '' where that is the value of `view` itself.
        folders: names of its top folder, best first; matched without regard to case, spaces and marks.
        example: what a clip in it looks like, for messages, e.g. "folders like SAMM/006/006_1_2/".
        key_of: which clip a folder is; None where the clips are videos, or the reader finds them in a way of its own.
        picture: documented form of its images; V16 names any other.
        recordings: its media are the whole recordings that the expressions lie in, so that they can be spotted there.
        beside: folders in it that no reader uses, in lower case without marks; `mer check` does not list them.
        bare: tells whether a clip's folder, relative to the dataset root, lies there as it does below the top folder,
            so that the root may be the top folder itself; None: it may not.
        first: number of the first image of every folder; None where clips begin at their onset, or it varies.
        renumbered: how its reader is told that the images have other numbers, `{}` for the number to be said.
        lengths: fewest and most images of a clip, where no table says how long each is.
    """

    view: str
    option: str = ""
    folders: tuple[str, ...] = ()
    example: str = ""
    key_of: KeyOf | None = None
    picture: Picture = field(default_factory=Picture)
    recordings: bool = False
    beside: tuple[str, ...] = ()
    bare: Callable[[PurePosixPath], bool] | None = None
    first: int | None = None
    renumbered: str = "renumbered: {}"
    lengths: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Database:
    """One database as its owner releases it: what is the same for all its rows.

    Args:
        name: what its rows carry as `Sample.dataset`; also its key in `errata.csv`.
        family: databases of the same people share one; a row's group is `family:subject`. '' stands for `name`.
        fps: frames per second; None where that differs between clips.
        emotions: normalised names of its emotion column (`mer.datasets.labels.normalise_emotion`).
        trees: how its media are released; the first where the reader has no option `view`.
        tables: released names of its annotation table, best first.
        chosen_by: options of the reader that choose it, where a reader reads several databases.
        releases: counts of known copies, against which every reading is held (V04); those that `expected.json` has
            under the name, where none are given.
        unlabelled: beginnings of `subject/clip` of folders that the release itself ships without a row.
    """

    name: str
    family: str = ""
    fps: float | None = None
    emotions: frozenset[str] = frozenset()
    trees: tuple[MediaTree, ...]
    tables: tuple[str, ...] = ()
    chosen_by: Mapping[str, str] = field(default_factory=dict)
    releases: tuple[Release, ...] = ()
    unlabelled: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.releases:
            object.__setattr__(self, "releases", _known_releases(self.name))

    def tree_of(self, view: str) -> MediaTree | None:
        """Return the tree whose rows carry `view`, None without one."""
        return next((tree for tree in self.trees if tree.view == view), None)


@dataclass(frozen=True, kw_only=True)
class Reader(ABC, Generic[OptionsT]):
    """How one or several databases are read, and all that is known about them.

    Args:
        name: its name in `mer.datasets.registry.READERS`: `datasets.<name>.reader` in the configuration.
        options: class of its keys in the configuration, each with a default and a description.
        licence: the agreement that its user signs; None for a user's own material.
        databases: what its rows can belong to; one, or as many as an option such as `modality` tells apart.
    """

    name: str
    options: type[OptionsT]
    licence: Licence | None
    databases: tuple[Database, ...]

    @abstractmethod
    def read(self, root: Path, options: OptionsT, errata: bool = True) -> Reading:
        """Return the rows of the database below `root`: its folders are listed and its table read, no image opened.

        Args:
            root: the dataset's folder.
            options: the reader's keys.
            errata: whether known faults of the release are corrected (`errata.csv`).

        Raises:
            DatasetError: the root, the annotation table or the media of the view are missing or unusable (V01 to V03).
        """

    @abstractmethod
    def samples_from(
        self,
        table: Sequence[Mapping[str, str]],
        listing: Listing,
        options: OptionsT,
        release: str,
        errata: bool = True,
        **beside: Sequence[Mapping[str, str]],
    ) -> Reading:
        """Return the rows that `read` makes of a table and files held in memory; opens no file.

        Args:
            table: one mapping per row, header text -> cell text, as in the owner's spreadsheet.
            listing: (canonical subject, clip) -> paths relative to the dataset root; ("", name) where only names count.
            options: the reader's keys.
            release: annotation file and digest ("name sha256:…"), kept in every row.
            errata: whether known faults of the release are corrected.
            beside: rows of further tables by the name that the reader gives them.

        Raises:
            DatasetError: a column is missing (V03).
        """

    def database(self, options: OptionsT) -> Database:
        """Return the database that the options choose."""
        given = options.model_dump()
        return next(one for one in self.databases if all(given[key] == value for key, value in one.chosen_by.items()))

    def tree(self, options: OptionsT) -> MediaTree:
        """Return the tree of media that the options choose."""
        trees, view = self.database(options).trees, getattr(options, "view", "")
        return next((tree for tree in trees if (tree.option or tree.view) == view), trees[0])

    def licence_request(self, dataset: str) -> str:
        """Return what the user has yet to do before `dataset` (a name of the configuration) may be used (V20).

        '' where the reader needs no licence. Nothing here grants one.
        """
        if self.licence is None:
            return ""
        key = f"datasets.{dataset}.licence_accepted"
        return f"set {key}: true after signing {self.licence.form}; see {self.licence.url}."

    def require_licence(self, dataset: str, accepted: bool, where: str) -> None:
        """Stop unless the agreement is said to be signed, or none is needed.

        Raises:
            ConfigError: V20, naming the key to set in the file `where`.
        """
        request = "" if accepted else self.licence_request(dataset)
        if request:
            raise ConfigError(f"{where}: datasets.{dataset}.licence_accepted", f"{request} (V20)")


AnyReader = Reader[Any]
