"""Static foragers that learn what foods are worth: which learning rate evolves, and which rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hebbian_gym.envs.foraging import FoodValuationVectorEnv

from ..architecture import Architecture
from ..optimizers.base import Optimizer
from ..optimizers.genetic import GeneticAlgorithm
from ..rules import get_rule
from ..vector import PlasticNetworks, run_episodes
from . import Outcome, Settings
from .common import BLUE, GREY, ORANGE, RED, in_parallel, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]

RULE = "reward_modulated"
TERMS = get_rule(RULE).coefficients[:-1]  # theta; the last coefficient is the learning rate, eta
REWARD_PRE, PRE_POST = TERMS.index("reward_pre"), TERMS.index("pre_post")
DELTA = np.zeros(len(TERMS), np.float32)  # the delta rule, eta * pre * (reward - post)
DELTA[REWARD_PRE], DELTA[PRE_POST] = 1.0, -1.0
INGREDIENTS = 4
TRAINING, HELD_OUT = range(2)  # streams of seeds that never meet
TOLERANCE = 1.1  # A rule counts as good as the best learning rate if its error is at most so many times that one's.
RATES = np.geomspace(0.002, 0.3, 41)  # that are tried for the best one


@dataclass(frozen=True)
class Budget:
    """How much is computed.

    Attributes:
        runs: independent evolutions of each condition.
        generations, population: of each.
        lives: of each candidate in a generation, the same ones for all candidates.
        steps: of a life.
        held_out: lives that evolution never saw, on which errors are reported.
    """

    runs: int
    generations: int
    population: int
    lives: int
    steps: int
    held_out: int

    def words(self) -> str:
        """As a sentence for a summary."""
        return (
            f"{self.runs} run(s) each, {self.generations} generations of {self.population} candidates, "
            f"{self.lives} lives of {self.steps} steps each; errors are on {self.held_out} other lives"
        )


# The static forager


@dataclass(frozen=True)
class Place:
    """An environment: settings of FoodValuation-v0, and whether all lives have the same values at their start."""

    distance: float = 1.0
    noise: float = 0.3
    transition_probability: float = 0.01
    same_values: bool = False

    def make(self, agents: int, steps: int, noise_free: bool = False) -> Valuation:
        """An environment of so many agents.

        Args:
            agents: how many.
            steps: of a life.
            noise_free: judge estimates by the foods' values, not by what the agents are told.
        """
        settings = {k: v for k, v in asdict(self).items() if k != "same_values"}
        env = FoodValuationVectorEnv(agents, steps, ingredients=INGREDIENTS, **settings)
        return Valuation(env, self.same_values, noise_free)


class Valuation:
    """FoodValuation-v0 with two changes, each if asked for.

    ``same_values``: foods are reflected so that the values at the start of each life are (1, 0, ..., 0). Foods are from
    N(0, I), which no reflection alters; so this is the same environment with values that are not drawn anew.
    ``noise_free``: the reward is minus the squared error against the value without noise.
    """

    def __init__(self, env: Any, same_values: bool, noise_free: bool) -> None:
        self.num_envs, self._env, self._same_values, self._noise_free = env.num_envs, env, same_values, noise_free
        self._mirror = np.zeros((env.num_envs, INGREDIENTS))

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start new lives."""
        foods, infos = self._env.reset(seed=seed, options=options)
        mirror = infos["ingredient_values"].copy()
        mirror[:, 0] -= 1.0
        length = np.linalg.norm(mirror, axis=1, keepdims=True)
        self._mirror = mirror / np.where(length > 0, length, 1.0)
        return self._seen(foods), infos

    def step(self, estimates: Array) -> tuple[Any, ...]:
        """Judge the estimates and show the next foods."""
        foods, rewards, terminated, truncated, infos = self._env.step(estimates)
        if self._noise_free:
            rewards = -((estimates[:, 0] - infos["value"]) ** 2)
        return self._seen(foods), rewards, terminated, truncated, infos

    def _seen(self, foods: Array) -> Array:
        if not self._same_values:
            return foods
        along = (foods * self._mirror).sum(1, keepdims=True)
        return (foods - 2.0 * along * self._mirror).astype(np.float32)


READ_OUTS = ("raw", "tanh", "step")


