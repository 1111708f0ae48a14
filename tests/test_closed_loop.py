"""Closed-loop learning: rules against autograd and literal loops, and lives on the line."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from hebbian_gym.envs.line_following import ResonatorBank, RoadBend
from hypothesis import given, settings
from hypothesis import strategies as st

from hebbian_gym import CLOSED_LOOP_RULES, Bus, ClosedLoopNetwork, ClosedLoopRule, run_episode
from hebbian_gym.bench.line_following import NumpyLearner
from hebbian_gym.closed_loop_rules import FUNCTIONS, SIGN_MODES, SIGNALS

same_bits = np.testing.assert_array_equal
SMALL: dict[str, Any] = {"inputs": 5, "hidden": (4, 3, 4), "output_weights": (1.0, 2.0)}
BACKWARD = Bus("backward")


def scattered(rule: str | ClosedLoopRule, seed: int, **kwargs: Any) -> ClosedLoopNetwork:
    """A network whose weights have all signs, as they have after long learning."""
    network = ClosedLoopNetwork(rule, **kwargs)
    network.reset(seed)
    rng = np.random.default_rng(seed)
    for layer in network.weights:
        layer[:] = rng.normal(size=layer.shape)
    return network


def changes(network: ClosedLoopNetwork, inputs: np.ndarray, error: float, relevance: float = 1.0) -> list[np.ndarray]:
    """Of each layer's weights in the first step of a lifetime."""
    before = [layer.copy() for layer in network.weights]
    network.step(inputs, error, relevance)
    return [after - layer for layer, after in zip(before, network.weights, strict=True)]


def layers_of(values: np.ndarray, network: ClosedLoopNetwork) -> list[np.ndarray]:
    return np.split(values, np.cumsum(network.sizes[1:])[:-1])


# Against autograd


