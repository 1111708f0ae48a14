"""What tests of several parts share; what tests of optimisers share is in optimizing.py."""

import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np


def assert_same(ours, theirs):
    """Two evaluations, to the bit."""
    for name in ("fitness", "score", "distance", "steps"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)


def assert_an_experiments_outcome(outcome, told, folder):
    """Plain finite data, sentences, a picture with words at its axes; and it has told how far it was, up to the end."""
    assert json.loads(json.dumps(outcome.data, allow_nan=False)) == outcome.data
    assert outcome.summary
    outcome.figure.savefig(folder / "picture.png", dpi=40)
    for ax in outcome.figure.axes:
        assert ax.get_xlabel() or ax.get_ylabel() or ax.get_title()
    assert told == sorted(told)
    assert told[-1] == 1.0


def elsewhere(function, *arguments):
    """What a function returns in a spawned process: with nothing inherited, and a memory of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def resident_memory(pid="self"):
    """Of a process, in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