def valuer(read_out: str = "raw", evolved_birth: bool = False) -> Architecture:
    """One plastic neuron that sees the food and says its value, W(0) = 0 or evolved; all synapses share one rule.

    ``read_out`` "step": the neuron is 1 or 0, which says 1 or -1.
    """
    bound = np.inf if read_out == "raw" else 1.0
    return Architecture(
        (INGREDIENTS, 1), RULE, (read_out,), (-bound,), (bound,), sharing="network", modulation="reward",
        initial_weights="evolved" if evolved_birth else "zeros",
    )  # fmt: skip


def seeds(*numbers: int, count: int) -> Array:
    """Seeds derived from several numbers, shape (count,)."""
    return np.random.SeedSequence(numbers).generate_state(count)


def errors(architecture: Architecture, genomes: Array, env: Any, resets: Array) -> Array:
    """Mean squared error of each genome over its lives.

    Args:
        architecture: of all.
        genomes: shape (n, genes).
        env: of n times as many agents as each has lives.
        resets: seeds of the lives, shape (lives,), or (n, lives) for each genome's own.
    """
    lives = resets.shape[-1]
    agents = PlasticNetworks(architecture, torch.from_numpy(np.repeat(genomes, lives, axis=0)))
    every = np.broadcast_to(resets, (len(genomes), lives)).ravel().tolist()
    episodes = run_episodes(env, agents, every, every)
    with np.errstate(invalid="ignore", over="ignore"):
        return -(episodes.score / episodes.steps).reshape(len(genomes), lives).mean(axis=1)


def evolve_together(
    optimizers: Sequence[Optimizer],
    numbers: Sequence[int],
    budget: Budget,
    fitness: Callable[[Array, Array, int], Array],
) -> None:
    """Evolve independent runs side by side, all candidates of all runs at once: small networks are faster so.

    Args:
        optimizers: of the runs.
        numbers: the runs' seeds; lives of a generation derive from them, the same ones for all of a run's candidates.
        budget: how much.
        fitness: of genomes, shape (n, genes), in lives of these seeds, shape (n, lives), in this generation.
    """
    for generation in range(budget.generations):
        genomes = np.stack([candidate for optimizer in optimizers for candidate in _candidates(optimizer)])
        resets = [seeds(number, TRAINING, generation, count=budget.lives) for number in numbers]
        told = fitness(genomes, np.repeat(resets, budget.population, axis=0), generation)
        for optimizer, own in zip(optimizers, told.reshape(len(optimizers), -1), strict=True):
            optimizer.tell(own)


def _candidates(optimizer: Optimizer) -> list[Array]:
    population = optimizer.ask()
    return [population[index] for index in range(len(population))]


def genetic(architecture: Architecture, population: int, seed: int) -> GeneticAlgorithm:
    """To evolve theta in [-1, 1] and eta in [0, 1], from random ones.

    Population and selection are those of :class:`~hebbian_gym.optimizers.genetic.GeneticAlgorithm`. Gaussian mutation
    of 0.1, the bounds and the first generation are our choices.
    """
    genes, eta = architecture.genome_size, len(TERMS)
    low, high = np.full(genes, -1.0), np.full(genes, 1.0)
    low[eta] = 0.0
    first = np.random.default_rng(seed).uniform(-0.5, 0.5, (population, genes))
    first[:, eta] = np.abs(first[:, eta]) / 2
    return GeneticAlgorithm(first, population, 0.1, seed, low=low, high=high)


@dataclass(frozen=True)
class Static:
    """Evolutions of static foragers in one place, one for each seed."""

    place: Place
    budget: Budget
    seeds: tuple[int, ...]
    read_out: str = "raw"
    evolved_birth: bool = False


def evolve_static(runs: Static) -> list[dict[str, Any]]:
    """Evolve; then for each run theta, eta, the effective rate, and errors on lives never seen."""
    budget, architecture = runs.budget, valuer(runs.read_out, runs.evolved_birth)
    algorithms = [genetic(architecture, budget.population, seed) for seed in runs.seeds]
    env = runs.place.make(len(algorithms) * budget.population * budget.lives, budget.steps)
    evolve_together(
        algorithms, runs.seeds, budget, lambda genomes, lives, _: -errors(architecture, genomes, env, lives)
    )
    evolved = np.stack([algorithm.mean for algorithm in algorithms])
    never = evolved.copy()
    never[:, len(TERMS)] = 0.0
    env = runs.place.make(2 * len(evolved) * budget.held_out, budget.steps, noise_free=True)
    held_out = seeds(0, HELD_OUT, count=budget.held_out)
    found = errors(architecture, np.concatenate([evolved, never]), env, held_out)
    return [_described(genome, *both) for genome, both in zip(evolved, found.reshape(2, -1).T, strict=True)]


