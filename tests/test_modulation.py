"""Modulated, shared and normalized plasticity: against literal loops, in numba and torch, one and many genomes."""

import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hebbian_gym import Architecture, HebbianPolicy, PlasticNetwork, run_episode
from hebbian_gym.architecture import MODULATIONS, NORMALIZATIONS, SHARINGS, random_genome
from hebbian_gym.batch import act_batch, birth_batch, learn_batch
from hebbian_gym.encoder import Conv
from hebbian_gym.presets import get_preset

SIZES = (4, 5, 3)
RULES = ("ABCD", "reward_modulated")
anyhow_fast = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50, derandomize=True)


def make(rule="ABCD", seed=1, scale=0.3, **options):
    """An architecture without bounds to speak of, and a genome mild enough for 20 steps."""
    sizes = options.pop("sizes", SIZES)
    actions = sizes[-1] - (options.get("modulation") == "output")
    bounds = {"low": (-1.0,) * actions, "high": (1.0,) * actions}
    architecture = Architecture(sizes, rule=rule, **{**bounds, **options})
    return architecture, random_genome(architecture, seed, scale)


def observe(architecture, steps, n=None, seed=0):
    shape = (steps, *architecture.observation_shape) if n is None else (steps, n, *architecture.observation_shape)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def signals(steps, n=None, seed=5):
    """Modulators, a third of them NaN: no update."""
    rng = np.random.default_rng(seed)
    shape = (steps,) if n is None else (steps, n)
    return np.where(rng.random(shape) < 1 / 3, np.nan, rng.standard_normal(shape))


# Literal loops


def abcd(pre, post, modulator, h):
    return modulator * h["eta"] * (h["A"] * pre * post + h["B"] * pre + h["C"] * post + h["D"])


def reward_modulated(pre, post, modulator, h):
    told = h["reward_pre_post"] * pre * post + h["reward_post"] * post + h["reward_pre"] * pre + h["reward_one"]
    untold = h["pre_post"] * pre * post + h["post_only"] * post + h["pre_only"] * pre + h["one"]
    return h["eta"] * (modulator * told + untold)


FORMULAS = {
    "ABCD": (abcd, ["A", "B", "C", "eta", "D"]),
    "reward_modulated": (
        reward_modulated,
        [
            "reward_pre_post",
            "reward_post",
            "reward_pre",
            "reward_one",
            "pre_post",
            "post_only",
            "pre_only",
            "one",
            "eta",
        ],
    ),
}


class Loops:
    """One lifetime in float64, synapse by synapse."""

    def __init__(self, architecture, genome, births):
        self.architecture, self.genome = architecture, genome.astype(float)
        self.weights = [layer.astype(float).tolist() for layer in births]

    def act(self, observation):
        self.activity = [observation.astype(float).tolist()]
        for w in self.weights:
            sums = [sum(x * w[i][j] for i, x in enumerate(self.activity[-1])) for j in range(len(w[0]))]
            self.activity.append([math.tanh(s) for s in sums])
        outputs = self.activity[-1]
        if self.architecture.learn_from == "raw":
            self.activity[-1] = sums
        if self.architecture.modulation == "output":
            self.update(outputs[-1])
            return outputs[:-1]
        if self.architecture.modulation == "none":
            self.update(1.0)
        return outputs

    def learn(self, modulator):
        if self.architecture.modulation == "reward" and modulator is not None:
            self.update(modulator)

    def update(self, modulator):
        formula, names = FORMULAS[self.architecture.rule]
        before = 0
        for layer, w in enumerate(self.weights):
            n, m = len(w), len(w[0])
            for i in range(n):
                for j in range(m):
                    own = {}
                    for k, name in enumerate(names):
                        gene = {
                            "synapse": before + k * n * m + i * m + j,
                            "layer": layer * len(names) + k,
                            "network": k,
                        }
                        own[name] = self.genome[gene[self.architecture.sharing]]
                    w[i][j] += formula(self.activity[layer][i], self.activity[layer + 1][j], modulator, own)
            before += len(names) * n * m
            self.normalize(w)

    def normalize(self, w):
        how, n, m = self.architecture.normalize, len(w), len(w[0])
        largest = max(abs(x) for row in w for x in row)
        for j in range(m):
            column = [w[i][j] for i in range(n)]
            mean = sum(column) / n if how == "zscore" else 0.0
            norm = math.sqrt(sum((x - mean) ** 2 for x in column))
            for i in range(n):
                if how == "max":
                    w[i][j] /= largest
                elif how in ("l2", "zscore"):
                    w[i][j] = (column[i] - mean) / norm
                elif how == "clip":
                    w[i][j] = min(max(column[i], -1.0), 1.0)


