"""Disturbances of a lifetime: nothing differs before them, and then exactly what they say."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hebbian_gym.envs.ant.body import undamaged

import hebbian_gym as hg
from hebbian_gym.analysis.perturb import ANT_LEGS, DisableActuators, Perturbed, freeze, lesion, saturate
from hebbian_gym.closed_loop_rules import CLOSED_LOOP_RULES

SIZES, STEPS, AT = (5, 7, 6, 3), 24, 10
OBSERVATIONS = np.random.default_rng(0).uniform(-1, 1, (STEPS, 5)).astype(np.float32)


def architecture(**options: Any) -> hg.Architecture:
    return hg.Architecture(SIZES, low=(-1.0,) * 3, high=(1.0,) * 3, **options)


def network(**options: Any) -> hg.PlasticNetwork:
    made = architecture(**options)
    return hg.PlasticNetwork(made, np.random.default_rng(1).uniform(-0.5, 0.5, made.genome_size).astype(np.float32))


def policy(**options: Any) -> hg.HebbianPolicy:
    made = architecture(**options)
    genome = np.random.default_rng(1).uniform(-0.5, 0.5, made.genome_size).astype(np.float32)
    return hg.HebbianPolicy(made, genome)


AGENTS = {"network": network, "policy": policy}


def lifetime(agent: Any, seed: int = 3, rewards: bool = False) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Actions, and all weights after each step."""
    agent.reset(seed)
    actions, weights = [], []
    for step, observation in enumerate(OBSERVATIONS):
        actions.append(np.array(agent.act(observation)))
        if rewards:
            agent.learn(np.cos(step))
        weights.append(np.concatenate([layer.ravel() for layer in agent.weights]))
    return actions, weights


