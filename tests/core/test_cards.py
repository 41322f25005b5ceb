"""Jobs of one machine share out its cards: one each, then two each, and a job that died gives its place back."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mer.core.cards import VISIBLE, claim_card, visible_cards
from mer.training import experiment

JOB = """
import os, sys
from pathlib import Path
from mer.core.cards import claim_card
card = claim_card(lambda: int(sys.argv[2]), lambda line: None, Path(sys.argv[1]))
print(card, os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""


class Jobs:
    """Processes that hold a card each until they are told to end."""

    def __init__(self, folder):
        self.folder, self.running = folder, []

    def start(self, cards=2, visible=None):
        """Start a job and return the card that it took, and what its own children would see."""
        environment = {key: value for key, value in os.environ.items() if key != VISIBLE}
        environment |= {} if visible is None else {VISIBLE: visible}
        command = [sys.executable, "-c", JOB, str(self.folder), str(cards)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        job = subprocess.Popen(command, env=environment, **pipes)
        self.running.append(job)
        return tuple(job.stdout.readline().split())

    def kill(self, number):
        self.running[number].send_signal(signal.SIGKILL)
        self.running[number].wait()

    def end(self):
        for job in self.running:
            job.stdin.close()
            job.wait(timeout=20)
            job.stdout.close()


@pytest.fixture
def jobs(tmp_path):
    made = Jobs(tmp_path / "cards")
    yield made
    made.end()


def test_every_job_gets_a_card_of_its_own(jobs):
    assert [jobs.start(3) for _ in range(3)] == [("0", "0"), ("1", "1"), ("2", "2")]


def test_more_jobs_than_cards_share_them_evenly(jobs):
    assert [jobs.start(2)[0] for _ in range(5)] == ["0", "1", "0", "1", "0"]


def test_the_place_of_a_killed_job_is_free_again(jobs):
    assert [jobs.start(2)[0] for _ in range(2)] == ["0", "1"]
    jobs.kill(1)
    assert jobs.start(2)[0] == "1"


def test_cards_that_are_not_visible_are_left_alone(jobs):
    assert [jobs.start(4, "2,3") for _ in range(2)] == [("2", "2"), ("3", "3")]
    assert jobs.start(4)[0] == "0"
    assert jobs.start(4, "GPU-1a-2b,GPU-3c-4d")[0] == "GPU-1a-2b"


def test_one_card_or_none_is_as_it_is(jobs):
    assert jobs.start(1) == ("None", "None") and jobs.start(0) == ("None", "None")
    assert jobs.start(8, "5") == ("None", "5") and jobs.start(8, "") == ("None",)


LISTS = {
    "0,1": ["0", "1"],
    " 3 , 1": ["3", "1"],
    "0,-1,1": ["0"],
    "-1": [],
    "": [],
    "GPU-8f,MIG-2/3": ["GPU-8f", "MIG-2/3"],
}


@pytest.mark.parametrize(("named", "cards"), LISTS.items())
def test_the_list_is_read_as_cuda_reads_it(named, cards):
    assert visible_cards(lambda: 7, {VISIBLE: named}) == cards
    assert visible_cards(lambda: 2, {}) == ["0", "1"]


def test_a_folder_that_cannot_be_written_leaves_all_visible(tmp_path, monkeypatch):
    monkeypatch.delenv(VISIBLE, raising=False)
    (tmp_path / "file").write_text("")
    lines = []
    assert claim_card(lambda: 2, lines.append, tmp_path / "file" / "cards") is None
    assert VISIBLE not in os.environ and "the cards 0, 1 are not shared out" in lines[0]


def test_a_job_that_asked_for_a_card_claims_one(monkeypatch, tmp_path):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv(VISIBLE, "0,1")
    lines = []
    assert experiment.choose_device(1, lines.append) == "cuda"
    assert lines == ["device: card 0 of 0, 1", "device: cuda (a card)"] and os.environ[VISIBLE] == "0"
    monkeypatch.setenv(VISIBLE, "0,1")
    assert experiment.choose_device(0, lines.append) == "cpu" and os.environ[VISIBLE] == "0,1"
    assert [path.name for path in Path(tmp_path).glob("mer-cards-*/*")] == ["0.0"]
