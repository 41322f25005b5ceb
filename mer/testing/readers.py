"""Does a reader of a database keep its contract (`mer.datasets.contract`)? For readers of this project and of others.

    from mer.testing.readers import check_reader
    check_reader(my_package.my_database.READER)

Every check raises `AssertionError` with a line that says what is wrong; none needs a database.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

from mer.core.errors import MerError
from mer.core.params import Params
from mer.core.sample import dumps_index
from mer.datasets.contract import AnyReader, Database
from mer.datasets.expected import measure
from mer.datasets.labels import normalise_emotion
from mer.datasets.reading import Listing, Reading
from mer.datasets.table_reader import TableReader
from mer.datasets.tables import column_key
from mer.testing.run_checks import at_once

#: What cells of strangers hold: numbers in every dress, names, labels, and things that no table should have.
CELLS = (
    *("", " ", "1", "6", "006", "12", "20", "30", "-1", "0", "12.5", "1e308", "9" * 30),
    *("/", "NULL", "../..", "=A1", "\0", "é\n?"),
    *("006_1_2", "S03-01-002", "s1_ne_01", "anger1_1", "a", "spNO.1", "sub01-1", "trial_lie_001.mp4"),
    *("disgust", "Happy", "others", "negative", "deceptive", "micro-expression", "Macro", "4+L12 or 14?"),
)
#: Files that rows made of such cells may ask for.
LISTING: Listing = {
    ("006", "006_1_2"): ["a/1.jpg", "a/2.jpg"],
    ("spNO.1", "a"): ["b/12.jpg"],
    ("", "trial_lie_001"): ["c.mp4"],
}


def reader_checks(
    reader: AnyReader, options: Params | None = None, listing: Listing = LISTING, draws: int = 50
) -> Iterator[str]:
    """Check everything that can be told without the database: card, options, refusals, and the rows of odd tables.

    Args:
        reader: the module's `READER`.
        options: the reader's keys for the odd tables; its defaults when None.
        listing: files that the odd tables may ask for.
        draws: number of odd tables, drawn with a fixed seed.

    Yields:
        what is kept, one check after the other.

    Raises:
        AssertionError: the reader breaks the contract.
    """
    check_card(reader)
    yield "card: name, databases, views and counts"
    check_options(reader)
    yield "options: each with a default and a description"
    check_refusals(reader)
    yield "refusal: a folder that is missing or empty ends in one line"
    if isinstance(reader, TableReader) and reader.columns:
        check_columns(reader, options)
        yield "columns: a table without them is refused by name"
        draw = random.Random(0)
        for _ in range(draws):
            rows = [{text: draw.choice(CELLS) for text in header_texts(reader)} for _ in range(draw.randrange(5))]
            check_rows(reader, rows, options, listing)
        yield f"rows: {draws} tables of odd cells give canonical rows, or exclude them with a reason"


check_reader = at_once(reader_checks)


def check_card(reader: AnyReader) -> None:
    """Check that the card says all it must, in the words that the rest of the package uses."""
    _hold(bool(reader.name) and reader.name.isidentifier(), reader, f"the name {reader.name!r} is not an identifier")
    _hold(bool(reader.databases), reader, "no database")
    names = [card.name for card in reader.databases]
    _hold(len(set(names)) == len(names), reader, f"two databases have one name: {', '.join(names)}")
    if reader.licence is not None:
        for field, text in vars(reader.licence).items():
            _hold(bool(text.strip()), reader, f"licence.{field} is blank")
    for card in reader.databases:
        _check_database(reader, card)
        chosen = reader.options.model_validate(dict(card.chosen_by))
        _hold(reader.database(chosen) is card, reader, f"the options {dict(card.chosen_by)} do not choose {card.name}")


def _check_database(reader: AnyReader, card: Database) -> None:
    views = [tree.view for tree in card.trees]
    distinct = bool(views) and len(set(views)) == len(views)
    _hold(distinct, reader, f"{card.name}: views {views} are none or not distinct")
    _hold(card.fps is None or card.fps > 0, reader, f"{card.name}: {card.fps} frames per second")
    odd = sorted(name for name in card.emotions if normalise_emotion(name) != name)
    _hold(not odd, reader, f"{card.name}: emotions {odd} are not normalised (mer.datasets.labels.normalise_emotion)")
    if "view" in reader.options.model_fields:
        choices = set(get_args(reader.options.model_fields["view"].annotation))
        offered = {tree.option or tree.view for tree in card.trees}
        _hold(choices == offered, reader, f"{card.name}: option view offers {sorted(choices)}, trees {sorted(offered)}")
    for release in card.releases:
        where = f"{card.name}, release {release.name!r}"
        _hold(release.status in ("verified", "secondary"), reader, f"{where}: status {release.status!r}")
        for what, count in {**release.counts, **release.secondary}.items():
            _hold(count >= 0 and what.strip() == what != "", reader, f"{where}: count {what!r} = {count!r}")


def check_options(reader: AnyReader) -> None:
    """Check that every key of the configuration has a default and a description."""
    _hold(issubclass(reader.options, Params), reader, "options is not a class of mer.core.params.Params")
    for key, field in reader.options.model_fields.items():
        _hold(bool(field.description), reader, f"option {key} has no description")
        _hold(not field.is_required(), reader, f"option {key} has no default")


def check_refusals(reader: AnyReader) -> None:
    """Check that a root that is missing or empty ends in one readable line, a `MerError`."""
    with tempfile.TemporaryDirectory() as folder:
        for root in (Path(folder) / "absent", Path(folder)):
            try:
                reader.read(root, reader.options())
            except MerError as error:
                _hold("\n" not in str(error) and bool(error.found), reader, f"{str(error)!r} is not one readable line")
            else:
                raise AssertionError(f"reader {reader.name}: reads a folder that holds nothing")


def check_columns(reader: TableReader, options: Params | None = None) -> None:
    """Check the columns of a table: normalised texts, known names, and that a table without them is refused."""
    for name, texts in reader.columns.items():
        odd = [text for text in texts if column_key(text) != text]
        _hold(bool(texts) and not odd, reader, f"column {name}: header texts {odd or 'none'} are not normalised")
    strange = sorted({*reader.optional, *reader.telling} - {*reader.columns})
    _hold(not strange, reader, f"optional or telling columns {strange} are not columns")
    try:
        reader.samples_from([{"Nothing": "1"}], {}, options or reader.options(), "table.csv")
    except MerError as error:
        named = "missing columns" in str(error) and "present: 'Nothing'" in str(error)
        _hold(named, reader, f"{str(error)!r} does not name the missing columns")
    else:
        raise AssertionError(f"reader {reader.name}: reads a table without any of its columns")


def header_texts(reader: TableReader) -> list[str]:
    """Return one header text for each column of the reader's table."""
    return [texts[0] for texts in reader.columns.values()]


