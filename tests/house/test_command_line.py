"""What every command keeps: an example, documented exit statuses, JSON, completion, one kind of progress; `mer run`."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pages
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from mer import cli
from mer.core.errors import MerError
from mer.core.exits import Status

ROOT = Path(__file__).resolve().parents[2]
MAIN = "import sys; sys.argv[0] = 'mer'; from mer.cli import main; main()"
#: Print no more than where they wrote something, or stand in Snakemake's place.
WITHOUT_JSON = {
    "mer run", "mer init", "mer new", "mer simulate", "mer show", "mer export", "mer figure", "mer weights fetch",
}  # fmt: skip


def walk(command, name="mer"):
    """Yield every command that can be called, by its name."""
    members = getattr(command, "commands", None)
    for key, member in (members or {}).items():
        yield from walk(member, f"{name} {key}")
    if not members:
        yield name, command


COMMANDS = dict(walk(get_command(cli.app)))


def examples(command):
    """Return the example lines of a command's help."""
    heading, *lines = command.epilog.splitlines()
    assert heading == f"Example{'s' * (len(lines) > 1)}:"
    return lines


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_it_takes(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    lines = examples(COMMANDS[name])
    assert lines
    assert any(line.split()[: len(name.split())] == name.split() for line in lines)
    for line in lines:
        pages.parsed(line)
    shown = [line.strip() for line in CliRunner().invoke(cli.app, [*name.split()[1:], "--help"]).output.splitlines()]
    assert [line for line in lines if line not in shown] == []


def test_the_statuses_are_documented_where_they_are_looked_for():
    page = (ROOT / "docs" / "how-to" / "in-scripts.md").read_text(encoding="utf-8")
    shown = CliRunner().invoke(cli.app, ["--help"], env={"TERMINAL_WIDTH": "80"}).output
    for status in Status:
        assert f"| {status} | {status.meaning} |\n" in page
        assert re.search(rf"^ *{status} +{re.escape(status.meaning)} *$", shown, re.M)


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (MerError("a.csv", "empty"), 2, "mer: a.csv: empty\n"),
        (FileNotFoundError(2, "", "a.csv"), 2, "mer: a.csv: cannot be opened (no such file or directory)"),
        (KeyboardInterrupt(), 130, ""),
        (KeyError("x"), 3, "KeyError: 'x'\nmer: this is a mistake in mer"),
        (None, 0, ""),
    ],
)
def test_every_end_has_its_status(raised, status, said, monkeypatch, capsys):
    def ended(words, **options):
        if raised is not None:
            raise raised

    monkeypatch.setattr(cli, "app", ended)
    monkeypatch.setattr(cli, "short_lived", lambda: None)
    monkeypatch.setattr(sys, "argv", ["mer"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert int(caught.value.code or 0) == status
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("check --nonsense", r"mer: mer check: No such option: --nonsense; see mer check --help\n"),
        ("chek", r"mer: the command line: No such command 'chek'.*; see mer --help\n"),
        ("verify a b", r"mer: mer verify: Got unexpected extra argument.* \(b\); see mer verify --help\n"),
        ("bench training --folds 0", r"mer: mer bench training: Invalid value for '--folds': .*\n"),
        ("weights", ""),
    ],
)
def test_a_wrong_word_is_one_line_and_ends_with_2(typed, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mer", *typed.split()])
    monkeypatch.setattr(cli, "short_lived", lambda: None)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == Status.REFUSED and re.fullmatch(said, capsys.readouterr().err)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A folder with a configuration, an index, a finished run of nothing, and two tables of intervals."""
    text = "results: out\ndatasets:\n  faces: {reader: casme2, simulate: {layout: casme2, subjects: 2}}\n"
    (tmp_path / "config.yaml").write_text(
        f"{text}flow:\n  apex: {{from: align/face, method: dis, pairs: onset_apex}}\nalign:\n  face: {{method: dlib}}\n"
    )
    for folder in ("out/report", "out/faces", "empty"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "out" / "config.yaml").write_text(text)
    (tmp_path / "out" / "faces" / "index.csv").write_text("sample_id\nsub01/EP01_01f\n")
    report = {"files": {"gone.csv": "0"}, "versions": {"mer": "0"}, "libraries": ""}
    (tmp_path / "out" / "report" / "digests.json").write_text(json.dumps(report))
    (tmp_path / "truth.csv").write_text("subject,video,onset,offset,emotion\ns1,v1,10,20,happiness\n")
    (tmp_path / "plug.py").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


#: A call of each command that is over in a moment, and its status.
QUICK = {
    "mer check": ("mer check empty --dataset casme2 --json", 2),
    "mer check-plugin": ("mer check-plugin plug.py --json", 2),
    "mer verify": ("mer verify out --json", 1),
    "mer clean": ("mer clean --stale --json", 0),
    "mer weights list": ("mer weights list --json", 0),
    "mer score-spotting": ("mer score-spotting truth.csv truth.csv --fps 30 --json", 0),
}


@pytest.mark.parametrize("name", QUICK)
def test_json_is_one_value_with_the_keys_that_the_help_names(name, world):
    line, status = QUICK[name]
    done = CliRunner().invoke(cli.app, line.split()[1:])
    assert done.exit_code == status, done.output
    told = json.loads(done.stdout)
    keys = set(told[0] if isinstance(told, list) else told)
    assert keys <= set(re.findall(r"`(\w+)`", COMMANDS[name].help))


def test_every_command_that_prints_what_it_found_has_json():
    having = {name for name, command in COMMANDS.items() if any("--json" in part.opts for part in command.params)}
    assert having == set(COMMANDS) - WITHOUT_JSON


def test_a_mistake_leaves_standard_output_empty(world):
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "verify", "nowhere", "--json"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "") and re.fullmatch(r"mer: nowhere: .*\n", done.stderr)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("mer we", {"weights"}),
        ("mer show --dataset ", {"faces"}),
        ("mer show sub", {"sub01/EP01_01f"}),
        ("mer export fl", {"flow/apex"}),
        ("mer export flow/apex --format n", {"npz"}),
        ("mer check --dataset smic", {"smic", "smic_e"}),
        ("mer check --config config.yaml --dataset ", {"faces"}),
        ("mer bench systems --models ststnet,me", {"ststnet,mean"}),
        ("mer simulate --layout mm", {"mmew"}),
        ("mer weights fetch rife_m", {"rife_m"}),
        ("mer figure confusion --experiment ", set()),
    ],
)
def test_a_shell_completes_names(typed, offered, world):
    words = typed.split(" ")
    told = {"_MER_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    done = CliRunner().invoke(cli.app, prog_name="mer", env=told)
    assert {line.strip() for line in done.output.splitlines()} - {""} == offered


def test_completion_of_a_shell_is_offered():
    script = CliRunner().invoke(cli.app, ["--show-completion", "bash"], prog_name="mer")
    text = script.output if script.exit_code == 0 else CliRunner().invoke(
        cli.app, prog_name="mer", env={"_MER_COMPLETE": "source_bash"}
    ).output  # fmt: skip
    assert "_MER_COMPLETE=complete_bash" in text and "complete -o default -F" in text


def on_terminal(words, env=None, until="", keys=b""):
    """Run a command on a terminal, where keys are typed once it shows a text; return its status and what it shows."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(words[0], words, {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100", **(env or {})})
    shown, typed, end = b"", False, time.monotonic() + 120
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                read = os.read(terminal, 65536)
            except OSError:
                break
            if not read:
                break
            shown += read
        if keys and not typed and until.encode() in shown:
            typed = os.write(terminal, keys) > 0
    else:
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