def _described(genome: Array, error: float, without: float) -> dict[str, Any]:
    theta, eta = genome[: len(TERMS)].astype(float), float(genome[len(TERMS)])
    return {
        "theta": theta.tolist(),
        "eta": eta,
        "effective_rate": effective_rate(theta, eta),
        "cosine": cosine(theta, DELTA),
        "initial_weights": genome[len(TERMS) + 1 :].tolist(),
        "error": float(error),
        "error_without_learning": float(without),
    }


def effective_rate(theta: Array, eta: float) -> float:
    """The learning rate of the delta rule that is nearest to eta * theta: eta (reward_pre - pre_post) / 2.

    Only products eta * theta matter, so that an evolved eta alone says little.
    """
    return float(eta * theta @ DELTA / (DELTA @ DELTA))


def cosine(a: Array, b: Array) -> float:
    """Of the angle between two rules; 0 if one is zero."""
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths else 0.0


# The best learning rate, by algebra and by trial


def analytic_error(rate: Any, distance: float, noise: float, probability: float, n: int = INGREDIENTS) -> Any:
    """Steady-state squared error of the delta rule with a linear read-out, against the value without noise.

    Our derivation, for foods from N(0, I_n) and values that jump by D = 2 ``distance`` with ``probability``: the mean
    error's component along the jump is q just after an update, and the variance's balance gives the rest. It takes
    the present error for independent of the one before, and so is an approximation.

    Args:
        rate: eta, below 2 / (n + 2).
        distance: a setting of FoodValuation-v0, like the next two.
        noise: see there.
        probability: of a transition, see there.
        n: ingredients.
    """
    jump, stay = 2.0 * distance, 1.0 - 2.0 * probability
    q = stay * rate * jump / 2 / (1 - stay * (1 - rate))
    after = (1 - rate) * q + rate * jump / 2
    return (rate**2 * n * noise**2 + 2 * probability * jump * after) / (rate * (2 - rate * (n + 2)))


def analytic_rate(distance: float, noise: float, probability: float) -> float:
    """The rate with the least analytic error; 0 where not to learn is better.

    Without learning the error is that of W = 0, the mean of both values' squared lengths (both states are as frequent).
    """
    rates = np.linspace(1e-4, 2 / (INGREDIENTS + 2) - 1e-4, 20001)
    found = analytic_error(rates, distance, noise, probability)
    return float(rates[found.argmin()]) if found.min() < idle_error(distance) else 0.0


def idle_error(distance: float) -> float:
    """Squared error of always saying 0, in the long run."""
    return (1.0 + (1.0 - 2.0 * distance) ** 2) / 2


def delta_genomes(rates: Sequence[float] | Array) -> Array:
    """Genomes of the delta rule with these rates."""
    rule = np.tile(np.append(DELTA, 0.0), (len(rates), 1))
    rule[:, -1] = rates
    return rule.astype(np.float32)


def best_rate(place: Place, budget: Budget, read_out: str = "raw") -> dict[str, float]:
    """The delta rule on the held-out lives: with the analytic rate (for a linear read-out), and the best of many."""
    analytic = analytic_rate(place.distance, place.noise, place.transition_probability)
    env = place.make((len(RATES) + 1) * budget.held_out, budget.steps, noise_free=True)
    genomes = delta_genomes([*RATES, analytic])
    found = errors(valuer(read_out), genomes, env, seeds(0, HELD_OUT, count=budget.held_out))
    best = int(np.nanargmin(found[:-1]))
    return {
        "analytic_rate": analytic,
        "analytic_error": float(analytic_error(analytic, *_knobs(place))) if analytic else idle_error(place.distance),
        "error_at_analytic_rate": float(found[-1]),
        "simulated_rate": float(RATES[best]),
        "simulated_error": float(found[best]),
    }