def assert_same(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    np.testing.assert_array_equal(np.stack(found), np.stack(expected))


PERTURBATIONS: dict[str, Callable[[Any], Perturbed]] = {
    "freeze": lambda agent: freeze(agent, AT),
    "saturate": lambda agent: saturate(agent, AT, AT + 5),
    "lesion": lambda agent: lesion(agent, AT, 0.5),
}


@pytest.mark.parametrize("name", PERTURBATIONS)
@pytest.mark.parametrize("kind", AGENTS)
def test_nothing_differs_before_the_disturbance_and_something_after(kind: str, name: str) -> None:
    actions, weights = lifetime(AGENTS[kind]())
    disturbed, their_weights = lifetime(PERTURBATIONS[name](AGENTS[kind]()))
    assert_same(disturbed[:AT], actions[:AT])
    assert_same(their_weights[:AT], weights[:AT])
    assert not np.array_equal(np.stack(disturbed[AT:]), np.stack(actions[AT:]))


@pytest.mark.parametrize("name", PERTURBATIONS)
@pytest.mark.parametrize("kind", AGENTS)
def test_every_lifetime_is_disturbed_in_the_same_way(kind: str, name: str) -> None:
    agent = PERTURBATIONS[name](AGENTS[kind]())
    first = lifetime(agent)
    lifetime(agent, seed=4)
    for again, before in zip(lifetime(agent), first, strict=True):
        assert_same(again, before)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_an_agent_can_be_copied_and_sent_to_another_process(name: str) -> None:
    agent = PERTURBATIONS[name](network())
    for other in (copy.deepcopy(agent), pickle.loads(pickle.dumps(PERTURBATIONS[name](policy())))):
        assert_same(lifetime(other)[1], lifetime(agent)[1])


# Freezing


@pytest.mark.parametrize("kind", AGENTS)
@pytest.mark.parametrize("after", [0, 1, AT])
def test_a_frozen_agent_acts_with_the_weights_it_had(kind: str, after: int) -> None:
    _, weights = lifetime(freeze(AGENTS[kind](), after))
    by_hand = network()
    by_hand.reset(3)
    for observation in OBSERVATIONS[:after]:
        by_hand.act(observation)
    by_hand.learning = False
    kept = np.concatenate([layer.ravel() for layer in by_hand.weights])
    for frozen in weights[max(after - 1, 0) :]:
        np.testing.assert_array_equal(frozen, kept)
    expected = [by_hand.act(observation) for observation in OBSERVATIONS[after:]]
    assert_same(lifetime(freeze(AGENTS[kind](), after))[0][after:], expected)


@pytest.mark.parametrize("kind", AGENTS)
def test_an_agent_that_learns_from_rewards_makes_so_many_updates_and_no_more(kind: str) -> None:
    _, whole = lifetime(AGENTS[kind](modulation="reward"), rewards=True)
    _, weights = lifetime(freeze(AGENTS[kind](modulation="reward"), AT), rewards=True)
    assert_same(weights[:AT], whole[:AT])
    assert_same(weights[AT:], [whole[AT - 1]] * (STEPS - AT))


def test_an_agent_without_a_learn_is_not_in_the_way_of_the_loop() -> None:
    with gym.make("CartPole-v1") as env:
        agent = freeze(hg.HebbianPolicy.for_env("CartPole-v1", hidden=(4,)), 2)
        assert hg.run_episode(env, agent, 0, 0).steps > 2


def test_the_switch_of_an_agent_that_has_one_is_left_as_it_was() -> None:
    agent = hg.ClosedLoopNetwork(CLOSED_LOOP_RULES["BP"], 0.01, inputs=4, hidden=(3,))
    frozen = freeze(agent, 1)
    frozen.reset(0)
    rng, seen = np.random.default_rng(0), []
    for _ in range(4):
        frozen.act(rng.uniform(-1, 1, 5))
        seen.append(np.concatenate([layer.ravel() for layer in agent.weights]))
    assert agent.learning
    assert_same(seen[1:], [seen[0]] * 3)
    agent.reset(0)
    assert not np.array_equal(seen[0], np.concatenate([layer.ravel() for layer in agent.weights]))


def test_many_lifetimes_of_a_policy_are_frozen_together() -> None:
    frozen = freeze(policy(), 2)
    frozen.reset(3)
    seen = []
    for _ in range(4):
        frozen.act(OBSERVATIONS)
        seen.append(np.concatenate([layer.numpy().ravel() for layer in frozen.weights]))
    assert frozen.agent.learning  # type: ignore[attr-defined]
    assert not np.array_equal(seen[0], seen[1])
    assert_same(seen[2:], [seen[1]] * 2)


# Saturation


def test_saturated_outputs_are_forced_for_so_long_and_the_network_learns_from_its_own() -> None:
    actions, weights = lifetime(network())
    forced, their_weights = lifetime(saturate(network(), 4, 9, action=0.5))
    assert_same(forced[4:9], [np.full(3, 0.5, np.float32)] * 5)
    assert_same(forced[:4] + forced[9:], actions[:4] + actions[9:])  # the observations are the same in any case
    assert_same(their_weights, weights)
    assert forced[4].dtype == actions[4].dtype


def test_the_forced_action_may_differ_from_output_to_output() -> None:
    forced, _ = lifetime(saturate(network(), 0, 1, action=(-1.0, 0.0, 1.0)))
    np.testing.assert_array_equal(forced[0], [-1.0, 0.0, 1.0])


# Lesions


@pytest.mark.parametrize("band", [False, True])
@pytest.mark.parametrize("kind", AGENTS)
def test_a_lesion_zeroes_its_synapses_once_and_they_learn_again(kind: str, band: bool) -> None:
    agent = lesion(AGENTS[kind](), AT, 1 / 3, band=band)
    actions, weights = lifetime(agent)
    by_hand = network()
    by_hand.reset(3)
    for step, observation in enumerate(OBSERVATIONS):
        if step == AT:
            for layer, mask in zip(by_hand.weights, agent.masks, strict=True):
                for i, j in np.argwhere(mask):
                    layer[i, j] = 0.0
        np.testing.assert_array_equal(by_hand.act(observation), actions[step])
        np.testing.assert_array_equal(np.concatenate([layer.ravel() for layer in by_hand.weights]), weights[step])


@pytest.mark.parametrize("fraction", [0.0, 0.2, 1 / 3, 1.0])
def test_a_lesion_takes_that_fraction_of_every_layer(fraction: float) -> None:
    masks = lesion(network(), AT, fraction, seed=5).masks
    for mask, shape in zip(masks, architecture().layers, strict=True):
        assert mask.shape == shape
        assert mask.sum() == round(fraction * mask.size)
    again, other = lesion(network(), AT, fraction, seed=5).masks, lesion(network(), AT, fraction, seed=6).masks
    assert all(np.array_equal(a, b) for a, b in zip(masks, again, strict=True))
    if 0 < fraction < 1:
        assert not np.array_equal(masks[0], other[0])


@pytest.mark.parametrize("seed", range(5))
def test_a_band_is_all_synapses_of_adjacent_neurons(seed: int) -> None:
    for mask in lesion(network(), AT, 0.4, seed=seed, band=True).masks:
        upright = mask if mask.shape[0] >= mask.shape[1] else mask.T  # the larger side first
        whole = np.flatnonzero(upright.all(axis=1))
        assert whole.size == round(0.4 * upright.shape[0])
        assert upright.sum() == whole.size * upright.shape[1]
        np.testing.assert_array_equal(np.diff(whole), 1)


@pytest.mark.parametrize("kind", AGENTS)
@pytest.mark.parametrize("lesion_first", [True, False])
def test_what_a_frozen_agent_loses_stays_lost(kind: str, lesion_first: bool) -> None:
    agent = AGENTS[kind]()
    both = lesion(freeze(agent, 4), AT) if lesion_first else freeze(lesion(agent, AT), 4)
    _, weights = lifetime(both)
    lost = np.concatenate([mask.ravel() for mask in both.masks])
    for later in weights[AT:]:
        np.testing.assert_array_equal(later, np.where(lost, 0, weights[AT - 1]))


# Actuators


class Recorder(gym.Env[Any, Any]):
    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (3,), np.float32)

    def __init__(self) -> None:
        self.seen: list[list[float]] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        self.seen = []
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.seen.append(action.tolist())
        return np.zeros(2, np.float32), 0.0, False, False, {}