@settings(deadline=None, max_examples=40)
@given(
    hidden=st.lists(st.integers(1, 12), max_size=11),
    outputs=st.integers(1, 3),
    inputs=st.integers(1, 9),
    boost=st.sampled_from([1.0, 1000.0]),
    error=st.floats(-12, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_bp_is_minus_the_gradient(
    hidden: list[int], outputs: int, inputs: int, boost: float, error: float, seed: int
) -> None:
    """Of -E x (sum of the outputs); the first layer's is boost^2 times that, by the authors' quirk."""
    network = scattered(
        "BP", seed, learning_rate=1.0, inputs=inputs, hidden=hidden, output_weights=[1.0] * outputs,
        first_layer_boost=boost,
    )  # fmt: skip
    seen = np.random.default_rng(seed).normal(size=inputs)
    weights = [torch.tensor(layer, requires_grad=True) for layer in network.weights]
    activity = torch.tensor(seen)
    for number, layer in enumerate(weights):
        activity = torch.sigmoid(activity @ layer / (boost if number == 0 else 1.0)) - 0.5
    (-error * activity.sum()).backward()
    for number, (change, layer) in enumerate(zip(changes(network, seen, error), weights, strict=True)):
        scale = boost**2 if number == 0 else 1.0
        np.testing.assert_allclose(change / scale, -layer.grad.numpy(), rtol=1e-10, atol=1e-10)


# Against literal loops


def literal_sign(x: float, of_zero: int) -> float:
    return 1.0 if x > 0 else -1.0 if x < 0 else float(of_zero)


class Literal:
    """One neuron and one synapse at a time, as the equations are written."""

    def __init__(self, rule: ClosedLoopRule, weights: list[np.ndarray], eta: float, boost: float) -> None:
        self.rule, self.weights, self.eta, self.boost = rule, [layer.copy() for layer in weights], eta, boost
        self.activities: list[list[float]] = []
        self.error = math.nan

    def forward(self, inputs: np.ndarray) -> None:
        self.activities = [list(map(float, inputs))]
        for number, layer in enumerate(self.weights):
            before = self.activities[-1]
            sums = [sum(before[i] * layer[i, j] for i in range(len(before))) for j in range(layer.shape[1])]
            if number == 0:
                sums = [z / self.boost for z in sums]
            self.activities.append([1 / (1 + math.exp(-z)) - 0.5 for z in sums])

    def signal(self, name: str, layer: int, j: int, error: float, relevance: float) -> float:
        """At neuron j of a layer counted from the inputs, which are 0."""
        f = self.activities[layer][j]
        slope = (0.5 + f) * (0.5 - f)
        last = layer == len(self.weights)
        out = [] if last else self.weights[layer][j]
        if name == "backward":
            if last:
                return slope * error
            return slope * sum(w * self.signal(name, layer + 1, k, error, relevance) for k, w in enumerate(out))
        if name == "local":
            return slope * error * (1.0 if last else sum(out))
        if name == "error":
            return error
        if name == "relevance":
            return relevance
        trend = 0.0 if math.isnan(self.error) else (self.error - error) / 2
        return math.exp(min(max(error * trend, -1.0), 1.0))

    def sign_per_layer(self, layer: int, j: int, error: float) -> float:
        if layer == len(self.weights):
            return literal_sign(error, self.rule.sign_of_zero)
        out = self.weights[layer][j]
        total = sum(w * self.sign_per_layer(layer + 1, k, error) for k, w in enumerate(out))
        return literal_sign(total, self.rule.sign_of_zero)

    def factor(self, layer: int, j: int, error: float, relevance: float) -> float:
        product = 1.0
        for bus in self.rule.buses:
            x = self.signal(bus.signal, layer, j, error, relevance)
            if bus.function == "absolute":
                x = abs(x)
            elif bus.function == "sign" and bus.signal == "backward" and self.rule.sign_mode == "per_layer":
                x = self.sign_per_layer(layer, j, error)
            elif bus.function == "sign":
                x = literal_sign(x, self.rule.sign_of_zero)
            product *= x
        return product

    def step(self, inputs: np.ndarray, error: float, relevance: float) -> list[float]:
        if not self.activities:
            self.forward(inputs)
        changes = [np.zeros_like(layer) for layer in self.weights]
        for number, change in enumerate(changes):
            for j in range(change.shape[1]):
                factor = self.factor(number + 1, j, error, relevance)
                for i in range(change.shape[0]):
                    boost = self.boost if number == 0 else 1.0
                    change[i, j] = self.eta * boost * self.activities[number][i] * factor
        for layer, change in zip(self.weights, changes, strict=True):
            layer += change
        self.error = error
        self.forward(inputs)
        return self.activities[-1]


OTHERS = [
    ClosedLoopRule("everything", tuple(Bus(signal) for signal in SIGNALS)),
    ClosedLoopRule("all absolute", tuple(Bus(signal, "absolute") for signal in SIGNALS)),
    *(ClosedLoopRule(f"sign of {signal}", (Bus(signal, "sign"),), 0.01, 1) for signal in SIGNALS),
    *(ClosedLoopRule(f"per layer, {zero}", (Bus("backward", "sign"),), 0.01, zero, "per_layer") for zero in (0, 1)),
    ClosedLoopRule("value per layer", (BACKWARD, Bus("backward", "absolute")), sign_mode="per_layer"),
]


def test_the_authors_rules_are_those_of_their_programs() -> None:
    sign = ("backward", "sign")
    table = {
        "BP": ([("backward", "value")], 0.1, 0),
        "LOC": ([("local", "value")], 0.1, 0),
        "SaR": ([sign, ("local", "absolute")], 0.1, 1),
        "SaR-min": ([sign, ("error", "absolute")], 0.1, 0),
        "PaM": ([sign, ("relevance", "value")], 1e-5, 0),
        "PaM-trend": ([sign, ("relevance", "value"), ("trend", "value")], 1e-5, 0),
    }
    assert list(CLOSED_LOOP_RULES) == list(table)
    for name, (buses, learning_rate, of_zero) in table.items():
        rule = ClosedLoopRule(name, tuple(Bus(*bus) for bus in buses), learning_rate, of_zero, "at_update")
        assert CLOSED_LOOP_RULES[name] == rule
        assert ClosedLoopNetwork(name, **SMALL).learning_rate == learning_rate
        assert rule.takes_relevance == name.startswith("PaM")


@pytest.mark.parametrize("rule", [*CLOSED_LOOP_RULES.values(), *OTHERS], ids=lambda rule: rule.name)
@pytest.mark.parametrize("boost", [1.0, 1000.0])
def test_a_rule_is_its_literal_loops(rule: ClosedLoopRule, boost: float) -> None:
    network = scattered(rule, 1, learning_rate=0.01, first_layer_boost=boost, **SMALL)
    literal = Literal(rule, network.weights, 0.01, boost)
    rng = np.random.default_rng(0)
    for step in range(50):
        inputs, error, relevance = rng.normal(size=5), rng.normal() * (step % 7 != 3), rng.uniform(-1, 3)
        steering = network.step(inputs, error, relevance)
        outputs = literal.step(inputs, error, relevance)
        assert steering == pytest.approx(5 * (outputs[0] + 2 * outputs[1]), rel=1e-9, abs=1e-12)
    for ours, theirs in zip(network.weights, literal.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)
    assert all(network.distances() > 1e-4)


def test_the_numpy_peer_of_the_benchmark_is_the_same_learner() -> None:
    network = ClosedLoopNetwork("BP", **SMALL)
    peer = NumpyLearner(ClosedLoopNetwork("BP", **SMALL))
    rng = np.random.default_rng(0)
    for seed in range(2):
        network.reset(seed)
        peer.reset(seed)
        for observation in rng.normal(size=(40, 6)):
            np.testing.assert_allclose(peer.act(observation), network.act(observation), rtol=1e-6)
        for ours, theirs in zip(network.weights, peer.weights, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10)


# Signs


@pytest.mark.parametrize("seed", range(5))
def test_buses_value_sign_and_absolute_fit_together(seed: int) -> None:
    inputs = np.random.default_rng(seed).normal(size=5)
    found = {}
    for name, buses in {
        "sign": (Bus("backward", "sign"),),
        "product": (Bus("backward"), Bus("backward", "sign")),
        "absolute": (Bus("backward", "absolute"),),
        "value": (Bus("backward"),),
    }.items():
        network = scattered(ClosedLoopRule(name, buses, 1.0), seed, first_layer_boost=1.0, **SMALL)
        found[name] = changes(network, inputs, -2.0)
    for number in range(len(found["sign"])):
        np.testing.assert_allclose(found["product"][number], found["absolute"][number], rtol=1e-12)
        same_bits(np.sign(found["sign"][number]), np.sign(found["value"][number]))
    np.testing.assert_allclose(found["absolute"][-1], -found["value"][-1], rtol=1e-9)  # E < 0
    ratio = found["sign"][0] / inputs[:, None]  # of the first layer, whose inputs we know
    assert set(np.round(ratio.ravel(), 9)) <= {-1.0, 1.0}


@pytest.mark.parametrize("of_zero", [0, 1])
@pytest.mark.parametrize("sign_mode", SIGN_MODES)
def test_the_sign_of_nothing_is_as_the_rule_says(of_zero: int, sign_mode: str) -> None:
    rule = ClosedLoopRule("sign", (Bus("backward", "sign"),), 1.0, of_zero, sign_mode)
    network = scattered(rule, 0, first_layer_boost=1.0, **SMALL)
    inputs = np.random.default_rng(0).normal(size=5)
    change = changes(network, inputs, 0.0)[0]  # at_update, the sign of each delta; per_layer, of sums of such
    if of_zero == 0:
        same_bits(change, np.zeros_like(change))
    elif sign_mode == "at_update":
        np.testing.assert_allclose(change, np.broadcast_to(inputs[:, None], change.shape), atol=1e-12)
    else:
        assert set(np.round((change / inputs[:, None]).ravel(), 9)) <= {-1.0, 1.0}


@pytest.mark.parametrize("error", [3.0, -3.0])
@pytest.mark.parametrize("hidden", [(), (10,), (10,) * 10])
def test_at_birth_every_neuron_gets_the_sign_of_the_error(error: float, hidden: tuple[int, ...]) -> None:
    for seed in range(5):
        network = ClosedLoopNetwork("BP", hidden=hidden)
        network.reset(seed)
        network.step(np.random.default_rng(seed).random(720), error)
        assert len(network.deltas) == len(hidden) + 1
        for delta, size in zip(network.deltas, network.sizes[1:], strict=True):
            assert delta.shape == (size,)
            same_bits(np.sign(delta), np.full(size, np.sign(error)))


def both_modes(sizes: dict[str, Any], seed: int, positive: bool) -> list[list[np.ndarray]]:
    """Changes by a sign that is taken at the update, and by one that travels."""
    found = []
    for mode in SIGN_MODES:
        network = scattered(ClosedLoopRule(mode, (Bus("backward", "sign"),), sign_mode=mode), seed, **sizes)
        if positive:
            for layer in network.weights:
                np.abs(layer, out=layer)
        found.append(changes(network, np.random.default_rng(seed).normal(size=sizes["inputs"]), -1.5))
    return found


def test_both_modes_of_the_sign_agree_where_only_one_sign_arrives() -> None:
    """With positive weights, and in a chain of single neurons; not in general."""
    chain = {"inputs": 3, "hidden": (1,) * 5, "output_weights": (1.0,)}
    for seed in range(10):
        for sizes, positive in ((SMALL, True), (chain, False)):
            for at_update, per_layer in zip(*both_modes(sizes, seed, positive), strict=True):
                same_bits(at_update, per_layer)
    differ = [
        any((a != b).any() for a, b in zip(*both_modes(SMALL, seed, positive=False), strict=True)) for seed in range(10)
    ]
    assert any(differ)


@pytest.mark.parametrize("name", CLOSED_LOOP_RULES)
@pytest.mark.parametrize("error", [2.0, -2.0])
def test_a_positive_error_with_positive_inputs_raises_the_output(name: str, error: float) -> None:
    network = ClosedLoopNetwork(name, 1e-3)
    network.reset(3)
    inputs = np.random.default_rng(0).random(720)
    network.learning = False
    before = network.step(inputs, error)
    network.learning = True
    assert (network.step(inputs, error) - before) * error > 0


# The order of a step


def test_a_step_learns_from_the_inputs_before_and_steers_by_the_present_ones() -> None:
    network = scattered("BP", 2, learning_rate=0.5, first_layer_boost=1.0, **SMALL)
    rng = np.random.default_rng(0)
    before, now = rng.normal(size=(2, 5))
    network.step(before, 0.0)  # no error, no change
    weights = [layer.copy() for layer in network.weights]
    steering = network.step(now, 1.0)
    change = network.weights[0] - weights[0]
    factors = change[0] / before[0]
    np.testing.assert_allclose(change, np.outer(before, factors))
    activity = now
    for layer in network.weights:
        activity = 1 / (1 + np.exp(-activity @ layer)) - 0.5
    assert steering == pytest.approx(5 * (activity[0] + 2 * activity[1]))


def test_act_splits_what_a_wrapper_observes() -> None:
    for name, relevance in (("SaR", []), ("SaR", [3.0]), ("PaM", [3.0])):
        by_act, by_step = (ClosedLoopNetwork(name, 0.1, **SMALL) for _ in range(2))
        rng = np.random.default_rng(0)
        for _ in range(5):
            inputs, error = rng.random(5).astype(np.float32), rng.normal()
            action = by_act.act(np.array([*inputs, *relevance, error], np.float32))
            steering = by_step.step(inputs, float(np.float32(error)), *relevance)
            assert action.dtype == np.float32
            same_bits(action, np.array([steering], np.float32))


def test_the_relevance_scales_the_change() -> None:
    inputs = np.random.default_rng(0).random(5)
    plain, scaled = (changes(scattered("PaM", 0, **SMALL), inputs, -1.0, relevance) for relevance in (1.0, 7.0))
    for one, seven in zip(plain, scaled, strict=True):
        np.testing.assert_allclose(7 * one, seven, atol=1e-15)


# The network


def test_a_birth_is_uniform_and_the_seeds() -> None:
    network = ClosedLoopNetwork()
    assert [layer.shape for layer in network.weights] == [(720, 10), *[(10, 10)] * 9, (10, 2)]
    network.reset(5)
    first = np.concatenate([layer.ravel() for layer in network.weights])
    assert first.min() >= 0
    assert first.max() < 1
    assert first.mean() == pytest.approx(0.5, abs=0.01)
    assert first.std() == pytest.approx(1 / math.sqrt(12), abs=0.01)
    network.reset(np.random.default_rng(5))
    same_bits(np.concatenate([layer.ravel() for layer in network.weights]), first)
    network.reset(6)
    assert not np.array_equal(network.weights[0].ravel(), first[:7200])


def test_distances_are_euclidean_from_birth() -> None:
    network = ClosedLoopNetwork("BP", **SMALL)
    same_bits(network.distances(), np.zeros(4))
    network.weights[1][0, :2] += [3.0, 4.0]
    assert network.distances() == pytest.approx([0, 5, 0, 0])
    network.reset(0)
    same_bits(network.distances(), np.zeros(4))


def test_frozen_weights_stay() -> None:
    network = ClosedLoopNetwork("BP", **SMALL)
    network.learning = False
    network.step(np.ones(5), 5.0)
    same_bits(network.distances(), np.zeros(4))


@pytest.mark.parametrize("make", [lambda: Bus("sideways"), lambda: Bus("backward", "cube")])
def test_an_unknown_bus_is_told_with_the_known(make: Any) -> None:
    known = ", ".join(SIGNALS) if "sideways" in make.__code__.co_consts else ", ".join(FUNCTIONS)
    with pytest.raises(ValueError, match=f"unknown .*choose from {known}"):
        make()


def test_an_unknown_rule_is_told_with_the_known() -> None:
    with pytest.raises(ValueError, match="unknown closed-loop rule 'GDM': choose from BP, LOC, SaR, SaR-min, PaM"):
        ClosedLoopNetwork("GDM")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((),), "needs one Bus"),
        ((("backward",),), "needs one Bus"),
        (((BACKWARD,), 0.1, -1), "sign_of_zero must be 0 or 1"),
        (((BACKWARD,), 0.1, 0, "always"), "choose from at_update, per_layer"),
    ],
)
def test_an_impossible_rule_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClosedLoopRule("mine", *arguments)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"inputs": 0}, {"hidden": (3, 0)}, {"hidden": (2.0,)}, {"output_weights": ()}, {"gain": math.nan},
        {"output_weights": (math.inf,)}, {"learning_rate": math.nan}, {"first_layer_boost": 0.0},
        {"first_layer_boost": math.nan},
    ],
)  # fmt: skip
def test_an_impossible_network_is_refused(kwargs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|need 1 neuron"):
        ClosedLoopNetwork(**kwargs)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 5, 6])
