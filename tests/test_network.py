"""The numba network: what it computes, what it is born with, what it fits, and that torch computes the same."""

import copy
import dataclasses
import json
import math
import pickle
import re

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hebbian_gym import RULES, Architecture, HebbianPolicy, PlasticNetwork
from hebbian_gym.architecture import (
    INITIAL_WEIGHTS,
    MODULATIONS,
    NORMALIZATIONS,
    SHARINGS,
    architecture_for,
    random_genome,
)
from hebbian_gym.spaces import check_spaces

RULE_NAMES = tuple(RULES)
anyhow_fast = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
OPTIONS = {
    "plain": {},
    "normalize": {"normalize": "max"},
    "update_every": {"update_every": 3},
    "average_over": {"average_over": 4},
    "HAN's condition E": {"update_every": 5, "average_over": 5, "normalize": "max"},
    "learn_from raw": {"learn_from": "raw", "normalize": "max"},
    "logistic": {"outputs": ("logistic",) * 3, "low": (0.0,) * 3, "high": (1.0, 2.0, 3.0)},
    "raw": {"outputs": ("raw",) * 3, "low": (-math.inf,) * 3, "high": (math.inf,) * 3},
    "the paper's car": {
        "outputs": ("tanh", "logistic", "raw"),
        "low": (-1.0, 0.0, -5.0),
        "high": (3.0, 2.0, 5.0),
        "learn_from": "raw",
        "normalize": "max",
    },
    "discrete actions": {"low": (), "high": ()},
    "discrete observations": {"discrete_observations": 5},
    "two layers": {"sizes": (5, 3)},
    "shaped observations": {"sizes": (6, 4, 3), "observation_shape": (2, 3)},
    **{f"born {kind}": {"initial_weights": kind, "initial_scale": 0.3} for kind in INITIAL_WEIGHTS},
}
BOUNDED = {"low": (-1.0,) * 3, "high": (1.0,) * 3}


def make(rule="ABCD", **options):
    """A tiny architecture, and a genome mild enough for 30 steps."""
    architecture = Architecture(**{"sizes": (5, 6, 3), **BOUNDED, **options}, rule=rule)
    return architecture, random_genome(architecture, seed=1, scale=0.2)


def observe(architecture, steps, seed=0):
    rng = np.random.default_rng(seed)
    if architecture.discrete_observations:
        return rng.integers(architecture.discrete_observations, size=steps)
    return rng.standard_normal((steps, *architecture.observation_shape)).astype(np.float32)


def newborn(architecture, genome, seed=0):
    network = PlasticNetwork(architecture, genome)
    network.reset(seed)
    return network


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("rule", RULE_NAMES)
def test_numba_and_torch_live_the_same_life(rule, options):
    architecture, genome = make(rule, **options)
    network, policy = newborn(architecture, genome, seed=3), HebbianPolicy(architecture, genome)
    lifetimes = policy.birth(2, 3)
    other = torch.as_tensor(observe(architecture, 30, seed=1))
    for step, observation in enumerate(observe(architecture, 30)):
        action = network.act(observation)
        with torch.no_grad():
            actions, lifetimes = policy(torch.stack([torch.as_tensor(observation), other[step]]), lifetimes)
        np.testing.assert_allclose(action, actions[0], rtol=1e-3, atol=1e-4)
    for ours, theirs in zip(network.weights, lifetimes.weights, strict=True):
        np.testing.assert_allclose(ours, theirs[0].detach(), rtol=1e-3, atol=1e-4)


def test_act_uses_the_weights_from_before_its_own_update():
    architecture, genome = make()
    network = newborn(architecture, genome)
    for observation in observe(architecture, 3):
        first, second = (weights.copy() for weights in network.weights)
        action = network.act(observation)
        np.testing.assert_allclose(action, np.tanh(np.tanh(observation @ first) @ second), rtol=1e-5)
        assert not np.allclose(network.weights[0], first, atol=1e-3)