LOOP = """
import sys, time
from contextlib import nullcontext
from mer.core.progress import each, silent
with silent() if "quiet" in sys.argv else nullcontext():
    for number in each(range(4), "things"):
        for _ in each(range(2), "parts of it"):
            time.sleep(0.3)
        print("did", number, file=sys.stderr)
"""


def test_progress_is_drawn_on_a_terminal_alone_with_the_time_left(tmp_path):
    status, shown = on_terminal([sys.executable, "-c", LOOP])
    plain = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", shown)
    assert status == 0 and re.search(r"things .*[12]/4 0:00:0[12]", plain)
    assert "parts of it" not in plain and "did 3" in plain
    assert shown.count("\x1b[?25h") >= 1, "the cursor stays hidden"
    _, silent = on_terminal([sys.executable, "-c", LOOP, "quiet"])
    assert silent.split() == ["did", "0", "did", "1", "did", "2", "did", "3"]
    told = LOOP.replace("file=sys.stderr", "file=sys.stdout")
    on_terminal(["/bin/sh", "-c", f'"$0" -c "$1" > {tmp_path / "told.txt"}', sys.executable, told])
    assert (tmp_path / "told.txt").read_text().split() == silent.split()
    piped = subprocess.run([sys.executable, "-c", LOOP], capture_output=True, text=True, cwd=ROOT)
    assert piped.stderr.split() == silent.split()