def live_numba(architecture, genome, observations, modulators):
    network = PlasticNetwork(architecture, genome)
    network.reset(3)
    actions = []
    for observation, modulator in zip(observations, modulators, strict=True):
        actions.append(network.act(observation))
        network.learn(None if np.isnan(modulator) else modulator)
    return np.array(actions), network.weights


def live_torch(architecture, genome, observations, modulators):
    """The first of two lifetimes at once; the other one sees and is told something else."""
    policy = HebbianPolicy(architecture, genome)
    policy.reset(3)
    actions = []
    for observation, modulator in zip(observations, modulators, strict=True):
        actions.append(policy.act(np.stack([observation, observation[::-1]]))[0])
        policy.learn(np.array([modulator, 0.5]))
    return np.array(actions), [layer[0].detach().numpy() for layer in policy.weights]


def live_loops(architecture, genome, observations, modulators):
    loops = Loops(architecture, genome, architecture.birth(np.random.default_rng(3)))
    actions = []
    for observation, modulator in zip(observations, modulators, strict=True):
        actions.append(loops.act(observation))
        loops.learn(None if np.isnan(modulator) else modulator)
    return np.array(actions), loops.weights


def assert_same_life(ours, theirs, rtol=1e-3, atol=2e-4):
    np.testing.assert_allclose(ours[0], theirs[0], rtol=rtol, atol=atol)
    for layer, expected in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_allclose(layer, expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize("normalize", NORMALIZATIONS)
@pytest.mark.parametrize("modulation", MODULATIONS)
@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("rule", RULES)
def test_both_implementations_equal_literal_loops(rule, sharing, modulation, normalize):
    learn_from = "raw" if normalize in ("l2", "clip") else "squashed"  # both, without twice the tests
    options = {"sharing": sharing, "modulation": modulation, "normalize": normalize, "learn_from": learn_from}
    architecture, genome = make(rule, **options)
    life = architecture, genome, observe(architecture, 20), signals(20)
    expected = live_loops(*life)
    assert_same_life(live_numba(*life), expected)
    assert_same_life(live_torch(*life), expected)


@anyhow_fast
@given(
    rule=st.sampled_from([*RULES, "ABCD_D_in_and_out", "static"]),
    sharing=st.sampled_from(SHARINGS),
    modulation=st.sampled_from(MODULATIONS),
    normalize=st.sampled_from(NORMALIZATIONS),
    update_every=st.integers(1, 3),
    average_over=st.integers(1, 4),
    learn_from=st.sampled_from(["squashed", "raw"]),
    initial_weights=st.sampled_from(["uniform", "evolved", "xavier"]),
    sizes=st.sampled_from([(4, 2), (4, 5, 3), (4, 3, 3, 2)]),
)
def test_numba_and_torch_live_the_same_life(rule, **options):
    architecture, genome = make(rule, scale=0.2, **options)
    life = architecture, genome, observe(architecture, 20), signals(20)
    assert_same_life(live_numba(*life), live_torch(*life))


def test_a_modulated_rule_without_modulation_is_told_one():
    lives = []
    for modulation in ("none", "reward"):
        architecture, genome = make("reward_modulated", modulation=modulation)
        lives.append(live_numba(architecture, genome, observe(architecture, 5), np.ones(5)))
    assert_same_life(*lives, rtol=0, atol=0)


@given(
    st.lists(st.tuples(st.floats(-2, 2, width=32), st.floats(-2, 2, width=32)), min_size=1, max_size=6),
    st.floats(-3, 3, width=32),
    st.floats(0, 1, width=32),
)
@anyhow_fast
def test_the_delta_rule_is_one_of_the_reward_modulated_rules(pairs, reward, eta):
    x, w = np.array(pairs, np.float32).T
    endless = {"outputs": ("raw",), "low": (-math.inf,), "high": (math.inf,), "learn_from": "raw"}
    architecture = Architecture(
        (len(x), 1), "reward_modulated", **endless, modulation="reward", sharing="network", initial_weights="zeros"
    )
    names = architecture.plasticity.coefficients
    genome = np.array([{"reward_pre": 1.0, "pre_post": -1.0, "eta": eta}.get(name, 0.0) for name in names], np.float32)
    expected = w + eta * x * (reward - np.dot(x.astype(float), w))

    network = PlasticNetwork(architecture, genome)
    network.weights[0][:, 0] = w
    network.act(x)
    network.learn(reward)
    np.testing.assert_allclose(network.weights[0][:, 0], expected, rtol=1e-5, atol=1e-5)

    policy = HebbianPolicy(architecture, genome)
    lifetimes = policy.birth(1, 0)
    lifetimes.weights[0][0, :, 0] = torch.from_numpy(w)
    _, lifetimes = policy(torch.from_numpy(x[None]), lifetimes)
    learned = learn_batch(architecture, policy.genes, lifetimes, torch.tensor([reward])).weights[0][0, :, 0]
    np.testing.assert_allclose(learned.detach(), expected, rtol=1e-5, atol=1e-5)


# When an update happens


@pytest.mark.parametrize("modulation", ["none", "output"])
def test_learn_does_nothing_where_act_learns(modulation):
    architecture, genome = make(modulation=modulation)
    network, policy = PlasticNetwork(architecture, genome), HebbianPolicy(architecture, genome)
    network.reset(0)
    policy.act(observe(architecture, 1, n=2)[0])
    network.act(np.ones(4))
    weights, both = network.state[0], [layer.detach().clone() for layer in policy.weights]
    network.learn(3.0)
    policy.learn(np.ones(2))
    policy.learn(1.0)
    np.testing.assert_array_equal(network.state[0], weights)
    torch.testing.assert_close(list(policy.weights), both, rtol=0, atol=0)


@pytest.mark.parametrize("modulator", [None, math.nan])
def test_nothing_told_is_no_update(modulator):
    architecture, genome = make(modulation="reward")
    network, policy = PlasticNetwork(architecture, genome), HebbianPolicy(architecture, genome)
    network.reset(0)
    network.act(np.ones(4))
    policy.act(np.ones((2, 4), np.float32))
    before, both = network.state[0], policy.weights[0].detach().clone()
    network.learn(modulator)
    policy.learn(None)
    policy.learn([modulator, 1.0])
    np.testing.assert_array_equal(network.state[0], before)
    torch.testing.assert_close(policy.weights[0][0].detach(), both[0], rtol=0, atol=0)
    assert not torch.equal(policy.weights[0][1].detach(), both[1])


def test_a_newborn_has_nothing_to_learn_from():
    architecture, genome = make(modulation="reward")
    network, policy = PlasticNetwork(architecture, genome), HebbianPolicy(architecture, genome)
    network.reset(0)
    network.act(np.ones(4))
    network.reset(1)
    born = network.state[0]
    network.learn(1.0)
    policy.learn(1.0)
    policy.learn(np.ones(3))
    lifetimes = policy.birth(3, 0)
    assert learn_batch(architecture, policy.genes, lifetimes, torch.ones(3)) is lifetimes
    np.testing.assert_array_equal(network.state[0], born)


def test_a_frozen_network_is_told_in_vain():
    network = PlasticNetwork(*make(modulation="reward"))
    network.reset(0)
    network.learning = False
    network.act(np.ones(4))
    before = network.state[0]
    network.learn(1.0)
    np.testing.assert_array_equal(network.state[0], before)


@pytest.mark.parametrize("options", [{}, {"average_over": 3, "update_every": 2}])
def test_a_state_between_act_and_learn_holds_what_to_learn_from(options):
    architecture, genome = make(modulation="reward", **options)
    network, twin = PlasticNetwork(architecture, genome), PlasticNetwork(architecture, genome)
    network.reset(0)
    for observation in observe(architecture, 6):
        network.act(observation)
        twin.state = network.state
        for each in (network, twin):
            each.learn(0.7)
        np.testing.assert_array_equal(twin.state[0], network.state[0])


@pytest.mark.parametrize(("update_every", "learns"), [(1, [1, 1, 1, 1]), (2, [0, 1, 0, 1])])
def test_rewards_of_other_steps_than_every_kth_teach_nothing(update_every, learns):
    architecture, genome = make(modulation="reward", update_every=update_every)
    network, policy, changed = PlasticNetwork(architecture, genome), HebbianPolicy(architecture, genome), []
    network.reset(0)
    policy.reset(0)
    for observation in observe(architecture, 4):
        before = network.state[0]
        network.act(observation)
        np.testing.assert_array_equal(network.state[0], before)
        network.learn(1.0)
        policy.act(observation[None])
        policy.learn([1.0])
        changed.append(not np.array_equal(network.state[0], before))
        np.testing.assert_allclose(policy.weights[0][0].detach(), network.weights[0], rtol=1e-4, atol=1e-5)
    assert changed == [bool(step) for step in learns]


def test_one_lifetime_of_a_policy_learns_as_its_network():
    architecture, genome = make("reward_modulated", modulation="reward")
    life = observe(architecture, 8), signals(8)
    expected, weights = live_numba(architecture, genome, *life)
    policy = HebbianPolicy(architecture, genome)
    policy.reset(3)
    for observation, modulator, action in zip(*life, expected, strict=True):
        np.testing.assert_array_equal(policy.act(observation), action)
        policy.learn(modulator)
    np.testing.assert_equal(policy.weights, weights)


# Normalization


@pytest.mark.parametrize("normalize", NORMALIZATIONS)
@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_a_zero_norm_leaves_weights_as_they_are(normalize, weight):
    architecture = Architecture((7, 3), "AD", normalize=normalize, initial_weights="zeros")
    genome = np.zeros(architecture.genome_size)
    network, policy = PlasticNetwork(architecture, genome), HebbianPolicy(architecture, genome)
    network.weights[0][:] = weight
    lifetimes = policy.birth(1, 0)
    lifetimes.weights[0][:] = weight
    network.act(np.ones(7))
    _, lifetimes = policy(torch.ones(1, 7), lifetimes)
    lifetimes.weights[0].sum().backward()
    assert np.isfinite(policy.genes.grad.numpy()).all()
    expected = {"none": weight, "clip": weight, "max": float(weight > 0), "zscore": weight, "l2": weight and 7**-0.5}
    for layer in (network.weights[0], lifetimes.weights[0][0].detach()):
        np.testing.assert_allclose(layer, np.full((7, 3), expected[normalize]), rtol=1e-6)


def test_neurons_are_normalized_each_on_its_own():
    architecture, genome = make("ABCD", scale=2.0, normalize="zscore")
    network = PlasticNetwork(architecture, genome)
    network.reset(0)
    network.act(np.ones(4))
    for layer in network.weights:
        np.testing.assert_allclose(layer.mean(0), 0, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(layer, axis=0), 1, rtol=1e-5)


# Genomes


def test_shared_coefficients_are_a_few_genes():
    sizes = {sharing: make("ABCD", sharing=sharing)[0].genome_size for sharing in SHARINGS}
    assert sizes == {"synapse": 5 * (4 * 5 + 5 * 3), "layer": 2 * 5, "network": 5}


@pytest.mark.parametrize("several", [(), (3,), (2, 3)])
@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_genome_is_split_along_its_last_axis(sharing, several):
    options = {"sharing": sharing, "initial_weights": "evolved", "encoder": (Conv(2, 3), Conv(1, 2))}
    architecture = Architecture((4, 5, 3), "AD", observation_shape=(2, 5, 5), **options)
    genes = np.arange(architecture.genome_size * math.prod(several)).reshape(*several, -1)
    coefficients, initial = architecture.split(genes)
    k = {"synapse": [(2, 4, 5), (2, 5, 3)]}.get(sharing, [(2, 1, 1)] * 2)
    assert [c.shape for c in coefficients] == [(*several, *shape) for shape in k]
    assert [c.shape for c in initial] == [(*several, 4, 5), (*several, 5, 3)]
    kernels = architecture.kernels(genes)
    assert [c.shape for c in kernels] == [(*several, 2, 2, 3, 3), (*several, 1, 2, 2, 2)]
    parts = [*coefficients[: 1 if sharing == "network" else 2], *kernels, *initial]
    joined = np.concatenate([part.reshape(*several, -1) for part in parts], axis=-1)
    np.testing.assert_array_equal(joined, genes)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rule": "reward_modulated", "modulation": "reward", "sharing": "layer"},
        {"modulation": "output", "sharing": "network", "normalize": "l2"},
        {"modulation": "reward", "initial_weights": "evolved", "average_over": 2},
        {"modulation": "output", "encoder": (Conv(2, 3), Conv(1, 2, 1, 2)), "observation_shape": (2, 7, 7)},
    ],
)
def test_n_genomes_at_once_are_each_alone(options):
    architecture, _ = make(**options)
    n, steps = 3, 10
    genomes = np.stack([random_genome(architecture, seed, 0.3) for seed in range(n)])
    observations, modulators = observe(architecture, steps, n), signals(steps, n)
    genes, together = torch.from_numpy(genomes), []
    lifetimes = birth_batch(architecture, genes, [3] * n)
    for observation, modulator in zip(observations, modulators, strict=True):
        actions, lifetimes = act_batch(architecture, genes, torch.from_numpy(observation), lifetimes)
        lifetimes = learn_batch(architecture, genes, lifetimes, torch.from_numpy(modulator))
        together.append(actions.numpy())
    for i in range(n):
        alone = live_numba(architecture, genomes[i], observations[:, i], modulators[:, i])
        assert_same_life((np.array(together)[:, i], [layer[i] for layer in lifetimes.weights]), alone)


