"""The commands and code of the documentation: what stands on each page, whether it is known, and how to run it."""

import os
import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from mer.cli import app

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])
FENCE = re.compile(r"^( *)```(\w*)(?: title=\"(.*?)\")?\n(.*?)^ *```$", re.M | re.S)
#: Which test runs what stands on a page.
EXECUTED = {
    "docs/tutorials/licence.md": "tests/workflow/test_tutorials.py",
    "docs/tutorials/own-clips.md": "tests/workflow/test_own_clips.py",
    "docs/tutorials/own-model.md": "tests/workflow/test_plugins_workflow.py",
    "docs/tutorials/own-video.md": "tests/analysis/test_own_video.py",
    "docs/tutorials/cluster.md": "tests/workflow/test_tutorials.py",
    "docs/how-to/chain-of-a-paper.md": "tests/notebook/test_pages_run.py",
    "docs/datasets.md": "tests/notebook/test_pages_run.py",
    "docs/how-to/compare.md": "tests/notebook/test_pages_run.py",
    "docs/how-to/faces-and-flow.md": "tests/notebook/test_pages_run.py",
    "docs/how-to/faulty-table.md": "tests/notebook/test_pages_run.py",
    "docs/how-to/in-scripts.md": "tests/notebook/test_pages_run.py",
    "docs/how-to/magnify.md": "tests/notebook/test_pages_run.py",
    "docs/how-to/make-flow-images.md": "tests/notebook/test_pages_run.py",
    "docs/how-to/new-clips.md": "tests/notebook/test_pages_run.py",
    "docs/how-to/score-intervals.md": "tests/notebook/test_pages_run.py",
    "docs/index.md": "tests/notebook/test_pages_run.py",
    "docs/notebook.md": "tests/notebook/test_pages_run.py",
    "docs/scores.md": "tests/notebook/test_pages_run.py",
}
#: Of other pages, and of what a page's own test may leave out: what runs or plans the same on something small.
ELSEWHERE = {
    r"make (demo|small|test|quick)": ".ci/run",
    r"make docs": "tests/house/test_site.py",
    r"mer --help": "tests/house/test_packaging.py",
    r"mer run": "tests/house/test_command_line.py",
    r"mer verify": "tests/workflow/test_tutorials.py",
    r"mer models": "tests/models/test_presets.py",
    r"mer new|mer check-plugin": "tests/testing/test_check_plugin.py",
    r"mer weights list|mer weights fetch \S+ --file": "tests/weights/test_weights_files.py",
    r"mer score-spotting": "tests/notebook/test_pages_run.py",
    r"mer simulate \S+ --lifelike": "tests/analysis/test_lifelike_films.py",
    r"mer simulate \S+ --into": "tests/analysis/test_implanted_films.py",
    r'mer simulate (\S+|"[^"]+") --layout': "tests/workflow/test_own_clips.py",
    r"mer analyze --(camera|follow)": "tests/analysis/test_live.py",
    r"mer analyze \S+ --reviewed": "tests/analysis/test_words_and_reviews.py",
    r"mer analyze": "tests/analysis/test_analysis_run.py",
    r"mer bench spotting": "tests/analysis/test_spotting_bench.py",
    r"mer bench stability": "tests/analysis/test_stability_bench.py",
    r"mer bench survival": "tests/workflow/test_survival.py",
    r"mer bench cluster": "tests/bench/test_cluster_bench.py",
    r"mer bench shuffled": "tests/bench/test_shuffled_bench.py",
    r"mer bench workflow": "tests/bench/test_workflow_bench.py",
    r"snakemake --profile": "tests/workflow/test_workflow_on_slurm.py",
    r"snakemake .*examples/(dual_branch|lie)": "tests/workflow/test_examples.py",
    r"snakemake .*examples/(permuted|spotting)": "tests/house/test_config.py",
    r"snakemake --cores \S+ results/": "tests/workflow/test_survival.py",
    r"snakemake --cores": "tests/workflow/test_workflow.py",
}
#: Commands that no test runs, and why.
NOT_RUN = {
    r"make lint": "it changes the files of the checkout",
    r"mer --install-completion": "it changes the shell of whoever runs the tests, which hold what the shell then asks",
    r"mer weights fetch \S+ --accept-licence$": "it downloads",
}


def where_run(command):
    """Return what runs a command of a page, or why nothing does; None where neither is known."""
    return next(
        (told for known in (NOT_RUN, ELSEWHERE) for text, told in known.items() if re.match(text, command)), None
    )


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its title, and its text."""

    language: str
    title: str
    text: str


def blocks(page, *languages):
    """Return the blocks of a page, given below the root; only of some languages where these are named."""
    found = FENCE.findall((ROOT / page).read_text(encoding="utf-8"))
    made = [Block(language, title, textwrap.dedent(text)) for _, language, title, text in found]
    return [block for block in made if not languages or block.language in languages]


def commands(page):
    """Return the command lines of a page's blocks, without prompts and comments, in their order."""
    return [line for block in blocks(page, "sh", "") for line in command_lines(block.text)]


def command_lines(text):
    """Return the lines of a text that call `mer`, `snakemake` or `make`."""
    lines = []
    for line in text.replace("\\\n", " ").splitlines():
        command = re.sub(r"\s#.*", "", line.removeprefix("$ ")).strip()
        if re.match(r"(mer|snakemake|make) ", command):
            lines.append(command)
    return lines


def parsed(command):
    """Let the program that a command calls read its words, without running it; raises where it does not know one."""
    program, *words = shlex.split(command)
    if program == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
        assert {word for word in words if "=" not in word} <= set(targets), command
    elif program == "snakemake":
        from snakemake.cli import get_argument_parser

        get_argument_parser().parse_args(words)
        assert all((ROOT / word).exists() for word in words if re.match(r"(examples|profiles)/", word)), command
    else:
        called = get_command(app)
        while words and words[0] == "--plugin":
            del words[:2]
        if words[:1] == ["run"] and words[1:] != ["--help"]:
            return parsed(shlex.join(["snakemake", *words[1:]]))
        known = {"--help", *(option for part in called.params for option in part.opts)}
        while words and words[0] not in known and hasattr(called, "commands"):
            called, name = called.commands[words[0]], words.pop(0)
        if not hasattr(called, "commands"):
            called.make_context(name, list(words))


def mer(command, folder, *, replaced=(), status=(0,)):
    """Run a command line of a page in a folder, with names replaced, and return what it prints."""
    for before, after in replaced:
        command = command.replace(before, after)
    program, *words = shlex.split(command)
    assert program == "mer", command
    here = os.getcwd()
    os.chdir(folder)
    try:
        done = CliRunner().invoke(app, words, catch_exceptions=False)
    finally:
        os.chdir(here)
    assert done.exit_code in status, f"{command}: {done.exit_code}\n{done.output}"
    return done.output


def shown(page):
    """Return the lines that a page says are printed: patterns in which … stands for anything."""
    lines = [line for block in blocks(page, "output") for line in block.text.splitlines() if line.strip()]
    return [re.compile(r"\s*".join(map(re.escape, line.split())).replace("…", ".*?"), re.S) for line in lines]


def expect(page, text):
    """Hold what was printed against what a page says is printed."""
    missing = [line.pattern for line in shown(page) if not line.search(text)]
    assert not missing, f"{page} shows {missing}, which is not printed:\n{text[-3000:]}"
