"""Trainings side by side: all of them, in order, and no failure is lost."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
import torch

from train.abreast import JobFailed, abreast


def numbered(*numbers):
    """Jobs that say their number, and the process that they ran in."""
    return [lambda n=n: {"number": np.array([n]), "pid": np.array([os.getpid()])} for n in numbers]


def test_each_job_has_a_process_of_its_own_and_what_it_gives_comes_in_order():
    found = abreast(numbered(3, 1, 2, 4), cores=2)

    assert [int(one["number"][0]) for one in found] == [3, 1, 2, 4]
    pids = {int(one["pid"][0]) for one in found}
    assert len(pids) == 4
    assert os.getpid() not in pids


def test_a_job_that_would_be_alone_runs_here():
    *together, alone = (int(one["pid"][0]) for one in abreast(numbered(1, 2, 3), cores=2))

    assert alone == os.getpid()
    assert os.getpid() not in together


@pytest.mark.parametrize("cores", [1, 8])
def test_on_one_core_and_on_many_jobs_run_here(cores):
    assert {int(one["pid"][0]) for one in abreast(numbered(1, 2), cores=cores)} == {os.getpid()}


def test_torch_works_in_a_job_after_it_had_threads_here():
    weight = torch.ones(400, 400)
    assert float((weight @ weight).sum()) == 400**3  # makes the pool of threads

    def job():
        return {"sum": (weight @ weight.clone()).numpy().sum(axis=0)}

    assert [one["sum"].sum() for one in abreast([job, job], cores=2)] == [400**3] * 2


def test_what_a_job_raises_is_told_with_its_place():
    def job():
        raise ValueError("no such label")

    with pytest.raises(JobFailed, match=r"(?s)in job.*ValueError: no such label"):
        abreast([*numbered(1), job], cores=2)


def test_a_process_that_is_killed_is_no_answer():
    def job():
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(JobFailed, match="memory"):
        abreast([job, *numbered(1)], cores=2)