# Gradients


def come_to(policy, modulators):
    """A sum of actions over two lifetimes that see the same and are told something else."""
    lifetimes, total = policy.birth(2, 0), 0.0
    observations = torch.from_numpy(observe(policy.architecture, len(modulators), n=2)).to(policy.genes)
    for observation, modulator in zip(observations, modulators, strict=True):
        actions, lifetimes = policy(observation, lifetimes)
        lifetimes = learn_batch(policy.architecture, policy.genes, lifetimes, modulator)
        total = total + (actions * torch.linspace(0.5, 1.5, actions.shape[1])).sum()
    return total


def differences(function, variable, step=1e-6):
    """Of a function of nothing, by each number of the variable."""
    flat, found = variable.detach().view(-1), []
    for k in range(len(flat)):
        ends = []
        for sign in (1, -1):
            flat[k] += sign * step
            with torch.no_grad():
                ends.append(float(function()))
            flat[k] -= sign * step
        found.append((ends[0] - ends[1]) / (2 * step))
    return np.reshape(found, variable.shape)


@pytest.mark.parametrize(
    "options",
    [
        {"rule": "ABCD", "modulation": "output"},
        {"rule": "reward_modulated", "modulation": "output", "sharing": "layer", "learn_from": "raw"},
        {"rule": "ABCD", "modulation": "reward", "normalize": "l2"},
        {"rule": "reward_modulated", "modulation": "reward", "sharing": "network", "average_over": 2},
        {"rule": "reward_modulated", "modulation": "reward", "normalize": "zscore", "initial_weights": "evolved"},
    ],
)
def test_gradients_through_modulated_updates_equal_finite_differences(options):
    policy = HebbianPolicy(*make(sizes=(3, 4, 2), scale=1.0, initial_scale=0.5, **options)).double()
    modulators = torch.tensor([[0.8, -0.5], [math.nan, 1.2], [-0.7, 0.4], [0.3, math.nan]]).double().requires_grad_()
    come_to(policy, modulators).backward()
    ours = policy.genes.grad.numpy()
    np.testing.assert_allclose(ours, differences(lambda: come_to(policy, modulators), policy.genes), 1e-5, 1e-8)
    assert np.abs(ours).max() > 1e-3
    if policy.architecture.modulation == "reward":
        told = ~modulators.detach().isnan().numpy()
        by_numbers = differences(lambda: come_to(policy, modulators), modulators)
        np.testing.assert_allclose(modulators.grad.numpy()[told], by_numbers[told], 1e-5, 1e-8)
        assert (modulators.grad.numpy()[~told] == 0).all()


