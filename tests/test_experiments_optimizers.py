"""The comparison of optimisers: budgets are kept, curves are read rightly, every contender runs."""

from dataclasses import replace

import numpy as np
import pytest

from hebbian_gym.experiments import Settings, optimizers

TINY = optimizers.Contest(("CartPole-v1",), (2,), env_steps=800, seeds=2, population=6, episodes=1)


@pytest.fixture(scope="module")
def outcome():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(optimizers.CONTROL, "quick", {"CartPole-v1": TINY})
        return optimizers.control(Settings())


@pytest.mark.parametrize("contender", optimizers.CONTENDERS)
def test_every_contender_runs_until_its_budget_is_spent(outcome, contender):
    runs = outcome.data["contests"]["CartPole-v1"]["runs"][contender]
    assert [run["seed"] for run in runs] == [0, 1]
    for run in runs:
        assert run["env_steps"] == sorted(run["env_steps"])
        assert run["env_steps"][-1] >= TINY.env_steps
        assert all(steps < TINY.env_steps for steps in run["env_steps"][:-1])
        assert len(run["score"]) == len(run["env_steps"])
        assert all(1 <= score <= 500 for score in run["score"])
    assert runs[0]["score"] != runs[1]["score"] or runs[0]["env_steps"] != runs[1]["env_steps"]


def test_the_same_seed_gives_the_same_curve(outcome):
    contender = "SNES"
    again = optimizers.run(optimizers.Entry(TINY, contender, 1))
    assert {"seed": 1, **again} == outcome.data["contests"]["CartPole-v1"]["runs"][contender][1]


def test_a_full_covariance_is_left_out_where_it_does_not_fit():
    small = optimizers.CONTROL["full"]["Acrobot-v1"]
    assert optimizers._fitting(small) == list(optimizers.CONTENDERS)
    large = replace(small, hidden=(64, 64))
    assert [name for name in optimizers.CONTENDERS if name not in optimizers._fitting(large)] == ["CMA-ES, full"]


def test_a_curve_is_read_at_the_latest_evaluation():
    curve = {"env_steps": [10, 20, 40], "score": [1.0, 2.0, 3.0]}
    np.testing.assert_array_equal(
        optimizers.at(curve, np.array([5, 10, 15, 20, 39, 40, 99])), [np.nan, 1, 1, 2, 2, 3, 3]
    )


def test_the_band_is_that_of_the_mean():
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        low, high = optimizers.band(rng.normal(size=(30, 1)))
        covered += bool(low[0] <= 0 <= high[0])
    assert 175 <= covered <= 199  # of 200, at 95% less what the bootstrap of 30 lacks


def test_the_summary_and_the_figure_tell_all(outcome):
    text = "\n".join(outcome.summary)
    assert "after 800 environment steps, population 6, 2 seeds" in text
    drawn = {line.get_label() for line in outcome.figure.axes[0].get_lines()}
    for contender in optimizers.CONTENDERS:
        assert f"{contender}: " in text
        assert contender in drawn
    ends = [float(line.split(": ")[1].split(" ")[0]) for line in outcome.summary[1:]]
    assert ends == sorted(ends, reverse=True)
