"""Policies: their names, many lifetimes at once, gradients through plasticity, Stable-Baselines3, files."""

import copy
import itertools
import pickle
import re

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.classic_control import CartPoleEnv
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Discrete
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv

from hebbian_gym import (
    Architecture,
    HebbianPolicy,
    OpenAIES,
    PlasticNetwork,
    StaticPolicy,
    Task,
    evaluate,
    run_episode,
    train,
)
from hebbian_gym.architecture import random_genome
from hebbian_gym.registration import find_spec
from hebbian_gym.rules import RULES, Rule

BOUNDED = {"low": (-1.0, -1.0), "high": (1.0, 3.0)}


def tiny(rule="ABCD", **options):
    """A policy of 3-4-2 neurons."""
    architecture = Architecture((3, 4, 2), rule=rule, **{**BOUNDED, **options})
    return HebbianPolicy(architecture, random_genome(architecture, seed=1, scale=0.3))


def observe(steps, n=None, inputs=3, seed=0):
    shape = (steps, inputs) if n is None else (steps, n, inputs)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# The names of the design


def test_the_papers_policy():
    policy = HebbianPolicy.for_env("AntUndamaged-v0", rule="ABCD", hidden=(128, 64))
    assert (policy.genome.shape, policy.genome.dtype) == ((61_440,), np.float32)
    assert np.abs(policy.genome).max() <= 1
    assert policy.env_spec.id == "AntUndamaged-v0"

    policy.reset(seed=0)
    action = policy.act(np.zeros(28, np.float32))
    assert (action.shape, action.dtype) == ((8,), np.float32)

    policy.reset(seed=0)
    assert policy.act(np.zeros((3, 28), np.float32)).shape == (3, 8)
    assert [w.shape for w in policy.weights] == [(3, 28, 128), (3, 128, 64), (3, 64, 8)]

    actions, state = policy.predict(np.zeros((2, 28)), None, np.ones(2, bool), deterministic=True)
    assert (actions.shape, state[0].shape) == ((2, 8), (2, 12_288))


def test_the_genome_can_be_set_and_is_checked():
    policy = tiny()
    policy.genome = genome = np.linspace(-1, 1, 100)
    np.testing.assert_array_equal(policy.genome, genome.astype(np.float32))
    with pytest.raises(ValueError, match="100 genes"):
        policy.genome = np.zeros(99)


def test_a_reset_with_a_seed_is_the_same_newborn_and_without_is_another():
    policy, lives = tiny(), []
    for seed in (0, 0, 1, None, None):
        policy.reset(seed)
        lives.append([policy.act(observation) for observation in observe(4)])
    np.testing.assert_array_equal(lives[0], lives[1])
    assert all(not np.allclose(a, b) for a, b in itertools.combinations(lives[1:], 2))


def test_a_policy_lives_an_episode_as_its_network_does():
    env, policy = gym.make("Pendulum-v1"), HebbianPolicy.for_env("Pendulum-v1", hidden=(4,))
    agents = policy, PlasticNetwork(policy.architecture, policy.genome)
    ours, theirs = (run_episode(env, agent, env_seed=3, birth_seed=4).score for agent in agents)
    assert ours == theirs


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda policy: pickle.loads(pickle.dumps(policy))])
def test_a_copied_policy_is_born_and_lives_as_the_original(duplicate):
    policy = tiny()
    policy.reset(seed=0)
    policy.predict(observe(1)[0])
    twin = duplicate(policy)
    for each in (policy, twin):
        each.reset(seed=5)
    (ours, ours_state), (theirs, theirs_state) = (each.predict(observe(1)[0]) for each in (policy, twin))
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(ours_state[0], theirs_state[0])


# Many lifetimes at once


def test_n_lifetimes_at_once_are_n_single_ones():
    policy, steps = tiny(), observe(10, n=4)
    policy.reset(seed=5)
    together = [policy.act(observations) for observations in steps]
    births = np.random.default_rng(5)
    for i in range(4):
        network = PlasticNetwork(policy.architecture, policy.genome)
        network.reset(births)
        alone = [network.act(observation) for observation in steps[:, i]]
        np.testing.assert_allclose(np.array(together)[:, i], alone, rtol=1e-4, atol=1e-5)
        for ours, theirs in zip(network.weights, policy.weights, strict=True):
            np.testing.assert_allclose(ours, theirs[i], rtol=1e-4, atol=1e-5)


