"""What is done under several versions of Python, and before a release: `nox`, `nox -s wheel`, `nox -s citation`."""

from pathlib import Path

import nox

PYTHONS = ("3.11", "3.12", "3.13")
nox.options.sessions = ("tests", "wheel")
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Every test that is not slow; `nox -s tests -- tests` runs all of them."""
    session.install("-c", "constraints.txt", "-e", ".[workflow,dev,docs]")
    given = session.posargs or ["-m", "not slow"]
    session.run("python", "-m", "pytest", "--numprocesses", "auto", *given, env={"OMP_NUM_THREADS": "1"})


@nox.session(python=PYTHONS)
def wheel(session: nox.Session) -> None:
    """Build both distributions, install the wheel and all that it needs into an empty environment, then the other."""
    out = Path(session.create_tmp()).resolve()
    session.install("-c", "constraints.txt", "build")
    session.run("python", "-m", "build", "--outdir", str(out))
    (made,) = out.glob("*.whl")
    session.install("-c", "constraints.txt", f"{made}[workflow]")
    session.chdir(out)
    _started(session)
    session.install("--force-reinstall", "--no-deps", *(str(path) for path in out.glob("*.tar.gz")))
    _started(session)


def _started(session: nox.Session) -> None:
    """Run what imports, reads data of the package, and writes."""
    session.run("mer", "--version")
    session.run("mer", "models")
    session.run("mer", "simulate", "faces", "--subjects", "1", "--clips", "1")


@nox.session
def citation(session: nox.Session) -> None:
    """Hold CITATION.cff against its schema; the validator needs older libraries than `mer`."""
    session.install("cffconvert==2.0.0")
    session.run("cffconvert", "--validate")