def test_rewards_as_a_tensor_let_gradients_flow():
    policy = HebbianPolicy(*make(modulation="reward"))
    observations, modulator = torch.ones(2, 4), torch.tensor([0.5, -1.0], requires_grad=True)
    policy.act(observations)
    policy.learn(modulator)
    policy.act(observations).sum().backward()
    assert (modulator.grad != 0).all()
    assert policy.genes.grad.abs().max() > 0


def test_a_step_is_zero_or_one_and_has_no_gradient():
    architecture = Architecture(
        (2, 2), "static", outputs=("step", "tanh"), low=(-2.0, -1.0), high=(3.0, 1.0), initial_weights="evolved"
    )
    policy = HebbianPolicy(architecture, np.array([1, 1, -1, 1], np.float32))
    observations = torch.tensor([[2.0, 1.0], [1.0, 1.0], [1.0, 2.0]])
    actions, _ = policy(observations, policy.birth(3, 0))
    assert actions[:, 0].tolist() == [3, -2, -2]
    actions[:, 0].sum().backward()
    assert policy.genes.grad.tolist() == [0, 0, 0, 0]
    network = PlasticNetwork(policy.architecture, policy.genome)
    network.reset(0)
    np.testing.assert_allclose([network.act(x) for x in observations.numpy()], actions.detach(), rtol=1e-6)