def test_the_number_of_lifetimes_does_not_change_midway():
    policy = tiny()
    policy.act(observe(1, n=4)[0])
    with pytest.raises(ValueError, match=r"3 observations for 4 lifetimes: reset\(\)"):
        policy.act(observe(1, n=3)[0])


def test_one_lifetime_does_not_become_many_midway():
    policy = tiny(modulation="reward")
    policy.act(observe(1)[0])
    with pytest.raises(ValueError, match=r"array of 2 observations for a policy that lives one lifetime: reset\(\)"):
        policy.act(observe(1, n=2)[0])
    policy.learn(1.0)  # it lives on
    policy.reset(0)
    assert policy.weights[0].shape == (3, 4)  # a newborn that was only looked at makes way for n
    policy.act(observe(1, n=2)[0])
    with pytest.raises(ValueError, match="give an array of n"):
        policy.learn(1.0)


# A switch for learning

OFF = range(3, 6)  # steps


@pytest.mark.parametrize("modulation", ["none", "reward"])
@pytest.mark.parametrize("options", [{}, {"average_over": 3, "update_every": 2}])
def test_a_frozen_policy_keeps_its_weights_and_goes_on_as_its_network_does(modulation, options):
    policy = tiny(modulation=modulation, **options)
    network, many = PlasticNetwork(policy.architecture, policy.genome), copy.deepcopy(policy)
    for each in (network, policy, many):
        each.reset(4)
    kept = None
    for step, observation in enumerate(observe(10)):
        network.learning = policy.learning = many.learning = step not in OFF
        action = network.act(observation)
        np.testing.assert_array_equal(policy.act(observation), action)
        np.testing.assert_allclose(many.act(np.stack([observation] * 2))[0], action, rtol=1e-4, atol=1e-5)
        for agent, signal in ((network, 0.5), (policy, 0.5), (many, [0.5, -1.0])):
            agent.learn(signal)
        weights = [layer.copy() for layer in (*policy.weights, *(layer.numpy() for layer in many.weights))]
        if step in OFF:
            np.testing.assert_equal(weights, kept)
        kept = weights
        np.testing.assert_equal(policy.weights, network.weights)
        for ours, theirs in zip(many.weights, network.weights, strict=True):
            np.testing.assert_allclose(ours[0], theirs, rtol=1e-4, atol=1e-5)


def test_what_a_frozen_policy_predicts_changes_no_weights():
    policy = tiny()
    policy.learning = False
    (_, first), observations = policy.predict(observe(1, n=2)[0]), observe(1, n=2, seed=1)[0]
    _, second = policy.predict(observations, first)
    np.testing.assert_array_equal(second[0], first[0])
    np.testing.assert_array_equal(second[1], 2)
    policy.learning = True
    _, third = policy.predict(observations, second)
    assert not np.array_equal(third[0], second[0])


def test_a_policy_that_was_frozen_after_its_act_learns_nothing_of_it():
    policy = tiny(modulation="reward")
    policy.act(observe(1)[0])
    before = [layer.copy() for layer in policy.weights]
    policy.learning = False
    policy.learn(1.0)
    np.testing.assert_equal(policy.weights, before)
    policy.learning = True
    policy.learn(1.0)
    assert not np.array_equal(policy.weights[0], before[0])
    policy.learning = False
    with pytest.raises(ValueError, match="learning=False would be lost"):
        evaluate(policy, "CartPole-v1", 2)


def test_tensors_are_answered_with_tensors_and_arrays_with_arrays():
    policy, observations = tiny(), observe(1, n=2)[0]
    assert isinstance(policy.act(observations), np.ndarray)
    policy.reset(seed=0)
    newborn, learned = (policy.act(torch.from_numpy(observations)) for _ in range(2))
    assert (newborn.requires_grad, learned.requires_grad) == (False, True)
    assert learned.shape == (2, 2)


# Gradients through the plasticity


