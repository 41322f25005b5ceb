"""Feed one reader inputs that are guided by the code they reach.

`python tests/hostile/guided.py tables --inputs 100000` needs `pip install atheris` (which `make test` does not install:
it is not built for every Python). The readers and good files are those of `campaign.py`; what is reached is seen in
`mer` itself, in Python. An input that lets through anything but one plain line, takes ten seconds or 3 GiB, ends the
run and is kept in the folder `faults`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
with atheris.instrument_imports(include=["mer"], enable_loader_override=False):
    from hostile_readers import READERS

    import mer.core.errors

LONGEST = 60_000  # bytes of an input
SECONDS, MEBIBYTES = 10, 3000


def main() -> None:
    """Run what is asked for; libFuzzer ends the process, with a status of its own when something got through."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", help=f"one of {', '.join(READERS)}")
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=Path, default=Path("faults"), help="folder of what got through")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    reader = READERS[asked.reader]
    place = Path(tempfile.mkdtemp(prefix="mer-guided-"))
    (place / "good").mkdir()
    (place / "corpus").mkdir()
    with atheris.instrument_imports(include=["mer"], enable_loader_override=False):
        files = [path for path in reader.good(place / "good") if path.stat().st_size <= LONGEST]
        for path in files:
            reader.read(path)
    endings = sorted({path.suffix for path in files})
    # The first byte chooses the ending of the name, by which some readers go.
    for path in files:
        (place / "corpus" / path.name).write_bytes(bytes([endings.index(path.suffix)]) + path.read_bytes())

    def try_one(data: bytes) -> None:
        if not data:
            return
        path = place / f"input{endings[data[0] % len(endings)]}"
        path.write_bytes(reader.finish(data[1:]))
        try:
            reader.read(path)
        except mer.core.errors.MerError as error:
            line = str(error)
            if "\n" in line or not line.isprintable() or len(line) > 3000:
                raise RuntimeError(f"not one plain line: {line[:200]!r}") from None

    asked.faults.mkdir(exist_ok=True)
    options = [f"-runs={asked.inputs}", f"-seed={asked.seed}", f"-max_len={LONGEST}", f"-timeout={SECONDS}"]
    options += [f"-rss_limit_mb={MEBIBYTES}", f"-artifact_prefix={asked.faults}/", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, str(place / "corpus")], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
