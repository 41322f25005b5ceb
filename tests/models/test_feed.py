"""Clips on the device that trains: rows of common arrays, in their own type, each brought there once."""

import gc

import numpy as np
import pytest
import torch

from mer.models import feed
from mer.models.clip_array import ClipArray
from mer.models.feed import Feed
from mer.models.loop import batches

CPU = torch.device("cpu")


@pytest.fixture
def whole():
    return np.random.default_rng(0).integers(0, 256, (30, 4, 5, 3), dtype=np.uint8)


def test_a_clip_array_reads_its_rows_and_no_other(whole):
    array = ClipArray(whole, [7, 3, 3, 9])
    assert array.shape == (4, 4, 5, 3) and array.dtype == np.uint8 and len(array) == 4
    assert np.array_equal(np.asarray(array), whole[[7, 3, 3, 9]])
    assert np.array_equal(array[1], whole[3]) and np.array_equal(array[2:], whole[[3, 9]])
    assert np.array_equal(array.taken(np.array([3, 0]))[:], whole[[9, 7]])
    assert np.array_equal(np.concatenate(list(array.blocks(3))), whole[[7, 3, 3, 9]])
    array[0][:] = 0
    assert whole[7].any(), "what it gives are copies"


@pytest.mark.parametrize("resident", [True, False])
def test_batches_are_rows_of_each_array_in_its_own_type(whole, resident):
    values = np.arange(8, dtype=np.float16).reshape(4, 2)
    with Feed({"clip": ClipArray(whole, [7, 3, 3, 9]), "values": values}, CPU, resident) as clips:
        assert clips.count == 4
        batch = clips(torch.tensor([3, 0]))
        steps = torch.tensor([[0, 2], [3, 1]])
        part = clips(torch.tensor([3, 0]), {"clip": (steps,)})["clip"]
    assert np.array_equal(part.numpy(), whole[[[9, 9], [7, 7]], steps.numpy()])
    assert batch["clip"].dtype == torch.uint8 and np.array_equal(batch["clip"].numpy(), whole[[9, 7]])
    assert batch["values"].dtype == torch.float16 and batch["values"].tolist() == [[6, 7], [0, 1]]


def test_streamed_batches_are_gathered_ahead_and_are_the_same(whole):
    rows = np.arange(29, 4, -1)
    asked = []
    with Feed({"clip": ClipArray(whole, rows)}, CPU, resident=False) as streamed:
        gathered = streamed._gathered
        streamed._gathered = lambda batch: asked.append(len(batch)) or gathered(batch)
        for epoch in range(2):
            torch.manual_seed(epoch)
            order = batches(len(rows), 4)
            streamed.coming(order)
            ahead = len(streamed._next)
            assert ahead == feed.AHEAD
            for batch in order:
                assert np.array_equal(streamed(batch)["clip"].numpy(), whole[rows[batch.numpy()]])
        # One that nobody announced, as in prediction.
        assert np.array_equal(streamed(torch.tensor([2]))["clip"].numpy(), whole[[27]])
        assert len(asked) == 2 * len(order) + 1, "no batch is gathered twice"


def test_a_common_array_is_brought_to_a_device_once_and_let_go_with_it():
    meta, whole, before = torch.device("meta"), np.zeros((30, 4, 5, 3), np.uint8), len(feed._RESIDENT)
    folds = [Feed({"clip": ClipArray(whole, np.arange(k, 30))}, meta) for k in range(3)]
    assert len({id(one._whole["clip"]) for one in folds}) == 1
    assert folds[2](torch.tensor([0, 1]))["clip"].shape == (2, 4, 5, 3)
    assert len(feed._RESIDENT) == before + 1
    del folds, whole
    gc.collect()
    assert len(feed._RESIDENT) == before


def test_what_does_not_fit_on_a_device_is_streamed(whole, monkeypatch):
    cuda = torch.device("cuda")
    array = ClipArray(whole)
    for free, fits in ((whole.nbytes / feed.SHARE + 1, True), (whole.nbytes / feed.SHARE - 1, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda place, free=free: (free, 10 * free))
        assert feed._fits([array, ClipArray(whole, [1])], cuda) is fits