def reach(policy, steps=5):
    """A return: two lifetimes push a point about by their actions, and lose by its distance from a goal."""
    lifetimes = policy.birth(2, 0)
    goal = torch.tensor([0.3, -0.2, 0.5]).to(policy.genes)
    point, total = torch.tensor([[1.0, -0.5, 0.2], [-0.4, 0.8, -1.0]]).to(policy.genes), 0.0
    for _ in range(steps):
        actions, lifetimes = policy(point, lifetimes)
        point = point + 0.5 * torch.cat([actions, actions[:, :1] * actions[:, 1:]], 1)
        total = total - (point - goal).square().sum()
    return total


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        ("ABCD", {}),
        ("ABC_eta", {"normalize": "max", "average_over": 2}),
        ("ABCD_D_in_and_out", {"learn_from": "raw", "outputs": ("tanh", "logistic"), "low": (-1.0, 0.0)}),
        ("AD", {"initial_weights": "evolved"}),
    ],
)
def test_gradients_through_the_plasticity_equal_finite_differences(rule, options):
    policy = tiny(rule, **options).double()
    reach(policy).backward()
    differences, step = np.empty(policy.genes.shape), 1e-6
    with torch.no_grad():
        for gene in range(len(differences)):
            for sign in (1, -1):
                policy.genes[gene] += sign * step
                differences[gene] = sign * reach(policy) + (0 if sign == 1 else differences[gene])
                policy.genes[gene] -= sign * step
    gradient = policy.genes.grad.numpy()
    np.testing.assert_allclose(gradient, differences / (2 * step), rtol=1e-5, atol=1e-7)
    assert np.abs(gradient).min() > 0  # every gene matters


# Stable-Baselines3


class Watched:
    """A policy whose predictions are written down."""

    def __init__(self, policy):
        self.policy, self.starts, self.states = policy, [], []

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        actions, state = self.policy.predict(observation, state, episode_start, deterministic)
        self.starts.append(episode_start.copy())
        self.states.append(state)
        return actions, state


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_evaluate_policy_gives_run_episodes_scores(env_id):
    policy = HebbianPolicy.for_env(env_id, hidden=(4,))
    policy.reset(seed=5)
    venv = DummyVecEnv([lambda: gym.make(env_id)])
    venv.seed(7)
    scores, lengths = evaluate_policy(policy, venv, n_eval_episodes=3, return_episode_rewards=True, warn=False)

    env, births = gym.make(env_id), np.random.default_rng(5)
    network = PlasticNetwork(policy.architecture, policy.genome)
    episodes = [run_episode(env, network, env_seed, births) for env_seed in (7, None, None)]
    np.testing.assert_allclose(scores, [episode.score for episode in episodes], rtol=1e-6)
    assert lengths == [episode.steps for episode in episodes]


def test_evaluate_policy_takes_one_environment():
    policy, env = HebbianPolicy.for_env("CartPole-v1", hidden=(4,)), gym.make("CartPole-v1")
    policy.reset(seed=5)
    env.reset(seed=7)
    scores, _ = evaluate_policy(policy, env, n_eval_episodes=3, return_episode_rewards=True, warn=False)
    env.reset(seed=7)
    network, births = PlasticNetwork(policy.architecture, policy.genome), np.random.default_rng(5)
    assert scores == [run_episode(env, network, None, births).score for _ in range(3)]


def test_each_environment_of_a_vecenv_has_a_lifetime_of_its_own():
    policy = HebbianPolicy.for_env("CartPole-v1", rule="static", hidden=(4,))  # births last until the episode ends
    watched = Watched(policy)
    venv = DummyVecEnv([lambda: gym.make("CartPole-v1")] * 3)
    scores, _ = evaluate_policy(watched, venv, n_eval_episodes=9, return_episode_rewards=True, warn=False)
    assert len(scores) == 9
    starts, weights = np.array(watched.starts), np.array([state[0] for state in watched.states])
    assert starts[0].all()
    assert starts[1:].any()
    births = weights[starts]
    assert len(np.unique(births, axis=0)) == len(births)
    changed = (weights[1:] != weights[:-1]).any(axis=2)
    np.testing.assert_array_equal(changed, starts[1:])


def test_a_lifetime_learns_until_its_episode_ends():
    policy = HebbianPolicy.for_env("CartPole-v1", hidden=(4,))
    watched = Watched(policy)
    evaluate_policy(watched, DummyVecEnv([lambda: gym.make("CartPole-v1")] * 3), n_eval_episodes=6, warn=False)
    starts, ages = np.array(watched.starts), np.array([state[1] for state in watched.states])
    np.testing.assert_array_equal(ages[starts], 1)
    np.testing.assert_array_equal(np.diff(ages, axis=0)[~starts[1:]], 1)