def test_a_step_into_endless_bounds_is_zero_or_one():
    space = Box(-np.inf, np.inf, (1,))
    architecture = Architecture.for_spaces(
        Box(-1, 1, (1,)), space, hidden=(), rule="A", outputs=("step",), initial_weights="ones"
    )
    network = PlasticNetwork(architecture, np.zeros(1))
    network.reset(0)
    assert [network.act(np.array([x]))[0] for x in (-1.0, 0.0, 0.5)] == [0, 0, 1]


# The output that modulates


@pytest.mark.parametrize("action", [Box(-1, 1, (2,)), Box(0, 1, (1,)), Box(-1, 2, (2, 3)), Discrete(3)])
def test_the_modulating_output_is_no_part_of_the_action(action):
    observation = Box(-1, 1, (4,))
    plain = Architecture.for_spaces(observation, action, hidden=(5,))
    architecture = Architecture.for_spaces(observation, action, hidden=(5,), modulation="output")
    assert architecture.sizes == (*plain.sizes[:-1], plain.sizes[-1] + 1)
    assert (architecture.action_size, architecture.outputs) == (plain.sizes[-1], plain.outputs)
    network = PlasticNetwork(architecture, random_genome(architecture, scale=0.1))
    network.reset(0)
    network.weights[-1][:, -1] = 100  # were it one of the outputs, it would often be the largest
    policy = HebbianPolicy(architecture, network.genome)
    lifetimes = policy.birth(1, 0)
    lifetimes.weights[-1][0, :, -1] = 100
    for x in observe(architecture, 10):
        taken = network.act(x)
        actions, lifetimes = policy(torch.from_numpy(x[None]), lifetimes)
        assert action.contains(taken)
        np.testing.assert_allclose(actions[0].detach(), taken, rtol=1e-3, atol=1e-4)