def test_disabled_actuators_are_zero_from_that_step_of_every_episode() -> None:
    recorder = Recorder()
    env = DisableActuators(recorder, [0, 2], at=2)
    action = np.ones(3, np.float32)
    for _ in range(2):
        env.reset()
        for _ in range(4):
            env.step(action)
        assert recorder.seen == [[1, 1, 1]] * 2 + [[0, 1, 0]] * 2
    assert action.tolist() == [1, 1, 1]  # the caller's own stays whole


def test_the_ants_actuators_are_those_of_its_legs_in_their_order() -> None:
    places = [leg.place for leg in undamaged().legs]
    assert {place: (2 * i, 2 * i + 1) for i, place in enumerate(places)} == ANT_LEGS


def test_an_ant_with_a_limp_leg_is_one_whose_leg_gets_no_torque() -> None:
    actions = np.random.default_rng(0).uniform(-1, 1, (12, 8)).astype(np.float32)
    with gym.make("AntUndamaged-v0") as whole, gym.make("AntUndamaged-v0") as base:
        limp = DisableActuators(base, ANT_LEGS["right_front"], at=5)
        whole.reset(seed=1)
        limp.reset(seed=1)
        for step, action in enumerate(actions):
            by_hand = action * ([1] * 6 + [0, 0]) if step >= 5 else action
            np.testing.assert_array_equal(limp.step(action)[0], whole.step(by_hand.astype(np.float32))[0])


def test_an_env_with_disabled_actuators_can_be_made_from_its_spec() -> None:
    with gym.make("Pendulum-v1") as base:
        spec = DisableActuators(base, (0,), at=0).spec
    assert spec is not None
    with gym.make(spec) as one, gym.make("Pendulum-v1") as other:
        one.reset(seed=0)
        other.reset(seed=0)
        made = one.step(np.ones(1, np.float32))[0]
        np.testing.assert_array_equal(made, other.step(np.zeros(1, np.float32))[0])


# Errors


class Mute:
    def reset(self, rng: int) -> None: ...

    def act(self, observation: Any) -> int:
        return 1


def test_what_cannot_be_disturbed_is_refused_with_the_cure() -> None:
    for disturb in (lambda: freeze(Mute(), 1), lambda: lesion(Mute(), 1)):
        with pytest.raises(ValueError, match=r"Mute has no weights of one lifetime.*take a PlasticNetwork"):
            disturb()
    with pytest.raises(ValueError, match="saturate is for actions that are arrays of numbers, not for 1"):
        saturate(Mute(), 0, 1).act(None)
    batch = policy()
    batch.act(OBSERVATIONS)
    with pytest.raises(ValueError, match="lives one lifetime at a time"):
        lesion(batch, 1)


def test_impossible_numbers_are_refused() -> None:
    agent = network()
    with pytest.raises(ValueError, match="after is a step: 0 or more, not -1"):
        freeze(agent, -1)
    with pytest.raises(ValueError, match=r"stop must be 5 \(start\) or later, not 4"):
        saturate(agent, 5, 4)
    with pytest.raises(ValueError, match=r"fraction must be in \[0, 1\], not 1.5"):
        lesion(agent, 0, 1.5)
    with pytest.raises(ValueError, match=r"actuators must be in 0 to 2, not \[3\]"):
        DisableActuators(Recorder(), [3], 0)
    with gym.make("CartPole-v1") as env, pytest.raises(ValueError, match=r"a Box of shape \(n,\), not Discrete"):
        DisableActuators(env, [0], 0)


def test_actuators_may_come_from_an_iterator() -> None:
    base = Recorder()
    env = DisableActuators(base, itertools.chain([0], [2]), at=0)
    env.reset()
    env.step(np.ones(3, np.float32))
    np.testing.assert_array_equal(base.seen[-1], [0, 1, 0])


@pytest.mark.parametrize("name", ["predict", "genome", "architecture"])
def test_a_perturbed_agent_does_not_offer_what_would_live_undisturbed(name: str) -> None:
    perturbed = lesion(policy(), at=3)
    assert not hasattr(perturbed, name)
    with pytest.raises(AttributeError, match=f"a perturbed agent has no {name}: .* run_episode"):
        getattr(perturbed, name)
    with pytest.raises(ValueError, match=r"Lesioned has no architecture and genome .* run_episode"):
        hg.evaluate(perturbed, "CartPole-v1", 2)  # type: ignore[arg-type]