@pytest.mark.parametrize(
    ("observation", "action", "taken"),
    [
        (Box(-1, 1, (3,)), Box(-1, 1, (2,)), (2,)),
        (Box(-1, 1, (2, 3)), Discrete(4), ()),
        (Discrete(5), Discrete(4), ()),
        (Discrete(5), Box(0, 1, (1,)), (1,)),
    ],
)
def test_predict_takes_one_observation_or_a_batch(observation, action, taken):
    policy = HebbianPolicy(Architecture.for_spaces(observation, action, hidden=(4,)))
    one = observation.sample()
    for batch, shape in ((one, taken), (np.stack([one, one, one]), (3, *taken))):
        actions, state = policy.predict(batch)
        assert np.shape(actions) == shape
        again, state = policy.predict(batch, state, None if shape == taken else np.zeros(3, bool))
        assert np.shape(again) == shape
        np.testing.assert_array_equal(state[1], 2)


def test_predict_and_act_are_the_same_life():
    policy, steps = tiny(), observe(6, n=3)
    policy.reset(seed=2)
    acted = [policy.act(observations) for observations in steps]
    policy.reset(seed=2)
    state, predicted = None, []
    for step, observations in enumerate(steps):
        actions, state = policy.predict(observations, state, np.full(3, step == 0))
        predicted.append(actions)
    np.testing.assert_allclose(predicted, acted, rtol=1e-4, atol=1e-5)


# Fixed weights


def test_a_static_policys_genome_is_its_weights_and_they_stay():
    policy = StaticPolicy.for_env("AntUndamaged-v0", hidden=(8, 4))
    assert policy.genome.shape == (28 * 8 + 8 * 4 + 4 * 8,)
    policy.reset(seed=0)
    for observation in observe(5, inputs=28):
        action = policy.act(observation)
    flat = np.concatenate([layer.ravel() for layer in policy.weights])
    np.testing.assert_array_equal(flat, policy.genome)
    first, second, third = policy.architecture.split(policy.genome)[1]
    np.testing.assert_allclose(action, np.tanh(np.tanh(np.tanh(observation @ first) @ second) @ third), rtol=1e-5)
    policy.reset(seed=0)
    together = policy.act(observe(1, n=2, inputs=28)[0])
    assert together.shape == (2, 8)


def test_a_static_policy_with_a_rule_that_learns_is_refused():
    with pytest.raises(ValueError, match="rule ABCD changes them: take a HebbianPolicy"):
        StaticPolicy.for_env("CartPole-v1", rule="ABCD")
    with pytest.raises(ValueError, match="rule A changes them: take a HebbianPolicy"):
        StaticPolicy(Architecture((3, 2), rule="A"))


