"""What a layout is: how one database names its people, places its files and writes its tables.

A layout file ends in `LAYOUT = Layout(...)`. It says what is particular to the database; the plan, the subjects, the
listing, what the reader will find, and the writing of tables and frames follow from it here, so that none of them can
disagree. Neither this module nor a layout imports anything heavier than NumPy: a workflow knows every row before a
frame is rendered. `mer.testing.layouts.check_layout` holds a layout to what is said here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mer.core.errors import ConfigError, DatasetError
from mer.core.registry import nearest
from mer.simulate.params import SimulateParams
from mer.simulate.plan import ClipPlan, Recording, events_of
from mer.simulate.sheets import Table
from mer.simulate.tree import Listing, Sensor, Tree

# Lengths of expressions, in seconds, that hold enough frames at 25 or 30 per second.
SLOW = {"shortest": 0.3, "longest": 0.42}


@dataclass(frozen=True)
class Camera:
    """What the owner's camera sets.

    Args:
        defaults: fields of `SimulateParams` -> their values unless the user sets them: `fps` (frames per second),
            `width`, `height` (pixels), `shortest`, `longest` (seconds). Those of CASME II where it does not say.
        sensor: `grey` writes single-channel images, `infrared` three equal channels.
        options: options of the reader that must be as told here, because they say which camera it was.
    """

    defaults: Mapping[str, float] = field(default_factory=dict)
    sensor: Sensor = "colour"
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ReaderInput:
    """What a reader's `samples_from` is given.

    Args:
        table: rows as header -> text.
        listing: (subject, clip) -> paths below the root.
        extra: further arguments by name: tables in the form of `table`.
    """

    table: list[dict[str, str]]
    listing: Listing
    extra: dict[str, list[dict[str, str]]] = field(default_factory=dict)


def _no_tables(params: SimulateParams, recordings: Sequence[Recording]) -> Sequence[Table]:
    return ()


@dataclass(frozen=True)
class Layout:
    """One database's layout.

    Args:
        reader: the reader of what it writes, a name in `mer.datasets.registry`.
        cameras: the names that the layout goes by -> the camera of each; `params.layout` is one of them.
        people: `people(params, index)`: the recordings of person `index` (from 0), in the order of the table, each
            person with a subject of its own. Pure, and the same whatever `params.subjects`. Faces are numbered over all
            databases: one with people of its own keeps `mer.simulate.content.FAMILY_SIZE` numbers apart from others.
        tree: the files that the frames go to.
        tables: `tables(params, recordings)`: the annotation files, given the recordings of everyone. The one whose
            `argument` is '' holds the reader's rows; without it there are none.
        views: the image trees that the reader can be told to read, its default first; ('',) where there is one.
        spare: view -> the view that lends it the clips it lacks.
        most_people: how many people the layout can name.
    """

    reader: str
    cameras: Mapping[str, Camera]
    people: Callable[[SimulateParams, int], Sequence[Recording]]
    tree: Tree
    tables: Callable[[SimulateParams, Sequence[Recording]], Sequence[Table]] = _no_tables
    views: tuple[str, ...] = ("",)
    spare: Mapping[str, str] = field(default_factory=dict)
    most_people: int = 99

    def recordings(self, params: SimulateParams) -> list[Recording]:
        """Return every recording, by subject.

        Raises:
            ConfigError: more people than the database's table can name.
        """
        if params.subjects > self.most_people:
            expected = f"at most {self.most_people}, the participants that its table can name"
            raise ConfigError("simulate.subjects", f"{params.subjects} people in the layout {params.layout}", expected)
        return [recording for k in range(params.subjects) for recording in self.people(params, k)]

    def plan(self, params: SimulateParams) -> tuple[ClipPlan, ...]:
        """Return every expression, by subject, then by clip.

        Pure and deterministic: subject k is the same whatever the number of subjects.
        """
        return events_of(self.recordings(params))

    def subjects(self, params: SimulateParams) -> list[str]:
        """Return the subjects as the reader names them."""
        return list(dict.fromkeys(recording.subject for recording in self.recordings(params)))

    def table(self, params: SimulateParams) -> list[dict[str, str]]:
        """Return the rows as the reader sees them, header -> text, in the order of the table; [] without a table."""
        return self._read_tables(params, self.recordings(params)).get("", [])

    def listing(self, params: SimulateParams, view: str = "") -> Listing:
        """Return the files of each clip of one view, the reader's default if not told, relative to the root."""
        return self._listing(self.tree.listings(params, self.recordings(params)), view or self.views[0])

    def reader_input(self, params: SimulateParams, options: Mapping[str, object]) -> ReaderInput:
        """Return what the reader will find once the database is written.

        Args:
            params: the database's parameters.
            options: the reader's options.

        Raises:
            ConfigError: the options ask for another camera, or for images that the simulator does not write.
        """
        for name, value in self.cameras[params.layout].options.items():
            asked = str(options.get(name, value))
            if asked != value:
                found = f"is {asked!r}, but the layout {params.layout} writes {value!r}"
                raise ConfigError(f"options.{name}", found, value, "make both the same")
        recordings = self.recordings(params)
        listings = self.tree.listings(params, recordings)
        view = str(options.get("view", self.views[0])) if any(self.views) else ""
        written = [name for name in self.views if name in listings]
        if view not in written:
            found = f"the layout {params.layout} has no {view!r} images"
            raise ConfigError("options.view", found, f"one of {', '.join(written)}", "choose another view")
        tables = self._read_tables(params, recordings)
        return ReaderInput(tables.pop("", []), self._listing(listings, view), tables)

    def write_tables(self, params: SimulateParams, root: str | Path) -> list[Path]:
        """Write the annotation files under `root` and return their paths; equal parameters give equal bytes.

        Raises:
            StorageError: the disk is full or not writable.
        """
        return [table.write(Path(root)) for table in self.tables(params, self.recordings(params))]

    def write_subject(self, params: SimulateParams, subject: str, root: str | Path, truth_path: str | Path) -> None:
        """Render every recording of one subject under `root` and its ground truth at `truth_path`.

        Raises:
            DatasetError: `subject` is not one of `subjects(params)`.
            StorageError: the disk is full or not writable.
        """
        from mer.simulate.filming import film

        recordings = [recording for recording in self.recordings(params) if recording.subject == subject]
        if not recordings:
            remedy = nearest(subject, self.subjects(params))
            raise DatasetError("simulate", f"no subject {subject!r}", f"one of {params.subjects}", remedy)
        film(params, self.tree, self.cameras[params.layout].sensor, recordings, Path(root), Path(truth_path))

    def write(self, params: SimulateParams, root: Path) -> Iterator[tuple[str, Path]]:
        """Write a whole database under `root`, its truth below `root/truth`; errors as the two before.

        Yields:
            each subject, with the container of its truth, once its files are written.
        """
        self.write_tables(params, root)
        for subject in self.subjects(params):
            truth = root / "truth" / f"{subject}.h5"
            self.write_subject(params, subject, root, truth)
            yield subject, truth

    def _read_tables(self, params: SimulateParams, recordings: Sequence[Recording]) -> dict[str, list[dict[str, str]]]:
        return {table.argument: table.as_read() for table in self.tables(params, recordings)}

    def _listing(self, listings: Mapping[str, Listing], view: str) -> Listing:
        return {**listings.get(self.spare.get(view, view), {}), **listings.get(view, {})}