def test_a_closed_gate_keeps_every_weight():
    architecture, genome = make(modulation="output")
    network = PlasticNetwork(architecture, genome)
    network.reset(0)
    network.weights[-1][:, -1] = 0  # the modulator is tanh(0)
    before = network.state[0]
    network.act(np.ones(4))
    np.testing.assert_array_equal(network.state[0], before)


# Loops


class Signalled(gym.Wrapper):
    """CartPole that tells a modulator at every third step, None at others, and nothing before the third."""

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        self.steps += 1
        if self.steps >= 3:
            info["modulator"] = 0.25 if self.steps % 3 == 0 else None
        return observation, reward, terminated, truncated, info

    def reset(self, **options):
        self.steps = 0
        return super().reset(**options)


class Listener:
    def reset(self, rng):
        self.told = []

    def act(self, observation):
        return 0

    def learn(self, modulator):
        self.told.append(modulator)


class Deaf:
    def reset(self, rng):
        pass

    def act(self, observation):
        return 0


def test_an_episode_tells_the_modulator_or_else_the_reward():
    env, listener = Signalled(gym.make("CartPole-v1")), Listener()
    seen = []
    episode = run_episode(env, listener, 0, observer=lambda *step: seen.append(len(listener.told)))
    assert listener.told[:7] == [1.0, 1.0, 0.25, None, None, 0.25, None]
    assert seen == list(range(1, episode.steps + 1))  # an observer sees the weights after the update
    assert run_episode(env, Deaf(), 0).steps == episode.steps