def test_what_is_not_finite_is_no_observation(number: float, place: int) -> None:
    network = ClosedLoopNetwork("PaM", **SMALL)
    observation = np.ones(7)
    observation[place] = number
    with pytest.raises(ValueError, match="finite"):
        network.act(observation)
    same_bits(network.distances(), np.zeros(4))


@pytest.mark.parametrize("observation", [np.ones(5), np.ones(8), np.ones((1, 6)), 1.0])
def test_another_length_is_refused(observation: Any) -> None:
    with pytest.raises(ValueError, match="5 inputs"):
        ClosedLoopNetwork("BP", **SMALL).act(observation)


def test_a_rule_that_takes_a_relevance_says_so_where_there_is_none() -> None:
    with pytest.raises(ValueError, match=r"PaM takes a relevance.*RoadBend"):
        ClosedLoopNetwork("PaM", **SMALL).act(np.ones(6))


def test_weights_that_run_away_are_told() -> None:
    network = scattered("SaR-min", 0, learning_rate=1e308, **SMALL)
    inputs = np.random.default_rng(0).normal(size=5)
    with pytest.raises(FloatingPointError, match="smaller learning rate"):
        [network.step(inputs, 1e3) for _ in range(10)]


# Lives on the line


def line(**kwargs: Any) -> gym.Env:
    return ResonatorBank(RoadBend(gym.make("LineFollowing-v0", disable_env_checker=True, **kwargs)))