@pytest.mark.parametrize(("update_every", "learns"), [(1, [1, 1, 1, 1, 1, 1]), (3, [0, 0, 1, 0, 0, 1])])
def test_weights_change_at_every_kth_step_only(update_every, learns):
    architecture, genome = make(update_every=update_every)
    network, changed = newborn(architecture, genome), []
    for observation in observe(architecture, 6):
        before = network.weights[0].copy()
        network.act(observation)
        changed.append(not np.array_equal(before, network.weights[0]))
    assert changed == [bool(step) for step in learns]


def test_normalization_brings_every_layers_largest_weight_to_one():
    network = newborn(*make(normalize="max"))
    network.act(np.ones(5))
    assert [np.abs(layer).max() for layer in network.weights] == [1.0, 1.0]


def test_a_frozen_network_acts_but_does_not_learn():
    architecture, genome = make()
    network = newborn(architecture, genome)
    network.learning = False
    before = [weights.copy() for weights in network.weights]
    first, *_, last = (network.act(observation) for observation in observe(architecture, 4))
    assert not np.array_equal(first, last)
    np.testing.assert_equal(network.weights, before)
    network.learning = True
    network.act(np.ones(5))
    assert not np.array_equal(network.weights[0], before[0])


@pytest.mark.parametrize("options", [{}, {"average_over": 4, "update_every": 3}])
def test_state_restores_a_lifetime_exactly(options):
    architecture, genome = make(**options)
    network = newborn(architecture, genome)
    past, future = observe(architecture, 7), observe(architecture, 6, seed=1)
    for observation in past:
        network.act(observation)
    saved = network.state
    expected = [network.act(observation) for observation in future]
    network.reset(9)
    network.state = saved
    np.testing.assert_equal([network.act(observation) for observation in future], expected)
    fresh = PlasticNetwork(architecture, genome)
    fresh.state = saved
    np.testing.assert_equal([fresh.act(observation) for observation in future], expected)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_a_copy_lives_a_life_of_its_own(duplicate):
    network = newborn(*make(), seed=1)
    network.act(np.ones(5))
    twin = duplicate(network)
    np.testing.assert_array_equal(twin.act(np.ones(5)), network.act(np.ones(5)))
    np.testing.assert_equal(twin.weights, network.weights)
    before = [weights.copy() for weights in network.weights]
    twin.reset(1)
    first = newborn(*make(), seed=1).act(np.ones(5))
    np.testing.assert_array_equal(twin.act(np.ones(5)), first)
    np.testing.assert_equal(network.weights, before)


# Births


def born(kind, sizes=(200, 100), seed=0, scale=0.1):
    architecture = Architecture(sizes, initial_weights=kind, initial_scale=scale)
    return architecture.birth(np.random.default_rng(seed))[0]


@pytest.mark.parametrize(
    ("kind", "initialize"),
    [
        ("uniform", lambda w: torch.nn.init.uniform_(w, -0.1, 0.1)),
        ("normal", lambda w: torch.nn.init.normal_(w, 0.0, 0.1)),
        ("xavier", torch.nn.init.xavier_uniform_),
        ("kaiming", torch.nn.init.kaiming_uniform_),
        ("ones", torch.nn.init.ones_),
        ("zeros", torch.nn.init.zeros_),
    ],
)
def test_births_are_distributed_as_torchs(kind, initialize):
    ours, theirs = born(kind), initialize(torch.empty(100, 200)).numpy()
    assert ours.dtype == np.float32
    assert abs(ours.mean() - theirs.mean()) < 0.005
    assert ours.std() == pytest.approx(theirs.std(), rel=0.05)
    if kind != "normal":
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.01)


def test_sparse_births_keep_a_fifth_of_each_neurons_inputs():
    weights = born("sparse")
    assert (np.count_nonzero(weights, axis=0) == 40).all()
    assert len(set(np.count_nonzero(weights, axis=1))) > 1  # which ones is drawn for each neuron
    assert weights[weights != 0].std() == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("kind", ["uniform", "normal", "xavier", "kaiming", "sparse"])