@pytest.mark.parametrize("modulation", MODULATIONS)
def test_policy_and_network_live_the_same_episode(modulation):
    env, policy = gym.make("Pendulum-v1"), HebbianPolicy.for_env("Pendulum-v1", hidden=(4,), modulation=modulation)
    agents = policy, PlasticNetwork(policy.architecture, policy.genome * np.float32(0.01))
    policy.genome = policy.genome * np.float32(0.01)
    ours, theirs = (run_episode(env, agent, env_seed=3, birth_seed=4).score for agent in agents)
    assert ours == theirs


def test_predict_cannot_know_rewards():
    policy = HebbianPolicy(*make(modulation="reward"))
    with pytest.raises(
        ValueError, match=r"learns from rewards, which predict\(\) is never told: use act\(\) and learn"
    ):
        policy.predict(np.ones(4))


def test_every_lifetime_is_told_its_own():
    policy = HebbianPolicy(*make(modulation="reward"))
    policy.act(np.ones((3, 4)))
    with pytest.raises(ValueError, match=r"3 lifetimes need 3 modulators, not shape \(2,\)"):
        policy.learn([1.0, 2.0])


# Data


OLD = {  # what a file before `sharing` and `modulation` says
    "sizes": [28, 128, 64, 8], "rule": "ABCD", "outputs": ["tanh"] * 8, "low": [-1.0] * 8, "high": [1.0] * 8,
    "observation_shape": [28], "discrete_observations": 0, "first_observation": 0, "first_action": 0,
    "action_shape": [], "learn_from": "squashed", "initial_weights": "uniform", "initial_scale": 0.1,
    "normalize": "none", "update_every": 1, "average_over": 1,
}  # fmt: skip


def test_an_architecture_of_an_older_file_equals_a_new_one():
    policy, _, _ = get_preset("ant-hebbian").make()
    assert Architecture(**OLD) == policy.architecture


def test_a_saved_policy_keeps_how_it_learns(tmp_path):
    policy = HebbianPolicy(*make("reward_modulated", modulation="reward", sharing="layer", normalize="clip"))
    policy.save(tmp_path / "policy.npz")
    assert HebbianPolicy.load(tmp_path / "policy.npz").architecture == policy.architecture


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sharing": "neuron"}, "unknown sharing 'neuron': choose from synapse, layer, network"),
        ({"modulation": "dopamine"}, "unknown modulation 'dopamine': choose from none, output, reward"),
        ({"normalize": True}, "normalize must be a name, not True"),
        ({"normalize": "L2"}, "unknown normalize 'L2': choose from none, max, l2, zscore, clip"),
        ({"outputs": ("relu",) * 3}, "outputs must name one of .*'step'"),
        ({"outputs": ("tanh",) * 3, "modulation": "output"}, "2 outputs besides the one that modulates"),
        ({"sizes": (4, 1), "modulation": "output"}, "needs one more output than the action"),
    ],
)
def test_an_impossible_architecture_is_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(**options)


def test_a_genome_of_the_wrong_length_is_told_who_shares():
    architecture, genome = make(sharing="layer")
    with pytest.raises(ValueError, match=r"10 genes \(rule ABCD, layers 4-5-3, coefficients shared by a layer\)"):
        PlasticNetwork(architecture, genome[:-1])
