"""The tutorials on a licence and on a cluster, with the commands as they stand on the pages.

What the licence gives is the small database of the finished run, and that run is the one that the page would start.
"""

import contextlib
import io
import re
import shlex
import shutil

import pages
import pytest
from conftest import Project, jobs_in

pytestmark = pytest.mark.slow
LICENCE, CLUSTER = "docs/tutorials/licence.md", "docs/tutorials/cluster.md"


def test_from_a_licence_to_a_table(finished, tmp_path, monkeypatch):
    (tmp_path / "CASME2").symlink_to(finished.folder / "faces")
    simulate, check, init, dry, run, verify = pages.commands(LICENCE)
    pages.parsed(simulate)
    printed = pages.mer(check, tmp_path, status=(0, 1)) + pages.mer(init, tmp_path)
    printed += Project(tmp_path).run(*shlex.split(dry)[1:])
    assert "fit" in printed and not (tmp_path / "results").exists()
    # The run itself, of the same reader and stages, is the finished one.
    assert shlex.split(run) == shlex.split(dry)[:-1]
    printed += finished.log
    assert pages.mer(verify, finished.folder, replaced=[("results/casme2", "results")]).endswith("fits its report\n")
    shutil.copy(finished.folder / "config.yaml", tmp_path / "mine.yaml")
    (tmp_path / "results").symlink_to(finished.folder / "results")
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        (block,) = pages.blocks(LICENCE, "python")
        exec(compile(block.text.replace('"casme2"', '"simulated"'), LICENCE, "exec"), {})
    page = (pages.ROOT / LICENCE).read_text(encoding="utf-8")
    for name in re.findall(r"`(uf1_\w+|verdict)`", page):
        assert re.search(rf"^{name}\b", out.getvalue(), re.M), name
    pages.expect(LICENCE, printed)


def test_a_cluster_says_what_it_would_send(finished):
    here, cluster, sent = pages.commands(CLUSTER)
    pages.parsed(here)
    words = shlex.split(cluster)[1:]
    words[words.index("--profile") + 1] = str(pages.ROOT / "profiles" / "slurm")
    # Nodes have GPUs there, so that folds are grouped anew; what was made of pictures stays.
    planned = jobs_in(finished.run(*words))
    assert sum(planned.values()) > 0 and not {"frames", "align", "flow"} & set(planned)
    pages.parsed(sent)