SNAKEFILE = """
rule all:
    default_target: True
    input: [f"out/{fold}.txt" for fold in ("one", "two")]

rule fit:
    output: "out/{fold}.txt"
    log: "out/logs/fit/{fold}.log"
    shell:
        "if [ {wildcards.fold} = two ] && [ ! -e mended ]; then echo 'mer: sub02/EP01: no face' > {log}; exit 1; fi; "
        "[ -e mended ] || sleep $LASTING; echo done > {output}"
"""


@pytest.mark.slow
def test_a_run_says_in_few_words_what_failed_where_and_how_it_ended(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "mine.yaml").write_text("results: out\n")

    def run(*words):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "LASTING": "0"}
        command = [sys.executable, "-c", MAIN, "run", "--cores", "1", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)

    failed = run("--configfile", "mine.yaml", "--keep-going")
    assert failed.returncode == 1 and failed.stdout == ""
    first, *lines = failed.stderr.splitlines()
    assert first == "snakemake --cores 1 --configfile mine.yaml --keep-going --resources gpu=1"
    at = lines.index("mer: fit failed: fold two")
    assert lines[at + 1 : at + 3] == ["  sub02/EP01: no face", "  its log: out/logs/fit/two.log"]
    (log,) = re.findall(r"1 of 3 jobs failed; .*: (\.snakemake/log/\S+)$", lines[-1])
    assert "CalledProcessError" in (tmp_path / log).read_text() and "Error" not in failed.stderr
    (tmp_path / "mended").touch()
    (tmp_path / "out" / "report").mkdir()
    (tmp_path / "out" / "report" / "index.html").touch()
    mended = run("--configfile", "mine.yaml")
    assert mended.returncode == 0
    assert mended.stderr.endswith("all 2 jobs done; the report: out/report/index.html; its tables: out/report/*.csv\n")


@pytest.mark.slow
def test_ctrl_c_stops_a_run_once_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    words = ["/bin/sh", "-c", f'cd {tmp_path} && exec "$0" -c "$1" run --cores 2', sys.executable, MAIN]
    # No other job sleeps for so long.
    status, shown = on_terminal(words, {"LASTING": "61.4275"}, until="0/3", keys=b"\x03")
    assert status == 1 and "stopping: jobs are being ended" in shown
    assert "mer: stopped; what is finished stays" in shown and " jobs failed" not in shown and "Traceback" not in shown
    time.sleep(0.2)
    assert "61.4275" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


def test_a_run_where_no_workflow_is_says_where_it_must_be(tmp_path, monkeypatch):
    from mer import cli_run

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli_run, "REPOSITORY", tmp_path)
    with pytest.raises(MerError, match=r"no Snakefile here; expected the folder of the workflow.*-s FILE"):
        cli_run.snakefile(["-n"])
    assert cli_run.snakefile(["-s", "other"]) == []
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert cli_run.snakefile([]) == ["--snakefile", str(ROOT / "Snakefile")]


@pytest.mark.parametrize(
    ("typed", "called"),
    [
        ("", "--cores all --resources gpu=1"),
        ("-c2 -n", "-c2 -n --resources gpu=1"),
        ("--cores=3 --resources gpu=0", "--cores=3 --resources gpu=0"),
        ("--profile profiles/slurm", "--profile profiles/slurm"),
        ("results/x.csv --config results=y", "results/x.csv --config results=y --cores all --resources gpu=1"),
    ],
)
def test_what_is_typed_wins_over_what_a_run_asks_for(typed, called):
    from mer.cli_run import settled

    assert " ".join(settled(typed.split())) == called


def test_a_run_knows_its_results(world):
    from mer.cli_run import results

    (world / "mine.yaml").write_text("results: theirs\n")
    assert results([]) == Path("out")
    assert results(["--configfile", "config.yaml", "mine.yaml", "-n"]) == Path("theirs")
    assert results(["--config", "gpu=never", "results=here"]) == Path("here")
    assert results(["-d", "elsewhere"]) == Path("elsewhere/results")