def test_births_come_from_the_seed_alone(kind):
    np.testing.assert_array_equal(born(kind, seed=5), born(kind, seed=5))
    assert not np.array_equal(born(kind, seed=5), born(kind, seed=6))


def test_reset_forgets_the_lifetime_before():
    architecture, genome = make(average_over=4, update_every=2)
    used, fresh = newborn(architecture, genome, seed=0), newborn(architecture, genome, seed=7)
    for observation in observe(architecture, 5):
        used.act(observation)
    used.reset(7)
    for observation in observe(architecture, 5, seed=2):
        np.testing.assert_array_equal(used.act(observation), fresh.act(observation))


@pytest.mark.parametrize("kind", INITIAL_WEIGHTS)
def test_the_first_torch_newborn_is_the_numba_one(kind):
    architecture, genome = make(initial_weights=kind)
    newborns = HebbianPolicy(architecture, genome).birth(3, 4).weights
    for ours, theirs in zip(newborn(architecture, genome, 4).weights, newborns, strict=True):
        np.testing.assert_array_equal(ours, theirs[0].detach())


def test_evolved_initial_weights_are_the_end_of_the_genome():
    architecture = Architecture((2, 3, 1), rule="A", initial_weights="evolved")
    genome = np.arange(architecture.genome_size, dtype=np.float32)
    first, second = newborn(architecture, genome).weights
    np.testing.assert_array_equal(first, [[9, 10, 11], [12, 13, 14]])
    np.testing.assert_array_equal(second, [[15], [16], [17]])
    with pytest.raises(ValueError, match="give it"):
        architecture.birth(np.random.default_rng(0))


# Spaces


@pytest.mark.parametrize(
    ("action", "outputs", "reached"),
    [
        (Box(-1, 1, (2,)), ("tanh", "tanh"), ([-1, -1], [1, 1])),
        (Box(-2, 6, (1,)), ("tanh",), ([-2], [6])),
        (Box(0, 1, (1,)), ("logistic",), ([0], [1])),
        (Box(np.array([-1, 0, 0], np.float32), np.array([1, 1, 2], np.float32)), ("tanh", "logistic", "logistic"),
         ([-1, 0, 0], [1, 1, 2])),
        (Box(-np.inf, np.inf, (1,)), ("raw",), ([-150], [150])),
        (Discrete(3), ("tanh",) * 3, (0, 0)),
    ],
)  # fmt: skip
def test_outputs_fit_the_action_space(action, outputs, reached):
    architecture = Architecture.for_spaces(Box(-1, 1, (3,)), action, hidden=(5,), rule="static", initial_weights="ones")
    assert architecture.sizes == (3, 5, len(outputs))
    assert architecture.outputs == outputs
    network = newborn(architecture, np.zeros(0))
    network.weights[1][:] *= 30
    for observation, expected in zip((-np.ones(3), np.ones(3)), reached, strict=True):
        taken = network.act(observation * 100)
        np.testing.assert_allclose(taken, expected, atol=1e-6)
        assert action.contains(taken)


@pytest.mark.parametrize(
    ("space", "inputs", "observation"),
    [
        (Box(-1, 1, (28,)), 28, np.ones(28)),
        (Box(-np.inf, np.inf, (2, 3, 4)), 24, np.ones((2, 3, 4))),
        (Box(0, 255, (4, 4), np.uint8), 16, np.full((4, 4), 200, np.uint8)),
        (Discrete(7), 7, 6),
    ],
)
def test_inputs_fit_the_observation_space(space, inputs, observation):
    architecture = Architecture.for_spaces(space, Box(-1, 1, (2,)), hidden=(3,))
    assert architecture.layers == ((inputs, 3), (3, 2))
    network = newborn(architecture, random_genome(architecture))
    first, second = (weights.copy() for weights in network.weights)
    encoded = np.eye(7)[observation] if isinstance(space, Discrete) else observation.ravel()
    encoded = encoded / 255 if space.dtype == np.uint8 else encoded
    np.testing.assert_allclose(network.act(observation), np.tanh(np.tanh(encoded @ first) @ second), rtol=1e-5)


