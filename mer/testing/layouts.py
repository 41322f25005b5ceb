"""What every layout of the simulator must keep, as a check that needs no test runner: `check_layout(LAYOUT)`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from mer.core.container import Container
from mer.simulate.contract import Layout
from mer.simulate.params import SimulateParams
from mer.simulate.plan import Recording
from mer.testing.run_checks import at_once

FORMATS = (".jpg", ".bmp", ".png", ".mp4")
TINY = {"subjects": 1, "clips": 1, "width": 160, "height": 120, "fps": 25.0, "shortest": 0.3, "longest": 0.42}


def layout_checks(layout: Layout, pictures: bool = True) -> Iterator[str]:
    """Hold a layout, ours or anyone's, to `mer.simulate.contract.Layout` under each of its names.

    Args:
        layout: what a layout file ends in; it need not be registered.
        pictures: also render one person, which takes some seconds.

    Yields:
        what is kept, one check after the other.

    Raises:
        AssertionError: the layout breaks the contract; the message says where and how.
    """
    assert layout.cameras, "cameras: empty; expected a name and its camera"
    for name, camera in layout.cameras.items():
        unknown = set(camera.defaults) - set(SimulateParams.model_fields)
        assert not unknown, f"{name}: camera sets {sorted(unknown)}; expected fields of SimulateParams"
        check_plan(layout, name)
        yield f"{name}: the plan is pure, a person does not depend on how many others there are"
        check_files(layout, name)
        yield f"{name}: every frame has a file of its own below the root"
        check_tables(layout, name)
        yield f"{name}: tables fit what the reader is handed, and their bytes repeat"
        if pictures:
            check_written(layout, name)
            yield f"{name}: one person is rendered, with the truth of every expression"


check_layout = at_once(layout_checks)


def small(layout: Layout, name: str, **changes: object) -> SimulateParams:
    """Return parameters of a small database in a layout, registered or not."""
    values = {"subjects": 3, "clips": 3, **layout.cameras[name].defaults, **changes}
    return SimulateParams.model_validate(values).model_copy(update={"layout": name})


def check_plan(layout: Layout, name: str) -> None:
    """Check that the plan is pure and consistent, and that a person does not depend on how many others there are."""
    params = small(layout, name)
    recordings = layout.recordings(params)
    assert recordings == layout.recordings(params), f"{name}: people: equal parameters gave another plan"
    assert recordings != layout.recordings(small(layout, name, seed=1)), f"{name}: people: the plan ignores the seed"
    first = layout.people(small(layout, name, subjects=1), 0)
    assert list(first) == list(layout.people(params, 0)), f"{name}: people: person 0 depends on how many others are"
    named = [{recording.subject for recording in layout.people(params, k)} for k in range(params.subjects)]
    for k, subjects in enumerate(named):
        assert len(subjects) == 1, f"{name}: people: person {k} has the subjects {sorted(subjects)}; expected one"
    assert len(set.union(*named)) == params.subjects, f"{name}: people: two persons share a subject"
    names = [event.sample_id for event in layout.plan(params)]
    assert len(set(names)) == len(names), f"{name}: people: two expressions share a sample_id"
    for recording in recordings:
        _check_recording(name, recording)


def _check_recording(name: str, recording: Recording) -> None:
    where = f"{name}: recording {recording.subject}/{recording.name}"
    numbers = recording.numbers
    assert numbers and list(numbers) == sorted(set(numbers)), f"{where}: numbers must be ascending and not empty"
    assert recording.fps > 0, f"{where}: {recording.fps} frames per second"
    at = numbers[0] - 1
    for event in recording.events:
        told = f"{where}: {event.clip}: onset {event.onset}, apex {event.apex}, offset {event.offset}"
        assert at < event.onset < event.apex < event.offset, f"{told}; expected ascending, after {at}"
        assert event.units, f"{told}: shows no action unit"
        assert set(event.numbers) <= set(numbers), f"{told}: has files that the recording does not hold"
        same = (event.seed, event.fps) == (recording.seed, recording.fps)
        assert same, f"{told}: seed or frame rate differ from the recording's"
        at = event.offset


def check_files(layout: Layout, name: str) -> None:
    """Check that every file lies below the root, in a known format, with one frame, and that all views are there."""
    params = small(layout, name, raw=True)
    images: Counter[str] = Counter()
    for recording in layout.recordings(params):
        for number in recording.numbers:
            for picture in layout.tree.pictures(params, recording, number):
                path = PurePosixPath(picture.path)
                inside = not path.is_absolute() and ".." not in path.parts
                assert inside, f"{name}: pictures: {picture.path!r} is not below the root"
                assert path.suffix in FORMATS, f"{name}: pictures: {picture.path!r}; expected one of {FORMATS}"
                images[picture.path] += path.suffix != ".mp4"
    twice = [path for path, count in images.items() if count > 1]
    assert not twice, f"{name}: pictures: two frames go to {twice[0]!r}"
    for view in layout.views:
        listing = layout.listing(params, view)
        assert listing, f"{name}: views: nothing is written for {view!r}"
        missing = {path for paths in listing.values() for path in paths} - set(images)
        assert not missing, f"{name}: listing of {view!r} names {sorted(missing)[:1]}, which no frame goes to"


def check_tables(layout: Layout, name: str) -> None:
    """Check that tables are text for the reader, that they fit what is handed to it, and that their bytes repeat."""
    params = small(layout, name)
    tables = layout.tables(params, layout.recordings(params))
    arguments = [table.argument for table in tables]
    assert len(set(arguments)) == len(arguments), f"{name}: tables: two have the argument {arguments}"
    given = layout.reader_input(params, layout.cameras[name].options)
    assert given.table == layout.table(params), f"{name}: reader_input: its table is not `table`"
    assert set(given.extra) == set(arguments) - {""}, f"{name}: reader_input: extra {sorted(given.extra)}"
    assert given.listing == layout.listing(params), f"{name}: reader_input: its listing is not that of the first view"
    with TemporaryDirectory() as first, TemporaryDirectory() as second:
        written = [_contents(layout.write_tables(params, root), Path(root)) for root in (first, second)]
    assert written[0] == written[1], f"{name}: write_tables: equal parameters gave other bytes"
    assert sorted(written[0]) == sorted(table.path for table in tables), (
        f"{name}: write_tables: wrote {list(written[0])}"
    )


def _contents(paths: Sequence[Path], root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def check_written(layout: Layout, name: str) -> None:
    """Check that rendering one person writes the files that were planned and the truth of every expression."""
    params = small(layout, name, **TINY)
    recordings = layout.recordings(params)
    planned = {p.path for r in recordings for n in r.numbers for p in layout.tree.pictures(params, r, n)}
    subject = layout.subjects(params)[0]
    with TemporaryDirectory() as folder:
        root, truth = Path(folder) / "database", Path(folder) / "truth.h5"
        layout.write_subject(params, subject, root, truth)
        written = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.suffix in FORMATS}
        assert written == planned, (
            f"{name}: write_subject: {sorted(written ^ planned)[:1]} planned or written, not both"
        )
        with Container(truth) as box:
            assert list(box.clip_ids) and set(box.clip_ids) == {event.sample_id for event in layout.plan(params)}, (
                f"{name}: write_subject: truth of {list(box.clip_ids)}; expected that of every expression"
            )
            for sample_id in box.clip_ids:
                clip = box.clip(sample_id)
                identity = json.loads(str(clip.attributes["identity"]))
                assert identity["seed"] and clip.read("flow").shape == (params.height, params.width, 2), sample_id
