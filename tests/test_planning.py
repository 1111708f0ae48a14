"""The time of a generation on paper: against closed forms, bounds, and a literal account of who waits for whom."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hebbian_gym import OpenAIES, ProcessEvaluator, SerialEvaluator, Task, calibration
from hebbian_gym.architecture import architecture_for, random_genome
from hebbian_gym.calibration import MINIMAL, calibrate, message_bytes
from hebbian_gym.evaluation import Individual
from hebbian_gym.evaluator import Job
from hebbian_gym.experiments import Settings, reproduce, scaling
from hebbian_gym.optimizers.base import Copies
from hebbian_gym.planning import DRAWS, Costs, master_limit, predict, simulate
from hebbian_gym.presets import PRESETS, Preset

times = st.floats(0.0, 10.0, allow_subnormal=False)
lives = st.lists(times, min_size=1, max_size=40)
crews = st.integers(1, 50)


def costs(duration=1.0, **changes):
    """Of candidates that are all the same, and a master that costs nothing."""
    durations = np.atleast_1d(duration)
    nothing = {"ask_tell": 0.0, "population_bytes": 0, "candidate_bytes": 0, "broadcast": 0.0, "dispatch": 0.0}
    return Costs(**{"durations": durations, "full_durations": 10 * durations, **nothing, "checkpoint": 0.0, **changes})


# The simulation


def literal(durations, workers, dispatch, broadcast):
    """Whoever asked first is served first; ``asked`` is looked through for him each time."""
    asked = {worker: 0.0 for worker in range(workers)}
    served, clock = set(), 0.0
    for duration in durations:
        worker = min(asked, key=lambda each: (asked[each], each))
        clock = max(clock, asked[worker]) + dispatch + (0.0 if worker in served else broadcast)
        served.add(worker)
        asked[worker] = clock + duration
    return max(asked.values())


@given(lives, st.integers(1, 8), st.floats(0.001, 2.0), times)
def test_the_simulation_is_the_literal_account(durations, workers, dispatch, broadcast):
    assert simulate(durations, workers, dispatch, broadcast) == literal(durations, workers, dispatch, broadcast)


@given(st.integers(1, 200), crews, st.floats(0.1, 10.0))
def test_equal_candidates_come_in_waves(candidates, workers, duration):
    dispatch = duration / 100  # at most 50 workers: the master is never late
    waves, in_last = math.ceil(candidates / workers), (candidates - 1) % workers
    expected = waves * (duration + dispatch) + in_last * dispatch
    assert simulate([duration] * candidates, workers, dispatch) == pytest.approx(expected)


@given(lives, times, times)
def test_one_worker_takes_the_sum(durations, dispatch, broadcast):
    expected = sum(durations) + len(durations) * dispatch + broadcast
    assert simulate(durations, 1, dispatch, broadcast) == pytest.approx(expected)


@given(st.integers(1, 200), crews, st.floats(0.1, 10.0))
def test_a_busy_master_takes_its_time_for_each(candidates, workers, dispatch):
    duration = (workers - 1) * dispatch / 2  # back before its turn
    assert simulate([duration] * candidates, workers, dispatch) == pytest.approx(candidates * dispatch + duration)


@given(lives, crews, times, times)
def test_nothing_is_faster_than_its_parts(durations, workers, dispatch, broadcast):
    end = simulate(durations, workers, dispatch, broadcast)
    master = len(durations) * dispatch + min(workers, len(durations)) * broadcast
    for bound in (sum(durations) / workers, dispatch + broadcast + max(durations), master):
        assert end >= bound * (1 - 1e-9)


@given(lives, crews)
def test_a_free_master_keeps_grahams_bound(durations, workers):
    bound = sum(durations) / workers + (1 - 1 / workers) * max(durations)
    assert simulate(durations, workers) <= bound * (1 + 1e-9) + 1e-9


@given(lives, crews, times)
def test_another_worker_never_makes_it_slower(durations, workers, dispatch):
    before = simulate(durations, workers, dispatch)
    assert simulate(durations, workers + 1, dispatch) <= before * (1 + 1e-9)


def test_workers_without_a_candidate_cost_nothing():
    assert simulate([1.0, 2.0], 2, 0.1, 0.2) == simulate([1.0, 2.0], 100, 0.1, 0.2) == pytest.approx(2.6)


# Predictions


def test_a_prediction_is_the_sum_of_its_parts():
    setting = costs([1.0, 2.0], ask_tell=3.0, checkpoint=5.0, broadcast=0.5, dispatch=0.1, population_bytes=1000)
    for nodes in (1, 2):
        found = predict(setting, 10, 4, nodes=nodes, bandwidth=1000.0)
        assert found.seconds == pytest.approx(found.ask_tell + found.broadcast + found.evaluation + found.checkpoint)
        assert (found.ask_tell, found.checkpoint) == (3.0, 5.0)  # one in each generation
    assert found.broadcast == pytest.approx(0.5 + 2 * 1.0)  # pickled once, a second to each node


def test_equal_candidates_are_predicted_by_hand():
    found = predict(costs(2.0, ask_tell=4.0), 100, 8)
    assert found.evaluation == found.seconds - 4.0 == 13 * 2.0
    assert found.speed_up == 204 / 30
    assert predict(costs(2.0), 100, 1).speed_up == 1.0


def test_workers_that_share_cores_share_their_speed():
    alone = predict(costs(1.0), 120, 2, cores=2).seconds
    assert alone == 60.0
    for workers in (4, 6, 60):
        assert predict(costs(1.0), 120, workers, cores=2).seconds == pytest.approx(alone)
        assert predict(costs(1.0), 120, workers).seconds == 120 / workers
    assert predict(costs(1.0), 120, 1, cores=2).seconds == 120.0


def test_durations_are_drawn_from_the_sample():
    sample = np.array([0.5, 1.0, 4.0])
    drawn = np.random.default_rng(0).choice(sample, (DRAWS, 50))
    assert predict(costs(sample), 50, 1).seconds == pytest.approx(drawn.sum(axis=1).mean())
    assert predict(costs(sample), 50, 50).evaluation == pytest.approx(drawn.max(axis=1).mean())
    assert predict(costs(sample), 50, 7) == predict(costs(sample), 50, 7)


def test_long_lives_are_the_other_end_of_the_range():
    setting = costs(1.0, ask_tell=3.0)
    assert predict(setting.at_full_length(), 10, 2).evaluation == 10 * predict(setting, 10, 2).evaluation


@given(st.integers(1, 60), st.integers(1, 30), st.integers(1, 6), st.floats(1e3, 1e9))
def test_a_slower_network_never_makes_it_faster(population, workers, nodes, bandwidth):
    setting = costs([0.1, 0.3], population_bytes=10_000, candidate_bytes=200, dispatch=1e-3, broadcast=1e-3)
    fast, slow = (predict(setting, population, workers, nodes, speed) for speed in (2 * bandwidth, bandwidth))
    assert fast.seconds <= slow.seconds * (1 + 1e-9)


@pytest.mark.parametrize(
    ("changes", "where", "limit"),
    [
        ({}, {"workers": 4}, "workers"),
        ({}, {"workers": 4, "cores": 2}, "cores"),
        ({"duration": [1.0] * 99 + [90.0]}, {"workers": 50}, "longest candidate"),
        ({"dispatch": 0.5}, {"workers": 4}, "master"),
        ({"broadcast": 10.0}, {"workers": 40}, "master"),
        ({"ask_tell": 26.0}, {"workers": 4}, "ask and tell"),
        ({"population_bytes": 1000}, {"workers": 4, "nodes": 30, "bandwidth": 1000.0}, "network"),
        ({"checkpoint": 130.0}, {"workers": 4}, "checkpoint"),
    ],
)
def test_what_takes_longest_is_named(changes, where, limit):
    assert predict(costs(**changes), 100, **where).limit == limit


def test_the_master_is_busy_with_as_many_workers_as_it_serves_in_a_life():
    assert master_limit(costs([0.9, 1.1], dispatch=0.01)) == pytest.approx(100.0)
    most = predict(costs(1.0, dispatch=0.01), 10_000, 1000).speed_up
    assert most == pytest.approx(100, rel=0.02)
    assert predict(costs(1.0, dispatch=0.01), 10_000, 50).speed_up > 0.97 * 50


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"population": 0}, {"nodes": 0}, {"cores": 0}, {"bandwidth": 0.0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="must be 1 or more, and bandwidth positive"):
        predict(costs(), **{"population": 10, "workers": 2, **wrong})


# Measuring


@pytest.fixture(scope="module")
def cartpole():
    architecture, _ = architecture_for("CartPole-v1", hidden=(4,))
    policy = Individual(architecture, random_genome(architecture))
    return policy, OpenAIES(policy.genome, 10, optimizer="adam"), Task("CartPole-v1", episodes=2)


@pytest.fixture(scope="module")
def calibrated(cartpole):
    before = cartpole[1].state_dict()
    told = []
    found = calibrate(*cartpole, seconds=1.0, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    after = cartpole[1].state_dict()
    assert after["generation"] == before["generation"] == 0
    np.testing.assert_array_equal(after["mean"], before["mean"])
    return found


def test_a_calibration_is_finite_and_positive(calibrated):
    for name, value in vars(calibrated).items():
        assert np.all(np.isfinite(value)), name
        assert np.all(np.asarray(value) > 0), name
    assert len(calibrated.durations) == len(calibrated.full_durations) >= calibration.FEWEST
    assert calibrated.full_durations.mean() > 3 * calibrated.durations.mean()  # 500 steps; newborns fall after 10 to 50


def test_full_length_is_what_begins_and_the_pace_of_the_rest():
    task = Task("CartPole-v1", episodes=2)  # 2 x 500 steps
    begun = np.array([[0.5, 2.0], [0.7, 2.0]])
    lived = np.array([[0.5 + 0.01 * 8, 10.0], [0.7 + 0.01 * 38, 40.0]])
    found = calibration._at_full_length(lived, begun, task)
    np.testing.assert_allclose(found, [0.5 + 0.01 * 998, 0.7 + 0.01 * 998])
    np.testing.assert_array_equal(calibration._at_full_length(begun, begun, task), begun[:, 0])


def test_messages_are_as_long_as_multiprocessing_sends_them(cartpole, calibrated, monkeypatch):
    policy, es, task = cartpole
    sent = []
    pipe = type(calibration.Pipe()[0])
    send = pipe._send
    monkeypatch.setattr(pipe, "_send", lambda self, buf, *rest: sent.append(len(buf)) or send(self, buf, *rest))
    population = es.ask()
    with ProcessEvaluator(policy.architecture, 1) as evaluator, SerialEvaluator(policy.architecture) as serial:
        sent.clear()
        lives = [serial.candidate(Job(population, task, 0, 0), index) for index in range(len(population))]
        evaluator.evaluate(population, task)
    assert sent[0] == message_bytes(Job(population, task, 0, 0)) == calibrated.population_bytes
    assert sent[1:] == [message_bytes(index) for index in range(len(population))]
    answers = {calibration.candidate_bytes(each, 9) - message_bytes(9) for each in lives}
    assert calibrated.candidate_bytes - message_bytes(9) in answers


def test_the_trivial_candidates_are_trivial():
    task = Task([calibration.EnvSpec("OneStep-v0", entry_point="hebbian_gym.calibration:OneStep")] * 2)
    with SerialEvaluator(MINIMAL) as evaluator:
        found = evaluator.evaluate(Copies(random_genome(MINIMAL), 3), task)
    np.testing.assert_array_equal(found.steps, np.ones((3, 2, 1)))
    np.testing.assert_array_equal(found.fitness, np.zeros(3))


# The experiment


def test_without_ray_the_experiment_leaves_its_points_out_and_says_so(tmp_path, monkeypatch):
    small = Preset("", ("CartPole-v1",), 1, {"hidden": (4,)}, optimizer={"population_size": 10})
    for name in ("ant", "car"):
        monkeypatch.setitem(PRESETS, f"tiny-{name}", small)
        monkeypatch.setitem(scaling.PRESETS, name, f"tiny-{name}")
    monkeypatch.setitem(scaling.BUDGETS, "quick", scaling.Budget(0.1, 4, 1))
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.cluster_utils", None)
    told = []
    outcome = reproduce("scaling", tmp_path, Settings(progress=told.append))
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert [(point["kind"], point["workers"]) for point in outcome.data["points"]] == [
        ("processes", 1),
        ("processes", 2),
    ]
    assert "Ray is not installed" in outcome.summary[-1]
    assert (tmp_path / "scaling.png").stat().st_size > 10_000
    for setting in outcome.data["settings"].values():
        assert set(setting["speed_up"]) == {"newborn", "full length"}
        for curve in setting["speed_up"].values():
            assert curve[0] == pytest.approx(1, rel=0.1)
            assert len(curve) == len(outcome.data["workers"])
    speed_up = outcome.figure.axes[0].get_lines()
    drawn = {line.get_label(): line.get_ydata() for line in speed_up}
    np.testing.assert_array_equal(drawn["newborn"], outcome.data["settings"]["ant"]["speed_up"]["newborn"])
    heights = [bar.get_height() for bar in outcome.figure.axes[-1].patches]
    assert heights == [point["measured"] for point in outcome.data["points"]]
