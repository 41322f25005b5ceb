"""The distributions hold all of the package, and the wheel works where nothing but its dependencies is.

The dependencies themselves are not installed here, which takes minutes: `nox -s wheel` does that.
"""

import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from mer import __version__, environments

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of a wheel and a source distribution, the one built from the other."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return out


def package_files():
    """Return every file of the package."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "mer").rglob("*")
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts
    }


@pytest.mark.slow
def test_the_wheel_holds_the_whole_package_and_nothing_else(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        assert names == package_files()
        (metadata,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
        told = wheel.read(metadata).decode()
    assert f"Name: {PROJECT['name']}\nVersion: {__version__}\n" in told
    assert {*re.findall(r"^Provides-Extra: (.+)$", told, re.M)} == {*PROJECT["optional-dependencies"]}


@pytest.mark.slow
def test_the_source_distribution_holds_what_a_run_needs(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    assert package_files() <= names
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode == 0:
        kept_out = (".git", ".ci/", ".pre-commit")
        wanted = {
            name for name in tracked.stdout.splitlines() if not name.startswith(kept_out) and (ROOT / name).exists()
        }
        assert wanted - names == set()


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_environment(built, tmp_path):
    """The libraries are those of this environment, from behind it; `mer` itself is the wheel's."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "empty")], check=True)
    python = tmp_path / "empty" / "bin" / "python"
    (site,) = (tmp_path / "empty").glob("lib/python*/site-packages")

    def run(*words):
        # Without PYTHONPATH, by which Python would find the checkout.
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
        assert done.returncode == 0, done.stderr
        return done.stdout

    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    run(*pip, str(next(built.glob("*.whl"))))
    paths = [path for path in sys.path if "site-packages" in path] or [sysconfig.get_path("purelib")]
    (site / "behind.pth").write_text("\n".join(paths))

    assert run(python, "-c", "import mer; print(mer.__file__)").startswith(str(site))
    mer = tmp_path / "empty" / "bin" / "mer"
    assert run(mer, "--version") == f"mer {__version__}\n"
    # Data of the package: weights, class schemes, corrections.
    assert "spotter_faces" in run(mer, "weights", "list")
    tables = "from mer.datasets import errata, views; print(len(views.shipped_views()), errata.__file__)"
    assert int(run(python, "-c", tables).split()[0]) > 10


def test_the_lock_holds_the_whole_tree():
    """Every pin is that of what is installed here, and nothing that is asked for lacks one."""
    pins = environments.pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    asked = environments.pins(environments.lock((ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    assert set(asked) <= set(pins)
    assert set(pins) - set(asked) <= {"colorama", "pexpect", "ptyprocess", "exceptiongroup", "tomli"}


def test_the_citation_has_what_its_schema_asks_for():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(cited) and cited["cff-version"] == "1.2.0"
    assert cited["type"] in {"software", "dataset"} and cited["license"] == PROJECT["license"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", str(cited["date-released"]))
    assert all(set(author) & {"name", "family-names", "given-names", "alias"} for author in cited["authors"])


def test_the_changelog_keeps_the_form():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.M)
    assert headings[0] == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ (?:-|–|—) \d{4}-\d\d-\d\d", heading) for heading in headings[1:]), headings
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.M)) <= kinds


def test_the_entry_of_the_catalogue_names_what_a_run_needs():
    entry = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    assert entry["mandatory-flags"]["flags"] == "--resources gpu=1"
    assert set(entry["software-stack-deployment"]) == {"conda", "apptainer", "apptainer+conda"}


def test_the_help_loads_nothing_heavy():
    code = (
        "import sys; sys.argv = ['mer', '--help']; from mer.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = 'torch numba numpy scipy cv2 skimage matplotlib sklearn pandas av dlib'.split()\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stderr, "analyze" in done.stdout) == ("[]\n", True)