def life(network: ClosedLoopNetwork, seed: int, **kwargs: Any) -> tuple[int, np.ndarray]:
    """The step of success, and the error in each step."""
    told: list[dict[str, Any]] = []
    run_episode(line(**kwargs), network, seed, seed, lambda *step: told.append(step[-1]))
    return told[-1]["success_step"], np.array([info["error"] for info in told])


@pytest.mark.parametrize(
    ("name", "learning_rate"),
    [("BP", 1e-1), ("LOC", 1e-1), ("SaR", 1e-1), ("SaR-min", 1e-1), ("PaM", 1e-3), ("PaM-trend", 1e-3)],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_learners_succeed_where_an_untaught_network_and_the_reflex_do_not(
    name: str, learning_rate: float, seed: int
) -> None:
    network = ClosedLoopNetwork(name, learning_rate)
    success, errors = life(network, seed)
    assert 0 < success < 1000
    network.learning = False
    untaught, without = life(network, seed)
    assert untaught == -1
    assert np.abs(errors).sum() < 0.02 * np.abs(without).sum()


def test_the_same_seed_lives_the_same_life_fresh_or_used() -> None:
    used = ClosedLoopNetwork("PaM", 1e-3)
    life(used, 3, max_episode_steps=100)
    lives = [life(network, 4, max_episode_steps=700)[1] for network in (ClosedLoopNetwork("PaM", 1e-3), used)]
    same_bits(*lives)
    other = life(used, 5, max_episode_steps=700)[1]
    assert not np.array_equal(other, lives[0])