def check_rows(
    reader: AnyReader,
    table: Sequence[Mapping[str, str]],
    options: Params | None = None,
    listing: Listing = LISTING,
) -> Reading:
    """Check the rows of any table: canonical, with unique ids, none excluded without a reason; return the reading."""
    reading = reader.samples_from(table, listing, options or reader.options(), "table.csv")
    ids = [sample.sample_id.casefold() for sample in reading.samples]
    _hold(len(ids) == len(set(ids)), reader, f"ids occur twice: {ids}")
    for sample in reading.samples:
        where = f"row {sample.sample_id!r}"
        _hold(sample.status in ("ok", "excluded", "missing_media"), reader, f"{where}: status {sample.status!r}")
        _hold(bool(sample.reason) == (sample.status != "ok"), reader, f"{where}: {sample.status}, {sample.reason!r}")
        _hold(bool(sample.media_path) or sample.status != "ok", reader, f"{where}: usable without media")
        _hold(":" in sample.group and bool(sample.dataset), reader, f"{where}: no database or group {sample.group!r}")
        parts = sample.sample_id.split("/")
        _hold("\0" not in sample.sample_id and ".." not in parts, reader, f"{where}: the id leads out of a folder")
        if sample.status == "ok" and None not in (sample.onset, sample.apex, sample.offset):
            ordered = sample.onset <= sample.apex <= sample.offset  # type: ignore[operator]
            _hold(ordered, reader, f"{where}: onset {sample.onset}, apex {sample.apex}, offset {sample.offset}")
    _hold("\n" in dumps_index(reading.samples), reader, "the rows cannot be written")
    measure(reading.samples)
    return reading


def _hold(condition: bool, reader: AnyReader, message: str) -> None:
    """Raise `AssertionError` unless the condition holds; an `assert` would vanish under `python -O`."""
    if not condition:
        raise AssertionError(f"reader {reader.name}: {message}")