# Files


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A policy for a damaged ant, and its file."""
    env = gym.make("AntDamaged-v0", damage={"left_back": 0.5})
    policy = HebbianPolicy.for_env(env, rule="ABC_eta", hidden=(4,), normalize="max", seed=3)
    env.close()
    path = tmp_path_factory.mktemp("saved") / "walker.npz"
    policy.save(path, note="for a test")
    return policy, path


def test_a_loaded_policy_acts_as_the_saved_one(saved):
    policy, path = saved
    loaded = HebbianPolicy.load(path)
    assert loaded.architecture == policy.architecture
    np.testing.assert_array_equal(loaded.genome, policy.genome)
    for each in (policy, loaded):
        each.reset(seed=1)
    for observation in observe(5, inputs=28):
        np.testing.assert_array_equal(loaded.act(observation), policy.act(observation))


def test_the_environments_spec_is_in_the_file(saved):
    spec = HebbianPolicy.load(saved[1]).env_spec
    assert (spec.id, spec.kwargs["damage"]) == ("AntDamaged-v0", {"left_back": 0.5})
    with gym.make(spec) as env:
        assert env.unwrapped.damage == {"left_back": 0.5}


@pytest.mark.parametrize("mode", ["human", "rgb_array"])
def test_a_file_opens_no_windows(tmp_path, monkeypatch, mode):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with gym.make("CartPole-v1", max_episode_steps=9, render_mode=mode) as env:
        HebbianPolicy.for_env(env, hidden=(2,)).save(tmp_path / "policy.npz")
        assert env.spec.kwargs["render_mode"] == mode  # the environment's own stays
    spec = HebbianPolicy.load(tmp_path / "policy.npz").env_spec
    assert spec.max_episode_steps == 9
    with gym.make(spec) as env:
        assert env.render_mode is None


def test_a_file_keeps_the_mode_that_its_wrappers_need():
    with gym.wrappers.AddRenderObservation(gym.make("CartPole-v1", render_mode="rgb_array")) as env:
        spec = find_spec(env)
    with gym.make(spec) as env:
        assert env.observation_space.shape == (400, 600, 3)


def test_a_policy_for_an_environment_that_has_no_spec_has_none():
    assert HebbianPolicy.for_env(CartPoleEnv(), hidden=(2,)).env_spec is None


def test_a_policy_without_an_environment_is_saved_too(tmp_path):
    tiny().save(tmp_path / "new folder" / "policy.npz")
    assert HebbianPolicy.load(tmp_path / "new folder" / "policy.npz").env_spec is None


def test_a_policy_for_an_environment_registered_by_its_class_is_saved_too(tmp_path):
    spec = EnvSpec("Own-v0", entry_point=CartPoleEnv)
    policy = HebbianPolicy.for_env(spec, hidden=(2,))
    policy.save(tmp_path / "policy.npz")
    loaded = HebbianPolicy.load(tmp_path / "policy.npz")
    np.testing.assert_array_equal(loaded.genome, policy.genome)
    assert isinstance(gym.make(loaded.env_spec).unwrapped, CartPoleEnv)


def test_a_policys_file_holds_no_pickle_and_no_weights_of_a_lifetime(saved):
    policy, path = saved
    policy.act(observe(1, inputs=28)[0])
    with np.load(path, allow_pickle=False) as file:
        sizes = {name: file[name].size for name in file.files}
    assert sizes.pop("genome") == policy.genome.size
    assert sizes == {"json": 1}


def test_saving_over_a_policy_replaces_it_and_leaves_nothing_else(tmp_path):
    policy, path = tiny(), tmp_path / "policy.npz"
    for value in (1, 2):
        policy.genome = np.full(100, value)
        policy.save(path)
    assert HebbianPolicy.load(path).genome[0] == 2
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("tenths", range(10))
def test_a_truncated_file_is_refused(saved, tmp_path, tenths):
    whole, path = saved[1].read_bytes(), tmp_path / "part.npz"
    path.write_bytes(whole[: len(whole) * tenths // 10])
    with pytest.raises(ValueError, match=rf"{re.escape(str(path))} is not a hebbian-gym file, or it is damaged"):
        HebbianPolicy.load(path)


def test_a_damaged_byte_ends_in_no_other_error_than_valueerror(tmp_path):
    policy, path = tiny("A"), tmp_path / "policy.npz"
    policy.save(path)
    whole, refused = path.read_bytes(), 0
    for position in range(0, len(whole), 5):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x81]) + whole[position + 1 :])
        try:
            loaded = HebbianPolicy.load(path)
        except ValueError:
            refused += 1
        else:  # some bytes, such as a date, do not matter
            np.testing.assert_array_equal(loaded.genome, policy.genome)
    assert refused > len(whole) / 10


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "foreign"
    np.savez(tmp_path / "arrays.npz", genome=np.zeros(3))
    np.save(tmp_path / "array.npy", np.zeros(3))
    torch.save({"genome": torch.zeros(3)}, tmp_path / "torch.pt")
    contents = [(tmp_path / name).read_bytes() for name in ("arrays.npz", "array.npy", "torch.pt")]
    for content in [b"not a policy", b"\x80\x04K\x01.", *contents]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"foreign is not a hebbian-gym file, or it is damaged") as told:
            HebbianPolicy.load(path)
        assert "allow_pickle" not in str(told.value)


def test_a_training_checkpoint_is_no_policy(tmp_path):
    policy = HebbianPolicy.for_env("CartPole-v1", rule="A", hidden=(2,))
    train(policy, OpenAIES(policy.genome, 2), Task("CartPole-v1"), 1, run_dir=tmp_path)
    with pytest.raises(ValueError, match=r"checkpoint.npz holds a training run, not a policy"):
        HebbianPolicy.load(tmp_path / "checkpoint.npz")


@pytest.mark.parametrize("name", ["missing.npz", "."])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / name))):
        HebbianPolicy.load(tmp_path / name)


def test_a_static_policy_does_not_load_one_that_learns(saved):
    with pytest.raises(ValueError, match=r"HebbianPolicy"):
        StaticPolicy.load(saved[1])


def test_a_genome_that_was_read_stays_as_it_was():
    policy = tiny()
    before, kept = policy.genome, policy.genome.copy()
    policy.genome = np.zeros(100)
    np.testing.assert_array_equal(before, kept)


def test_a_signal_of_another_number_of_lifetimes_is_refused():
    policy = tiny(modulation="reward")
    policy.act(observe(1)[0])
    with pytest.raises(ValueError, match="lives one lifetime: give a number"):
        policy.learn(np.array([1.0]))
    policy.reset(0)
    policy.act(observe(1))
    with pytest.raises(ValueError, match="give an array of n, even if n is 1"):
        policy.learn(1.0)


def test_a_policy_for_a_wrapper_around_a_function_says_how_to_save_it(tmp_path):
    env = gym.wrappers.TransformObservation(gym.make("CartPole-v1"), lambda seen: seen / 10, None)
    policy = HebbianPolicy.for_env(env)
    with pytest.raises(ValueError, match="set env_spec to None"):
        policy.save(tmp_path / "policy.npz")
    policy.env_spec = None
    policy.save(tmp_path / "policy.npz", episodes=np.int64(3))


@pytest.mark.parametrize(
    ("env", "cure"),
    [
        (gym.make_vec("CartPole-v1", 2, "sync"), "an environment, one of those in a vector environment"),
        (DummyVecEnv([lambda: gym.make("CartPole-v1")]), "an environment, one of those in a vector environment"),
    ],
)
def test_a_vector_environment_is_no_environment(env, cure):
    with pytest.raises(ValueError, match=cure):
        HebbianPolicy.for_env(env)


def test_an_action_without_an_axis_is_refused():
    with pytest.raises(ValueError, match="a Box of floats with an axis"):
        Architecture.for_spaces(Box(-1, 1, (3,)), Box(-1, 1, ()))


def test_a_policys_first_birth_is_not_made_of_the_numbers_of_its_genome():
    policy = HebbianPolicy(Architecture((28, 64, 8)))
    born = np.concatenate([layer.ravel() for layer in policy.weights])[1::2]  # two of float32 from each number's bits
    assert abs(np.corrcoef(born, policy.genome[: born.size])[0, 1]) < 0.1


def test_to_look_at_the_weights_changes_nothing():
    looked_at, other = tiny(), tiny()
    for policy in (looked_at, other):
        policy.reset(0)
    assert looked_at.weights[0].shape == (3, 4)
    observations = observe(1, 2)[0]
    np.testing.assert_array_equal(looked_at.act(observations), other.act(observations))
    for theirs, ours in zip(other.weights, looked_at.weights, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_to_change_a_lifetimes_weights_leaves_the_genome_alone():
    policy = tiny("static", initial_weights="evolved")
    genome = policy.genome
    policy.act(observe(1, 3)[0])
    for layer in policy.weights:
        layer.detach().zero_()
    np.testing.assert_array_equal(policy.genome, genome)


def test_one_observation_for_many_lifetimes_is_refused():
    policy = tiny()
    policy.act(observe(1, 2)[0])
    with pytest.raises(ValueError, match=r"one observation for 2 lifetimes: reset\(\)"):
        policy.act(observe(1)[0])


@pytest.mark.parametrize("shape", [(2, 4), (2, 3, 2)])
def test_observations_of_another_size_are_refused(shape):
    with pytest.raises(ValueError, match=rf"observes 3 numbers each, not shape \({shape[0]}, {shape[1]}"):
        tiny().act(np.zeros(shape, np.float32))


def test_predict_warns_who_never_hands_the_state_back():
    policy, observation = tiny(), observe(1)[0]
    _, state = policy.predict(observation)
    for _ in range(5):
        _, state = policy.predict(observation, state)
    policy.predict(observation)
    policy.predict(observation)
    with pytest.warns(UserWarning, match="without the state that it returned"):
        policy.predict(observation)
    policy.predict(observation)  # told once


def test_a_formula_that_torch_cannot_take_is_told_with_its_rules_name(monkeypatch):
    def leaky(pre, post, weight, a):
        return a * post if pre > 0 else 0.0

    monkeypatch.setitem(RULES, "leaky", Rule("leaky", ("a",), leaky))
    policy = tiny("leaky")
    with pytest.raises(ValueError, match="rule leaky cannot be computed for n lifetimes at once"):
        policy.act(observe(1, 2)[0])