def _knobs(place: Place) -> tuple[float, float, float]:
    return place.distance, place.noise, place.transition_probability


# Which learning rate evolves

SWEEPS: dict[str, tuple[float, ...]] = {
    "distance": (0.125, 0.25, 0.5, 1.0),
    "noise": (0.1, 0.3, 1.0, 2.0),
    "transition_probability": (0.001, 0.01, 0.05, 0.1),
}
RATE_BUDGETS = {"quick": Budget(1, 120, 50, 3, 500, 20), "full": Budget(3, 300, 50, 3, 1000, 40)}


def learning_rate(settings: Settings) -> Outcome:
    """Evolve rule and rate at several distances, noises and transition probabilities; beside the best rate."""
    budget = RATE_BUDGETS[settings.budget]
    places = list(dict.fromkeys(_place(knob, value) for knob, values in SWEEPS.items() for value in values))
    numbers = tuple(seeds(settings.seed, 1, count=budget.runs).tolist())
    results = in_parallel(evolved_and_best, [Static(place, budget, numbers) for place in places], settings)
    points = [{**asdict(place), **best, "runs": runs} for place, (runs, best) in zip(places, results, strict=True)]
    data = {"budget": asdict(budget), "sweeps": {k: list(v) for k, v in SWEEPS.items()}, "points": points}
    data["test"] = _judge_rates(data)
    return Outcome(data, rate_figure(data), _rate_summary(data, budget))


def _place(knob: str, value: float) -> Place:
    """The base environment with one setting changed."""
    return replace(Place(), **{knob: value})  # type: ignore[arg-type]  # no knob is the bool


def evolved_and_best(runs: Static) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """What evolved, and the delta rule in the same place."""
    return evolve_static(runs), best_rate(runs.place, runs.budget, runs.read_out)


def _along(data: dict[str, Any], knob: str) -> list[dict[str, Any]]:
    """The points of a sweep."""
    base = asdict(Place())
    others = [name for name in data["sweeps"] if name != knob]
    points = [p for p in data["points"] if all(p[name] == base[name] for name in others)]
    return sorted(points, key=lambda point: point[knob])


def _mean(point: dict[str, Any], name: str) -> float:
    return float(np.mean([run[name] for run in point["runs"]]))


def _judge_rates(data: dict[str, Any]) -> dict[str, Any]:
    """The acceptance test: errors within 1.1 of the best rate's at every point, and rates in its order."""
    ratios = [_mean(point, "error") / point["error_at_analytic_rate"] for point in data["points"]]
    orders = {}
    for knob in data["sweeps"]:
        points = _along(data, knob)
        wanted = np.argsort([point["analytic_rate"] for point in points]).tolist()
        orders[knob] = np.argsort([_mean(point, "effective_rate") for point in points]).tolist() == wanted
    within = [bool(ratio <= TOLERANCE) for ratio in ratios]
    return {"ratios": ratios, "within": within, "same_order": orders, "held": all(within) and all(orders.values())}


def _rate_summary(data: dict[str, Any], budget: Budget) -> list[str]:
    test = data["test"]
    outcome = "held" if test["held"] else "did not hold"
    return [
        budget.words(),
        f"error of the evolved rule / error of the delta rule at the analytic eta*, same lives: "
        f"{min(test['ratios']):.2f} to {max(test['ratios']):.2f}; at most {TOLERANCE} at {sum(test['within'])} of "
        f"{len(test['within'])} points",
        "effective rates in the order of eta*: "
        + ", ".join(
            f"{knob.replace('_', ' ')}: {'yes' if same else 'no'}" for knob, same in test["same_order"].items()
        ),
        f"acceptance test A-T3 {outcome}",
    ]


_LABELS = {
    "distance": "distance of the two states",
    "noise": "noise of the reward (sd)",
    "transition_probability": "flips per step (probability)",
}


def rate_figure(data: dict[str, Any]) -> Figure:
    """Rates above, errors below, for each sweep."""
    figure = require_matplotlib()(figsize=(11, 6.6), layout="constrained")
    axes = figure.subplots(2, len(data["sweeps"]), sharey="row", squeeze=False)
    for column, knob in enumerate(data["sweeps"]):
        plot_rates(axes[0, column], data, knob)
        plot_errors(axes[1, column], data, knob)
    axes[0, 0].set_ylabel("learning rate (1/step)")
    axes[0, 0].set_ylim(0, 0.2)
    axes[1, 0].set_ylabel("squared error (value²)")
    axes[0, 0].legend(frameon=False, fontsize=10, loc="upper left")
    axes[1, 0].legend(frameon=False, fontsize=10, loc="upper left")
    return figure