bounds = st.floats(-1000, 1000, width=32)


@anyhow_fast
@given(st.lists(st.tuples(bounds, bounds).filter(lambda pair: pair[0] < pair[1]), min_size=1), st.booleans())
def test_no_action_leaves_its_bounds(pairs, upwards):
    low, high = np.array(pairs, np.float32).T
    action = Box(low, high)
    architecture = Architecture.for_spaces(Box(-1, 1, (2,)), action, hidden=(), rule="static", initial_weights="ones")
    assert action.contains(newborn(architecture, np.zeros(0)).act(np.full(2, 100 if upwards else -100)))


@pytest.mark.parametrize("bound", [0.1, np.pi, 1 / 3])
def test_no_action_leaves_a_bound_that_float32_does_not_have(bound):
    action = Box(-bound, bound, (1,), np.float64)
    architecture = Architecture.for_spaces(Box(-1, 1, (1,)), action, hidden=(), rule="static", initial_weights="ones")
    network = newborn(architecture, np.zeros(0))
    assert all(action.contains(network.act(np.array([size])).astype(np.float64)) for size in (-100, 100))


@pytest.mark.parametrize("squash", ["tanh", "logistic", "step"])
@pytest.mark.parametrize(("low", "high"), [(-np.inf, np.inf), (0, np.inf), (-np.inf, 2)])
def test_a_squashed_output_without_bounds_stays_as_it_is(squash, low, high):
    action = Box(low, high, (1,))
    options = {"outputs": (squash,), "hidden": (), "rule": "static", "initial_weights": "ones"}
    architecture = Architecture.for_spaces(Box(-1, 1, (1,)), action, **options)
    reached = newborn(architecture, np.zeros(0)).act(np.array([100.0]))
    np.testing.assert_allclose(reached, 1.0, atol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(0, np.inf), (-1, np.inf), (-np.inf, 2)])
@pytest.mark.parametrize("size", [-100, 100])
def test_no_action_leaves_its_only_bound(low, high, size):
    action = Box(low, high, (1,))
    architecture = Architecture.for_spaces(Box(-1, 1, (1,)), action, hidden=(), rule="static", initial_weights="ones")
    assert action.contains(newborn(architecture, np.zeros(0)).act(np.array([size])))


@pytest.mark.parametrize("start", [-1, 2])
def test_discrete_spaces_may_start_anywhere(start):
    observation, action = Discrete(4, start=start), Discrete(3, start=start)
    architecture = Architecture.for_spaces(observation, action, hidden=(), rule="static", initial_weights="zeros")
    network = newborn(architecture, np.zeros(0))
    network.weights[0][:] = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert [network.act(start + k) - start for k in range(4)] == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("observation", "action", "named"),
    [
        (Dict({"a": Box(-1, 1, (2,))}), Discrete(2), "observations must be a Box or Discrete"),
        (MultiDiscrete([2, 3]), Discrete(2), "observations must be a Box or Discrete"),
        (Box(-1, 1, (2,)), MultiDiscrete([2, 3]), "actions must be a Box of floats with an axis, or Discrete"),
    ],
)
def test_other_spaces_are_refused_with_the_cure(observation, action, named):
    with pytest.raises(ValueError, match=f"{named}.*wrap the environment"):
        Architecture.for_spaces(observation, action)


@pytest.mark.parametrize(
    "given_as", [lambda: "Pendulum-v1", lambda: gym.spec("Pendulum-v1"), lambda: gym.make("Pendulum-v1")]
)
def test_an_environment_may_be_an_id_a_spec_or_itself(given_as):
    architecture, spec = architecture_for(given_as(), hidden=(4,))
    assert (architecture.sizes, architecture.high, spec.id) == ((3, 4, 1), (2.0,), "Pendulum-v1")


# Genome, data, bad input


