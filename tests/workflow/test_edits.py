"""The table of edits in docs/architecture.md against the jobs that a run plans after each: no more and no fewer."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import traceback

import openpyxl
import pytest
import yaml
from conftest import ROOT, jobs_in

import mer
from mer import provenance
from mer.datasets import errata
from mer.planning import keys
from mer.provenance import code_digest

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs" / "architecture.md"
# Whose digests a plan asks for: parsed once, for all its children.
WARM = ("mer.report.build", "mer.planning.report_inputs", "mer.training.many_folds", "mer.training.score")


class Copy:
    """A copy of the finished run that an edit changes: its folder, its checkout, and the version of `mer`."""

    def __init__(self, finished, folder):
        self.folder, self.code, self.version = folder / "run", ROOT, mer.__version__
        folder.mkdir()
        subprocess.run(["cp", "-a", finished.folder, self.folder], check=True)

    def config(self, change):
        path = self.folder / "config.yaml"
        raw = yaml.safe_load(path.read_text())
        change(raw)
        path.write_text(yaml.safe_dump(raw, sort_keys=False))

    def checkout(self):
        """Return a checkout of its own, at another place."""
        if self.code == ROOT:
            self.code = self.folder.parent / "code"
            self.code.mkdir()
            shutil.copy(ROOT / "Snakefile", self.code)
            for name in ("mer", "workflow", "profiles", "envs"):
                shutil.copytree(ROOT / name, self.code / name, copy_function=shutil.copy)
        return self.code

    def edit_code(self, file, old, new):
        path = self.checkout() / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def pictures(self, subject="sub01"):
        return sorted((self.folder / "faces").rglob(f"{subject}/*/*.jpg"))

    def table(self, change):
        """Change the annotation table: `change(rows)` takes and returns lists of cells below the header."""
        (path,) = (self.folder / "faces").rglob("*.xlsx")
        book = openpyxl.load_workbook(path)
        sheet = book.active
        head, *rows = [[cell.value for cell in row] for row in sheet.iter_rows() if str(row[1].value or "").strip()]
        sheet.delete_rows(1, sheet.max_row)
        for row in [head, *change(rows)]:
            sheet.append(row)
        book.save(path)

    def planned(self, mode="-n"):
        """Return how many jobs of each rule a dry run plans, and what it says; in a child, which has all imported."""
        from snakemake.cli import get_argument_parser

        get_argument_parser()
        code_digest(*WARM)
        said = self.folder.parent / "said.txt"
        child = os.fork()
        if not child:
            self._run(said, mode)
        os.waitpid(child, 0)
        text = said.read_text()
        assert "otal" in text or "Nothing to be done" in text or "mer: " in text, text[-3000:]
        return jobs_in(text), text

    def _run(self, said, mode):
        from snakemake.cli import main

        with said.open("w") as out, ending_quietly(out):
            os.chdir(self.folder)
            sys.stdout = sys.stderr = out
            # The digests are those of the checkout; what runs is the code that was imported here.
            provenance.PACKAGE = keys.PACKAGE = self.code / "mer"
            errata._FILE = self.code / "mer" / "datasets" / "errata.csv"
            mer.__version__ = self.version
            if self.code != ROOT:
                provenance._tree.cache_clear()
            errata.errata_of.cache_clear()
            main(["-s", str(self.code / "Snakefile"), mode, "-c", "2", "--nocolor", "--quiet", "host"])
        os._exit(0)


@contextlib.contextmanager
def ending_quietly(out):
    """Write what a process ends with into a file, as the interpreter would, and go on."""
    try:
        yield
    except SystemExit as error:
        print(error.code, file=out)
    except BaseException:
        traceback.print_exc(file=out)


def set_to(value, *path):
    def change(raw):
        for key in path[:-1]:
            raw = raw[key]
        raw[path[-1]] = value

    return lambda copy: copy.config(change)


def words(copy):
    copy.edit_code("mer/stages/align/stage.py", '"""', '"""Other words. ')
    for script in (copy.code / "workflow" / "scripts").iterdir():
        script.write_text("# A comment.\n" + script.read_text())


def code(file):
    return lambda copy: copy.edit_code(file, "\n\n\n", "\nEXTRA = 1\n\n\n")


def new_version(copy):
    copy.version = "0.2.99"
    code("mer/stages/flow/tvl1.py")(copy)


def touched(copy):
    for path in copy.pictures():
        os.utime(path)


def replaced(copy):
    path, other = copy.pictures()[3:5]
    path.write_bytes(other.read_bytes())


def deleted(copy):
    copy.pictures()[3].unlink()


def label(copy):
    def change(rows):
        rows[0][-1] = "disgust" if rows[0][-1] != "disgust" else "surprise"
        return rows

    copy.table(change)


def correction(subject):
    def edit(copy):
        (path,) = (copy.folder / "faces").rglob("*.xlsx")
        row = next(openpyxl.load_workbook(path).active.iter_rows(min_row=2, values_only=True))
        line = f"casme2,{subject or f'sub{int(row[0]):02d}'}/{row[1]},apex,{row[4]},{row[4] + 1},a test,a test\n"
        with (copy.checkout() / "mer" / "datasets" / "errata.csv").open("a") as handle:
            handle.write(line)

    return edit


def removed(copy):
    copy.table(lambda rows: [row for row in rows if int(row[0]) != 4])


def added(copy):
    for folder in {path.parent.parent for path in copy.pictures("sub04")}:
        shutil.copytree(folder, folder.with_name("sub05"))
    copy.table(lambda rows: [*rows, *([5, *row[1:]] for row in rows if int(row[0]) == 4)])


def without_records(copy):
    shutil.rmtree(copy.folder / ".snakemake")


def without_records_and(edit):
    def both(copy):
        without_records(copy)
        edit(copy)

    return both


size = set_to(112, "align", "face", "size")
EDITS = {
    "nothing; the run copied with `.snakemake/` and the times of its files": lambda copy: None,
    "comments and docstrings, in `mer` and in every workflow script": words,
    "the checkout at another place, its files all new": lambda copy: copy.checkout(),
    "every picture of a person touched": touched,
    "code of one stage (`magnify`)": code("mer/stages/magnify/stage.py"),
    "a new version of `mer` that changed one method (`tvl1`)": new_version,
    "a key of one stage (`align.face.size`)": size,
    "a key of one model (`train.epochs` of `ststnet`)": set_to(4, "experiments", "ststnet", "train", "epochs"),
    "a picture of one clip replaced by another under the same name": replaced,
    "a picture of one clip deleted": deleted,
    "the label of one clip": label,
    "a correction (`errata.csv`) that one clip has": correction(""),
    "a correction that no clip has": correction("sub99"),
    "a person taken out of the table": removed,
    "one more person": added,
    "`protocol: kfold, folds: 2` in place of `loso`, in `ststnet`": lambda copy: copy.config(
        lambda raw: raw["experiments"]["ststnet"].update(protocol="kfold", folds=2)
    ),
    "`.snakemake/` lost, or the results copied without it": without_records,
    "the same, and a key of one stage (`align.face.size`)": without_records_and(size),
    "the same, and a key of one model": without_records_and(set_to(4, "experiments", "ststnet", "train", "epochs")),
    "the same, and a picture replaced": without_records_and(replaced),
}


def told():
    """Return the jobs of every edit as the page tells them."""
    text = PAGE.read_text(encoding="utf-8").split("| edit | jobs that run again |")[1].split("\n\n")[0]
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    numbers = {name.strip(): re.findall(r"(\w+) (\d+)", jobs) for name, jobs in rows}
    return {name: {rule: int(count) for rule, count in jobs} for name, jobs in numbers.items()}


def test_each_edit_runs_again_what_the_page_says(finished, tmp_path):
    found = {}
    for number, (name, edit) in enumerate(EDITS.items()):
        copy = Copy(finished, tmp_path / str(number))
        edit(copy)
        found[name], text = copy.planned()
        assert ("has no record" in text) == ("`.snakemake/` lost" in name or name.startswith("the same"))
        shutil.rmtree(copy.folder)
    lines = [f"| {name} | {', '.join(f'{rule} {n}' for rule, n in jobs.items())} |" for name, jobs in found.items()]
    assert found == told(), "\n".join(lines)


def test_a_copy_without_times_is_noticed_and_touching_mends_what_is_as_configured(finished, tmp_path):
    copy = Copy(finished, tmp_path / "copy")
    for path in (copy.folder / "results").rglob("*"):
        # Copied last: newer than what was made of them.
        os.utime(path, (1.7e9, 1.7e9) if "magnify" in path.parts else (1.6e9, 1.6e9))
    jobs, text = copy.planned()
    assert "mer: results: copied without the times of its files" in text and jobs
    size(copy)
    text = copy.planned("--touch")[1]
    assert "made with align size 128, not 112; expected a product of this configuration; leave out --touch" in text
    set_to(128, "align", "face", "size")(copy)
    assert "copied without" not in copy.planned("--touch")[1]
    assert copy.planned()[0] == {}