def _fine(data: dict[str, Any], knob: str) -> tuple[Array, list[tuple[float, float, float]]]:
    """Values along a sweep for smooth curves, and the knobs at each."""
    low, high = min(data["sweeps"][knob]), max(data["sweeps"][knob])
    values = np.geomspace(low, high, 60)
    return values, [_knobs(_place(knob, float(value))) for value in values]


def plot_rates(ax: Axes, data: dict[str, Any], knob: str) -> None:
    """Effective rates of evolved rules over the analytic curve."""
    values, knobs = _fine(data, knob)
    points = _along(data, knob)
    where = [point[knob] for point in points]
    ax.plot(values, [analytic_rate(*k) for k in knobs], color=GREY, linewidth=2, label="best rate, analytic")
    ax.plot(where, [p["simulated_rate"] for p in points], "s", color="none", markeredgecolor="black",
            markersize=9, label="best rate in these lives")  # fmt: skip
    rates = [[run["effective_rate"] for run in point["runs"]] for point in points]
    ax.errorbar(where, np.mean(rates, 1), np.std(rates, 1), fmt="o", color=BLUE, capsize=4, markersize=7,
                label="evolved (effective rate, mean and sd)")  # fmt: skip
    _tidy(ax, data, knob)


def plot_errors(ax: Axes, data: dict[str, Any], knob: str) -> None:
    """Errors of evolved rules beside the delta rule's at the best rate."""
    values, knobs = _fine(data, knob)
    points = _along(data, knob)
    where = [point[knob] for point in points]
    rates = [analytic_rate(*k) for k in knobs]
    analytic = [analytic_error(r, *k) if r else idle_error(k[0]) for r, k in zip(rates, knobs, strict=True)]
    ax.plot(values, analytic, color=GREY, linewidth=2, label="delta rule, analytic steady state")
    ax.plot(where, [p["error_at_analytic_rate"] for p in points], "D", color="none", markeredgecolor=RED,
            markersize=9, label="delta rule at that rate, these lives")  # fmt: skip
    found = [[run["error"] for run in point["runs"]] for point in points]
    ax.errorbar(where, np.mean(found, 1), np.std(found, 1), fmt="o", color=BLUE, capsize=4, label="evolved")
    ax.set_yscale("log")
    _tidy(ax, data, knob)


def _tidy(ax: Axes, data: dict[str, Any], knob: str) -> None:
    values = data["sweeps"][knob]
    ax.set_xscale("log")
    ax.set_xticks(values, [f"{value:g}" for value in values])
    ax.set_xticks([], minor=True)
    ax.set_xlabel(_LABELS[knob], fontsize=11)
    ax.spines[["top", "right"]].set_visible(False)


# Which rule evolves

RULE_BUDGETS = {"quick": Budget(2, 100, 50, 3, 500, 20), "full": Budget(5, 60, 50, 3, 1000, 40)}
_STEADY = Place(distance=0.0, same_values=True)
CONDITIONS: dict[str, tuple[str, Place, bool]] = {
    "linear": ("raw", Place(), False),
    "tanh": ("tanh", Place(), False),
    "step": ("step", Place(), False),
    "linear, nothing changes": ("raw", _STEADY, True),
}
ALIGNED = 0.9  # the least cosine with the delta rule that counts as it
VANISHED = 0.1  # the most of the linear condition's effective rate that counts as none


def rule(settings: Settings) -> Outcome:
    """Evolve rules for three read-outs, and where nothing changes and W(0) evolves, too."""
    budget = RULE_BUDGETS[settings.budget]
    numbers = tuple(seeds(settings.seed, 2, count=budget.runs).tolist())
    jobs = [Static(place, budget, numbers, read_out, birth) for read_out, place, birth in CONDITIONS.values()]
    results = in_parallel(evolved_and_best, jobs, settings)
    conditions = {
        name: {"read_out": job.read_out, **asdict(job.place), "evolved_birth": job.evolved_birth,
               "runs": runs, "delta_rule": best}
        for name, job, (runs, best) in zip(CONDITIONS, jobs, results, strict=True)
    }  # fmt: skip
    data: dict[str, Any] = {"budget": asdict(budget), "terms": list(TERMS), "conditions": conditions}
    data["test"] = _judge_rules(conditions)
    return Outcome(data, rule_figure(data), _rule_summary(data, budget))