def test_split_is_layer_by_layer_coefficient_input_output():
    architecture = Architecture((2, 3, 2), rule="AD", initial_weights="evolved")
    genome = np.arange(architecture.genome_size)
    coefficients, initial = architecture.split(genome)
    assert [layer.shape for layer in coefficients] == [(2, 2, 3), (2, 3, 2)]
    assert [layer.shape for layer in initial] == [(2, 3), (3, 2)]
    assert coefficients[0][1, 1, 2] == 1 * 6 + 1 * 3 + 2
    np.testing.assert_array_equal(np.concatenate([part.ravel() for part in coefficients + initial]), genome)


def test_the_papers_ant_has_61440_genes():
    assert Architecture((28, 128, 64, 8)).genome_size == 61_440


@pytest.mark.parametrize("shape", [(159,), (161,), (), (160, 1)])
def test_a_genome_of_the_wrong_length_is_refused_with_the_sizes(shape):
    architecture = Architecture((5, 4, 3), rule="ABCD")
    sentence = rf"needs a genome of 160 genes \(rule ABCD, layers 5-4-3\), not .* {re.escape(str(shape))}"
    with pytest.raises(ValueError, match=sentence):
        PlasticNetwork(architecture, np.zeros(shape))
    network = PlasticNetwork(architecture, np.zeros(160))
    with pytest.raises(ValueError, match="160 genes"):
        network.genome = np.zeros(shape)


@pytest.mark.parametrize("shape", [(1,), (4,), (6,), ()])
def test_an_observation_of_the_wrong_size_is_refused(shape):
    network = newborn(*make())
    with pytest.raises(ValueError, match="5"):
        network.act(np.ones(shape))


@pytest.mark.parametrize("observation", [-1, 5, 7])
def test_a_discrete_observation_out_of_range_is_refused(observation):
    network = newborn(*make(discrete_observations=5))
    with pytest.raises(ValueError, match="5"):
        network.act(observation)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sizes": (5,)}, "two or more positive numbers"),
        ({"sizes": (5, 0, 3)}, "two or more positive numbers"),
        ({"outputs": ("tanh",)}, "for each of 3 outputs"),
        ({"outputs": ("tanh", "tanh", "relu")}, "one of .*tanh"),
        ({"initial_weights": "orthogonal"}, "unknown initial_weights 'orthogonal': choose from uniform"),
        ({"learn_from": "pooled"}, "choose from squashed, raw"),
        ({"update_every": 0}, "must be 1 or more"),
        ({"average_over": 0}, "must be 1 or more"),
        ({"low": (0.0,), "high": (1.0,)}, "3"),
        ({"observation_shape": (2, 2)}, "5"),
        ({"discrete_observations": 4}, "5"),
        ({"initial_scale": "a"}, "initial_scale must be a number, not 'a'"),
        ({"update_every": "2"}, "update_every must be a whole number, not '2'"),
        ({"rule": ["A"]}, "rule must be a name"),
        ({"low": 3}, "low must be numbers, not 3"),
        ({"sizes": (5, "6", 3)}, "sizes must be whole numbers"),
        ({"outputs": [["tanh"]]}, "outputs must be names"),
        *(
            ({"encoder": wrong}, r"encoder must be its stages, each \[filters, kernel\]")
            for wrong in (3, [3], [[8]], [["a", 3]], [[8, 3, 1, 1, 1]])
        ),
    ],
)
def test_an_impossible_architecture_is_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(**options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hiden": (16,)}, "no option hiden: choose from hidden, rule, .*, modulation$"),
        ({"sizes": (4, 2)}, "no option sizes"),
        ({"hidden": "16"}, "hidden must be the size of each hidden layer"),
        ({"hidden": 1.5}, "hidden must be the size of each hidden layer"),
        ({"hidden": None}, "hidden must be the size of each hidden layer"),
    ],
)
def test_options_that_a_network_does_not_have_are_answered_with_those_it_has(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        architecture_for("CartPole-v1", **options)


def test_wrong_stages_are_refused_before_the_environments_features_are_counted():
    with pytest.raises(ValueError, match="encoder must be its stages"):
        Architecture.for_spaces(Box(0, 255, (3, 8, 8), np.uint8), Discrete(2), encoder=3)


def test_an_argument_that_an_environment_does_not_know_is_told_in_a_sentence():
    spec = gym.spec("CartPole-v1")
    spec = dataclasses.replace(spec, kwargs={"wings": 2})
    with pytest.raises(ValueError, match=r"CartPole-v1 could not be made: .*'wings'"):
        architecture_for(spec)


@anyhow_fast
@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    rule=st.sampled_from(RULE_NAMES),
    initial_weights=st.sampled_from(INITIAL_WEIGHTS),
    initial_scale=st.floats(0.01, 2),
    normalize=st.sampled_from(NORMALIZATIONS),
    update_every=st.integers(1, 5),
    outputs=st.sampled_from(["tanh", "logistic", "raw", "step"]),
    sharing=st.sampled_from(SHARINGS),
    modulation=st.sampled_from(MODULATIONS),
)
def test_an_architecture_survives_json(sizes, outputs, **options):
    actions = sizes[-1] - (options["modulation"] == "output")
    assume(actions)
    architecture = Architecture(tuple(sizes), outputs=(outputs,) * actions, **options)
    again = Architecture(**json.loads(json.dumps(architecture.to_json())))
    assert again == architecture
    assert hash(again) == hash(architecture)


