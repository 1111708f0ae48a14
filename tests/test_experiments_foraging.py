"""Experiments on foragers: static, moving, and modulated."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from hebbian_gym.batch import Lifetimes, act_batch, learn_batch
from hebbian_gym.experiments import (
    EXPERIMENTS,
    Settings,
    foraging_moving,
    foraging_rate,
    foraging_rule,
    foraging_switch,
    modulation,
    moving_foragers,
    static_foragers,
)
from hebbian_gym.network import PlasticNetwork
from hebbian_gym.rules import get_rule
from hebbian_gym.vector import run_episodes

MODULES = {
    "foraging-learning-rate": foraging_rate,
    "foraging-rule": foraging_rule,
    "foraging-moving": foraging_moving,
    "foraging-switch": foraging_switch,
    "modulation": modulation,
}
SMALL = static_foragers.Budget(2, 2, 4, 2, 30, 3)


def run(monkeypatch: pytest.MonkeyPatch, name: str, workers: int = 1, seed: int = 0) -> Any:
    monkeypatch.setattr(MODULES[name], "BUDGETS", {"quick": SMALL, "full": SMALL})
    return EXPERIMENTS[name].run(Settings(workers=workers, seed=seed))


@pytest.mark.parametrize("name", MODULES)
def test_data_is_complete_and_draws_the_figure(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    monkeypatch.setattr(MODULES[name], "BUDGETS", {"quick": SMALL})
    outcome = EXPERIMENTS[name].run(Settings(progress=told.append))
    data = json.loads(json.dumps(outcome.data, allow_nan=False))  # finite throughout
    assert data == outcome.data
    assert data["budget"]["generations"] == SMALL.generations
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(outcome.summary) >= 3
    assert all(isinstance(line, str) for line in outcome.summary)
    figure = MODULES[name].draw(data)
    figure.canvas.draw()
    labels = [ax.get_xlabel() + ax.get_ylabel() for ax in figure.axes]
    assert any(labels)


@pytest.mark.parametrize("name", ["foraging-rule", "foraging-switch"])
def test_any_number_of_workers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, name, 1).data == run(monkeypatch, name, 2).data


def test_another_seed_is_another_evolution(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "foraging-rule").data != run(monkeypatch, "foraging-rule", seed=1).data


def test_streams_of_seeds_never_meet() -> None:
    numbers = [(), (0,), (0, 0), (0, 1), (1, 0), (2,), (2, 1), (2**32 + 1,)]  # numpy pads with zeros
    drawn = [static_foragers.life_seeds(stream, *n, count=20) for stream in static_foragers.Stream for n in numbers]
    assert len(np.unique(drawn)) == np.size(drawn)


def test_experiments_draw_no_seed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    uses: dict[Any, Any] = {}
    lived: list[Any] = []

    def seeds(stream: Any, *numbers: int, count: int, plain: Any = static_foragers.seeds) -> Any:
        drawn = plain(stream, *numbers, count=count)
        uses.setdefault(stream, set()).update(drawn.tolist())
        return drawn

    def noted(env: Any, agents: Any, resets: list[int], births: list[int]) -> Any:
        lived.append((resets, births))
        return run_episodes(env, agents, resets, births)

    monkeypatch.setattr(static_foragers, "run_episodes", noted)
    for module in (static_foragers, *MODULES.values()):
        monkeypatch.setattr(module, "seeds", seeds)
    for name in MODULES:
        run(monkeypatch, name)
    assert set(uses) == set(static_foragers.Stream)
    assert len(set.union(*uses.values())) == sum(len(drawn) for drawn in uses.values())
    resets, births = ({seed for both in lived for seed in both[i]} for i in range(2))
    assert not resets & births
    assert resets | births == uses[static_foragers.Stream.TRAINING] | uses[static_foragers.Stream.HELD_OUT]


def test_held_out_lives_derive_from_the_seed() -> None:
    budget = replace(SMALL, held_out=2)
    first, second = (static_foragers.best_rate(static_foragers.Place(), budget, seed) for seed in (0, 1))
    assert first["simulated_error"] != second["simulated_error"]


@pytest.mark.filterwarnings("error")
def test_a_single_run_has_no_error_bar() -> None:
    point = {"runs": [{"error": 1.0}, {"error": 3.0}], "noise": 0.3}
    axes = Figure().subplots(1, 2)
    for ax, runs in zip(axes, (2, 1), strict=True):
        foraging_rate._plot_runs(ax, [{**point, "runs": point["runs"][:runs]}], "noise", "error", "evolved")
    (several,), (single,) = (ax.containers for ax in axes)
    assert several.lines[2][0].get_segments()[0][:, 1] == pytest.approx([2 - 2**0.5, 2 + 2**0.5])
    assert not single.has_yerr
    assert [c.get_label() for c in (several, single)] == ["evolved (mean and sd)", "evolved"]


def test_analytic_rates() -> None:
    rate = static_foragers.analytic_rate
    distances = {0.25: 0.018, 0.5: 0.048, 1.0: 0.088, 1.5: 0.111, 2.0: 0.125}  # D, which is twice the setting
    noises = {0.05: 0.155, 0.1: 0.152, 0.3: 0.125, 0.6: 0.088, 1.0: 0.057, 2.0: 0.025}
    probabilities = {
        0.0005: 0.059,
        0.001: 0.076,
        0.005: 0.115,
        0.01: 0.125,
        0.05: 0.099,
        0.1: 0.032,
        0.2: 0.0,
        0.5: 0.0,
    }
    assert {D: rate(D / 2, 0.3, 0.01) for D in distances} == pytest.approx(distances, abs=6e-4)
    assert {s: rate(1.0, s, 0.01) for s in noises} == pytest.approx(noises, abs=6e-4)
    assert {p: rate(1.0, 0.3, p) for p in probabilities} == pytest.approx(probabilities, abs=6e-4)
    assert rate(0.0, 0.3, 0.01) < 1e-3


@pytest.mark.parametrize("eta", [0.03, 0.1, 0.2])
@pytest.mark.parametrize(
    ("distance", "noise", "probability"), [(1.0, 0.3, 0.01), (1.0, 0.3, 0.05), (1.0, 1.0, 0.01), (0.5, 0.3, 0.01)]
)
def test_delta_rule_errs_as_the_algebra_says(eta: float, distance: float, noise: float, probability: float) -> None:
    place = static_foragers.Place(distance, noise, probability)
    lives = static_foragers.life_seeds(static_foragers.Stream.TRAINING, 7, count=20)
    env = place.make(len(lives), 2000, noise_free=True)
    found = static_foragers.errors(static_foragers.valuer(), static_foragers.delta_genomes([eta]), env, lives)[0]
    assert found == pytest.approx(static_foragers.analytic_error(eta, distance, noise, probability), rel=0.15)


def test_effective_rate_is_that_of_the_nearest_delta_rule() -> None:
    assert static_foragers.effective_rate(static_foragers.DELTA, 0.1) == pytest.approx(0.1)
    assert static_foragers.effective_rate(static_foragers.DELTA / 2, 0.2) == pytest.approx(0.1)
    assert static_foragers.effective_rate(np.eye(8)[static_foragers.TERMS.index("one")], 0.2) == 0.0
    assert static_foragers.cosine(3 * static_foragers.DELTA, static_foragers.DELTA) == pytest.approx(1.0)


def test_same_values_are_the_same_environment_reflected() -> None:
    place = static_foragers.Place(noise=0.0, same_values=True)
    env, plain = place.make(5, 20), replace(place, same_values=False).make(5, 20)
    foods, _ = env.reset(seed=3)
    others, _ = plain.reset(seed=3)
    for _ in range(10):
        assert np.linalg.norm(foods, axis=1) == pytest.approx(np.linalg.norm(others, axis=1), rel=1e-5)
        nothing = np.zeros((5, 1), np.float32)
        shown, (foods, *_), (others, *_, infos) = foods, env.step(nothing), plain.step(nothing)
        factor = 1 - 2 * infos["state"]
        assert factor * shown[:, 0] == pytest.approx(infos["value"], abs=1e-5)


def test_told_shows_the_last_food_and_its_value() -> None:
    env = modulation.Told(static_foragers.Place().make(3, 10))
    first, _ = env.reset(seed=0)
    assert first.shape == (3, 9)
    assert not first[:, 4:].any()
    assert env.observation_space.contains(first)
    second, *_, infos = env.step(np.zeros((3, 1), np.float32))
    assert env.observation_space.contains(second)
    assert (second[:, 4:8] == first[:, :4]).all()
    assert second[:, 8] == pytest.approx(infos["modulator"], rel=1e-6)


@pytest.mark.parametrize("name", foraging_moving.INTERFACES)
def test_moving_forager_is_a_literal_one(name: str) -> None:
    interface, steps, lives = foraging_moving.INTERFACES[name], 150, [5, 9]
    rng = np.random.default_rng(1)
    genomes = rng.uniform(-1, 1, (2, interface.genes)).astype(np.float32)
    genomes[:, moving_foragers.ETA] = 0.2
    arena = moving_foragers.Arena(eat_radius=1.5)
    env = arena.make(2, steps)
    foragers = moving_foragers.Foragers(interface, genomes, env, 0.5)
    seen, infos = env.reset(seed=lives)
    foragers.reset(lives)
    literal = [Literal(interface, g, w.copy()) for g, w in zip(genomes, foragers._weights.numpy(), strict=True)]
    meals = 0
    for _ in range(steps):
        actions = foragers.act(seen)
        assert actions == pytest.approx(np.array([one.act(o) for one, o in zip(literal, seen, strict=True)]), abs=1e-4)
        seen, _, _, _, infos = env.step(actions)
        foragers.learn(infos["modulator"])
        for number in np.flatnonzero(infos["eaten"]):
            literal[number].learn(infos["eaten_ingredients"][number], infos["modulator"][number])
            meals += 1
        for number, one in enumerate(literal):
            assert foragers._weights[number].numpy() == pytest.approx(one.weights, abs=1e-4)
            one.weights = foragers._weights[number].numpy().copy()  # so that roundings do not add up
    assert meals > 5


class Literal:
    """One forager, as the documentation has it."""

    def __init__(self, interface: moving_foragers.Interface, genome: np.ndarray, weights: np.ndarray) -> None:
        self.squash = {"raw": lambda x: x, "tanh": np.tanh, "step": lambda x: float(x > 0)}[interface.read_out]
        self.theta, self.eta = dict(zip(static_foragers.TERMS, genome[:8], strict=True)), genome[8]
        inputs = interface.units + 4
        self.first = 3 * genome[9 : 9 + 8 * inputs].reshape(inputs, 8)
        self.second = 3 * genome[9 + 8 * inputs :].reshape(8, 2)
        self.weights = weights

    def value(self, food: np.ndarray) -> list[float]:
        return [self.squash(sum(self.weights[i, j] * food[i] for i in range(4))) for j in range(self.weights.shape[1])]

    def act(self, seen: np.ndarray) -> np.ndarray:
        told = np.array([*self.value(seen[:4]), *seen[4:7], 1.0])
        return np.tanh(np.tanh(told @ self.first) @ self.second)

    def learn(self, food: np.ndarray, reward: float) -> None:
        th, y = self.theta, self.value(food)
        for j in range(len(y)):
            for i in range(4):
                with_reward = (
                    th["reward_pre_post"] * food[i] * y[j] + th["reward_post"] * y[j]
                    + th["reward_pre"] * food[i] + th["reward_one"]
                )  # fmt: skip
                without = (
                    th["pre_post"] * food[i] * y[j] + th["post_only"] * y[j] + th["pre_only"] * food[i] + th["one"]
                )
                self.weights[i, j] += self.eta * (reward * with_reward + without)
            self.weights[:, j] /= np.sqrt((self.weights[:, j] ** 2).sum())


@pytest.mark.parametrize("name", foraging_moving.INTERFACES)
def test_sensory_network_is_the_numba_one(name: str) -> None:
    sensory, rng = foraging_moving.INTERFACES[name].sensory, np.random.default_rng(2)
    rules = rng.uniform(-0.5, 0.5, (3, moving_foragers.RULE_GENES)).astype(np.float32)
    births = rng.standard_normal((3, *sensory.sizes)).astype(np.float32)
    networks = [PlasticNetwork(sensory, rule) for rule in rules]
    for network, birth in zip(networks, births, strict=True):
        network.reset(0)
        network.weights[0][:] = birth
    genes, lives = torch.from_numpy(rules), Lifetimes((torch.from_numpy(births),))
    for _ in range(10):
        foods = rng.standard_normal((3, static_foragers.INGREDIENTS)).astype(np.float32)
        rewards = rng.standard_normal(3).astype(np.float32)
        values, lives = act_batch(sensory, genes, torch.from_numpy(foods), lives)
        lives = learn_batch(sensory, genes, lives, torch.from_numpy(rewards))
        for number, network in enumerate(networks):
            assert network.act(foods[number]) == pytest.approx(values[number].numpy(), rel=1e-3, abs=1e-4)
            network.learn(rewards[number])
            assert network.weights[0] == pytest.approx(lives.weights[0][number].numpy(), abs=1e-4)
    assert not np.allclose(lives.weights[0], births, atol=0.1)


def test_birth_knows_what_the_curriculum_grants() -> None:
    interface, arena = moving_foragers.Interface("raw"), moving_foragers.Arena()
    env = arena.make(200, 10)
    found = []
    for ignorance in (0.0, 0.5, 1.0):
        foragers = moving_foragers.Foragers(interface, np.zeros((200, interface.genes)), env, ignorance)
        _, infos = env.reset(seed=0)
        foragers.reset(range(200))
        found.append((foragers._weights.numpy()[:, :, 0] * infos["ingredient_values"]).sum(1).mean())
    assert found[0] == pytest.approx(1.0, abs=1e-5)
    assert found[0] > found[1] > 0.3 > abs(found[2])


def test_without_plasticity_eta_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    data = run(monkeypatch, "foraging-switch").data
    assert all(genome[moving_foragers.ETA] == 0 for genome in data["static"]["genomes"])
    assert data["arena"]["switch_at"] == SMALL.steps // 2
    assert any(genome[moving_foragers.ETA] > 0 for genome in data["plastic"]["genomes"])


def test_sign_test() -> None:
    assert foraging_switch._paired([1.0] * 5, [0.0] * 5)["p"] == pytest.approx(1 / 32)
    assert foraging_switch._paired([1.0, 0.0], [0.0, 1.0])["p"] == pytest.approx(3 / 4)
    assert foraging_switch._paired([1.0, 0.0, 0.5], [0.0, 1.0, 0.5])["p"] == pytest.approx(3 / 4)  # a tie is left out
    assert not foraging_switch._paired([0.0] * 20, [1.0] * 20)["held"]


def test_mirrored_rules_are_the_same() -> None:
    rng, delta = np.random.default_rng(0), get_rule(static_foragers.RULE).delta
    rule = rng.standard_normal(8)
    mirror = [value * -delta(0.3, -0.7, 0.0, 1.1, *term, 1.0) / delta(0.3, 0.7, 0.0, 1.1, *term, 1.0)
              for value, term in zip(rule, np.eye(8), strict=True)]  # fmt: skip
    assert foraging_moving.pairwise_distances(np.stack([rule, mirror]), mirrored=True) == pytest.approx([0.0])
    assert foraging_moving.pairwise_distances(np.stack([rule, mirror]), mirrored=False)[0] > 0.1