def _judge_rules(conditions: dict[str, Any]) -> dict[str, Any]:
    """The two acceptance tests: a linear read-out's rule is the delta rule; where nothing changes, learning goes."""
    linear, steady = conditions["linear"], conditions["linear, nothing changes"]
    cosines = [run["cosine"] for run in linear["runs"]]
    left = abs(_mean(steady, "effective_rate")) / max(abs(_mean(linear, "effective_rate")), 1e-9)
    return {
        "cosines": cosines,
        "delta_rule_held": min(cosines) > ALIGNED,
        "rate_left": left,
        "no_learning_held": left < VANISHED,
    }


def _rule_summary(data: dict[str, Any], budget: Budget) -> list[str]:
    test, lines = data["test"], [budget.words()]
    for name, condition in data["conditions"].items():
        lines.append(
            f"{name}: cosine with the delta rule {_mean(condition, 'cosine'):.2f}, eta {_mean(condition, 'eta'):.3f}, "
            f"effective rate {_mean(condition, 'effective_rate'):.3f}, error {_mean(condition, 'error'):.3f} "
            f"(without learning {_mean(condition, 'error_without_learning'):.3f}, best delta rule "
            f"{condition['delta_rule']['simulated_error']:.3f})"
        )
    said = {True: "held", False: "did not hold"}
    lines.append(
        f"A-T4 (every linear run's cosine above {ALIGNED}) {said[test['delta_rule_held']]}: the least is "
        f"{min(test['cosines']):.2f}"
    )
    lines.append(
        f"A-T5 (where nothing changes and W(0) evolves, the effective rate is below {VANISHED} of the linear "
        f"condition's) {said[test['no_learning_held']]}: it is {test['rate_left']:.3f} of it"
    )
    return lines


TERM_LABELS = {
    "reward_pre_post": "R·x·y", "reward_post": "R·y", "reward_pre": "R·x", "reward_one": "R",
    "pre_post": "x·y", "post_only": "y", "pre_only": "x", "one": "1",
}  # fmt: skip


def rule_figure(data: dict[str, Any]) -> Figure:
    """The evolved rule of each condition as bars."""
    figure = require_matplotlib()(figsize=(11, 6.8), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey=True).ravel()
    for ax, (name, condition) in zip(axes, data["conditions"].items(), strict=True):
        plot_rule(ax, condition, data["terms"], name)
    for ax in axes[::2]:
        ax.set_ylabel("coefficient * eta (1/step)", fontsize=11)
    for ax in axes[2:]:
        ax.set_xlabel("term of the rule (x: food, y: read-out, R: reward)", fontsize=11)
    axes[0].legend(frameon=False, fontsize=11, loc="lower right")
    return figure


def plot_rule(ax: Axes, condition: dict[str, Any], terms: Sequence[str], title: str) -> None:
    """Products eta * theta: a bar for each term, a dot for each run; the delta rule with the best rate as outlines."""
    products = np.array([[run["eta"] * value for value in run["theta"]] for run in condition["runs"]])
    where = np.arange(len(terms))
    ax.bar(where, products.mean(0), color=BLUE, width=0.7, label="evolved (mean; dots: runs)")
    for run in products:
        ax.plot(where, run, "o", color="black", markersize=3)
    if not condition["evolved_birth"]:
        rate = condition["delta_rule"]["simulated_rate"]
        ax.bar(where, rate * DELTA, width=0.9, fill=False, edgecolor=ORANGE, linewidth=2, label="delta rule, best rate")
    ax.axhline(0, color="0.6", linewidth=0.8)
    ax.set_xticks(where, [TERM_LABELS[term] for term in terms], fontsize=11)
    same = "" if condition["evolved_birth"] else f" (cosine with the delta rule {_mean(condition, 'cosine'):.2f})"
    ax.set_title(title + same, fontsize=11)
    ax.spines[["top", "right"]].set_visible(False)