def test_the_architecture_of_an_environment_survives_json():
    for action in (Discrete(3), Box(-np.inf, np.inf, (2,)), Box(0, 1, (2,))):
        architecture = Architecture.for_spaces(Box(-1, 1, (2, 3)), action)
        assert Architecture(**json.loads(json.dumps(architecture.to_json()))) == architecture


def test_actions_take_the_shape_of_their_box():
    architecture = Architecture.for_spaces(Box(-1, 1, (2,)), Box(-2, 3, (2, 3)), hidden=(4,))
    network = PlasticNetwork(architecture, random_genome(architecture))
    network.reset(0)
    action = network.act(np.ones(2))
    assert Box(-2, 3, (2, 3)).contains(action)
    policy = HebbianPolicy(architecture, network.genome)
    policy.reset(0)
    np.testing.assert_allclose(policy.act(np.ones((5, 2)))[0], action, rtol=1e-5)


@pytest.mark.parametrize(
    ("made_for", "observation", "action"),
    [
        ("Pendulum-v1", Box(-1, 1, (3,)), MultiDiscrete([2])),
        ("Pendulum-v1", Box(-1, 1, (3,)), Box(-2, 2, (1,), np.int64)),
        ("Pendulum-v1", Box(-1, 1, (3,)), Box(-1, 1, (1,))),  # Pendulum's torque is up to 2
        ("CartPole-v1", Box(-1, 1, (4,)), Discrete(2, start=1)),
        ("CartPole-v1", Discrete(4), Discrete(2)),
    ],
)
def test_a_network_is_refused_where_its_actions_would_mean_something_else(made_for, observation, action):
    architecture, _ = architecture_for(made_for)
    with pytest.raises(ValueError, match="choose an environment of the shape that it was made for"):
        check_spaces(architecture, observation, action, "Other-v0")


def test_a_network_may_act_within_wider_bounds():
    architecture, _ = architecture_for("Pendulum-v1")
    check_spaces(architecture, Box(-1, 1, (3,)), Box(-5, 5, (1,)), "Wider-v0")
    check_spaces(architecture, Box(-1, 1, (3,)), Box(-2, 2, (1,), np.float64), "Finer-v0")


def test_one_hidden_layer_may_be_a_number():
    assert architecture_for("CartPole-v1", hidden=8)[0] == architecture_for("CartPole-v1", hidden=(8,))[0]


def test_weights_that_exploded_are_named_where_they_spoil_an_observation():
    network = newborn(Architecture((2, 2), rule="static", initial_weights="ones"), np.zeros(0))
    network.weights[0][0, 0] = np.inf
    with pytest.raises(ValueError, match=r"not a number \(NaN\)\. This network's weights are no finite numbers"):
        network.act(np.array([np.nan, 0.0]))
