"""How well, how fast and by what changes of their weights the closed-loop learners take over from the line's reflex.

Three experiments share one kind of lifetime, :func:`live`: a newborn network, or the reflex alone, on one of two
tracks. Networks of one seed are born with the same weights (where their layers are) and meet the same noise of the
wheels, so that rules are compared in pairs. Figures are drawn from an outcome's data alone, by the functions at the
end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from ..closed_loop import CLOSED_LOOP_RULES, Bus, ClosedLoopNetwork, ClosedLoopRule
from ..envs.line_following import ResonatorBank, RoadBend
from ..rollout import run_episode
from . import Outcome, Settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Data = dict[str, Any]

RULES = CLOSED_LOOP_RULES | {"R = 1": ClosedLoopRule("R = 1", (Bus("backward", "sign"),))}
"""The library's rules and, for an ablation, PaM with a relevance that is always 1. SaR-min is PaM with R = abs(E)."""
RELEVANCES = {"R = 1": "R = 1", "R = G": "PaM", "R = abs(E)": "SaR-min"}
WATCHED = ("BP", "SaR", "PaM")
REFLEX = "reflex alone"
_WHICH = ("best", "common")  # learning rates: each rule's best, or one for all
COMMON_RATE = 1e-3  # small: every rule learns with it, and none at once
LOST_ERROR = 11.6  # units/s: where the line is out of sight, E is 0 and says nothing; counted is the largest there is
LARGEST_SPREAD = 1e12
EVERY, WINDOW = 50, 200  # steps: between two samples of a lifetime, and of the moving mean of abs(E)


@dataclass(frozen=True)
class Budget:
    """How much is run.

    Attributes:
        seeds: lifetimes for each rule and learning rate.
        pairs: lifetimes, of other seeds, in which rules are compared at rates chosen by the former.
        rates: learning rates, with ``COMMON_RATE`` among them.
        limit: steps in which success must come.
        horizon: steps over which abs(E) is summed; and the length of a lifetime that has succeeded before.
    """

    seeds: int
    pairs: int
    rates: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
    limit: int = 5000
    horizon: int = 1000


BUDGETS = {"quick": Budget(seeds=5, pairs=5), "full": Budget(seeds=20, pairs=20)}


def bent(folds: int = 6, depth: float = 22.0, points: int = 600) -> list[list[float]]:
    """A closed track with tighter bends than the bean's, our choice: radius 85 + depth x cos(folds x phi) units.

    At its tightest the line's radius is 5.4 units, and no network can steer more tightly than 10.4 by itself.
    """
    phi = np.linspace(0.0, 2.0 * np.pi, points, endpoint=False)
    radius = 85.0 + depth * np.cos(folds * phi)
    line: list[list[float]] = (125.0 + radius[:, None] * np.stack([np.cos(phi), np.sin(phi)], axis=1)).tolist()
    return line


TRACKS: dict[str, tuple[str, Callable[[], list[list[float]] | None]]] = {
    "bean": ("the environment's own track: one wide loop", lambda: None),
    "bent": ("the harder setting: a loop with six folds, radius 85 + 22 cos(6 phi) units", bent),
}


# One lifetime


@dataclass(frozen=True)
class Life:
    """A lifetime to be lived: what a worker is told.

    Attributes:
        track: of ``TRACKS``.
        rule: of ``RULES``, or ``REFLEX``.
        rate: of learning.
        seed: of the birth and of the wheels' noise.
        limit: see :class:`Budget`.
        horizon: see :class:`Budget`.
        watch: whether to look at weights and gradients, too.
    """

    track: str
    rule: str
    rate: float
    seed: int
    limit: int
    horizon: int
    watch: bool = False


class _Driver:
    """A network; or nothing, which leaves it to the reflex. It also falls silent when its weights have run away."""

    def __init__(self, network: ClosedLoopNetwork | None) -> None:
        self.network = network
        self._silent = network is None

    def reset(self, rng: int) -> None:
        if self.network is not None:
            self.network.reset(rng)

    def act(self, observation: Any) -> Any:
        if self.network is not None and not self._silent:
            try:
                return self.network.act(observation)
            except FloatingPointError:
                self._silent = True
        return np.zeros(1, np.float32)


class _EnoughKnown(gym.Wrapper[Any, Any, Any, Any]):
    """Ends a lifetime that has both succeeded and lasted for the horizon."""

    def __init__(self, env: gym.Env[Any, Any], horizon: int) -> None:
        super().__init__(env)
        self._horizon, self._steps = horizon, 0

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        self._steps = 0
        return super().reset(**kwargs)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = super().step(action)
        self._steps += 1
        enough = info["success"] and self._steps >= self._horizon
        return observation, reward, terminated, truncated or enough, info


class _Notes:
    """An observer: the error in each step, and every ``EVERY`` steps the weights and the gradients since."""

    def __init__(self, life: Life, network: ClosedLoopNetwork | None) -> None:
        self._horizon = life.horizon
        self._network = network if life.watch else None
        self.errors: list[float] = []
        self.success = -1
        self.distances: list[list[float]] = []
        self.ratios: list[float | None] = []
        self._since: list[float] = []

    def __call__(self, step: int, observation: Any, action: Any, reward: float, info: dict[str, Any]) -> None:
        self.success = info["success_step"]
        if step >= self._horizon:
            return
        self.errors.append(LOST_ERROR if info["lost"] else abs(info["error"]))
        if self._network is None:
            return
        if observation[-1] != 0.0 and (last := np.abs(self._network.deltas[-1]).mean()) > 0.0:
            self._since.append(float(np.abs(self._network.deltas[0]).mean() / last))
        if (step + 1) % EVERY == 0:
            self.distances.append(self._network.distances().tolist())
            self.ratios.append(float(np.median(self._since)) if self._since else None)
            self._since = []


def live(life: Life) -> Data:
    """Live it.

    Returns:
        ``success``, steps before it or -1; ``integral`` of abs(E) over the horizon (units); ``curve``, the moving mean
        of abs(E) over ``WINDOW`` steps or as many as there were (units/s), every ``EVERY`` steps; and if watched
        ``distances`` of each layer's weights from birth and ``ratios``, mean abs(delta) in the first layer by that in
        the last (median of the steps since, None where E was 0).
    """
    network = None if life.rule == REFLEX else ClosedLoopNetwork(RULES[life.rule], life.rate)
    notes = _Notes(life, network)
    kwargs: Any = {"track": TRACKS[life.track][1](), "max_episode_steps": life.limit, "disable_env_checker": True}
    env = _EnoughKnown(ResonatorBank(RoadBend(gym.make("LineFollowing-v0", **kwargs))), life.horizon)
    run_episode(env, _Driver(network), life.seed, life.seed, notes)
    env.close()
    sums = np.concatenate([[0.0], np.cumsum(notes.errors)])
    ends = np.arange(EVERY, len(sums), EVERY)
    begins = np.maximum(ends - WINDOW, 0)
    return {
        "success": notes.success,
        "integral": float(sums[-1]) * 0.03,  # a step is 0.03 s
        "curve": ((sums[ends] - sums[begins]) / (ends - begins)).tolist(),
        "distances": notes.distances,
        "ratios": notes.ratios,
    }


def live_all(lives: Sequence[Life], settings: Settings, done: int = 0, of: int | None = None) -> list[Data]:
    """Live them all, in their order, which the number of workers does not change.

    Args:
        lives: what to live.
        settings: workers, and whom to tell about progress.
        done: lifetimes before these.
        of: lifetimes in all.
    """
    of = of or len(lives)
    results: list[Data] = [{} for _ in lives]
    for count, (index, result) in enumerate(_lived(lives, settings.workers), done + 1):
        results[index] = result
        settings.progress(count / of)
    return results


def _lived(lives: Sequence[Life], workers: int) -> Iterator[tuple[int, Data]]:
    if workers == 1:
        yield from enumerate(map(live, lives))
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        try:
            futures = {pool.submit(live, life): index for index, life in enumerate(lives)}
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _seeds(settings: Settings, count: int) -> list[int]:
    seeds: list[int] = np.random.default_rng(settings.seed).integers(2**31, size=count).tolist()
    return seeds


def _about(budget: Budget) -> Data:
    tracks = {name: {"about": about, "rules": {}} for name, (about, _) in TRACKS.items()}
    return {
        "seeds": budget.seeds,
        "rates": list(budget.rates),
        "limit": budget.limit,
        "horizon": budget.horizon,
        "tracks": tracks,
    }


# Statistics


def _steps(lives: Iterable[Data], limit: int) -> list[int]:
    """Steps to success, where a failure counts as the limit."""
    return [limit if life["success"] < 0 else life["success"] for life in lives]


def paired_test(first: Sequence[float], second: Sequence[float]) -> Data:
    """Whether ``first`` and ``second``, of the same seeds, differ.

    Returns:
        Median and mean of ``first`` - ``second``, how many are below, above and equal, and p (two-sided) by Wilcoxon's
        signed-rank test of scipy, or without scipy by the sign test.
    """
    difference = np.subtract(first, second, dtype=np.float64)
    below, above = int((difference < 0).sum()), int((difference > 0).sum())
    try:
        from scipy.stats import wilcoxon
    except ImportError:
        test, p = "sign test", sign_test(below, above)
    else:
        test, p = "Wilcoxon's signed-rank test", float(wilcoxon(difference).pvalue) if below + above else 1.0
    return {
        "median_difference": float(np.median(difference)),
        "mean_difference": float(difference.mean()),
        "below": below,
        "above": above,
        "equal": len(difference) - below - above,
        "test": test,
        "p": p,
    }


def sign_test(below: int, above: int) -> float:
    """Two-sided p of so many differences below and above 0, if either were as likely."""
    n = below + above
    tail = sum(math.comb(n, k) for k in range(min(below, above) + 1)) / 2**n
    return min(1.0, 2.0 * tail)


# Steps to success


def success(settings: Settings) -> Outcome:
    """Steps to success and the integral of abs(E) of every rule at several learning rates; B-T4, B-T6 and B-T7."""
    figure = _figure(12.0, 9.0)
    budget = BUDGETS[settings.budget]
    seeds = _seeds(settings, budget.seeds + budget.pairs)
    data = _about(budget)
    grid = _grid(budget, seeds[: budget.seeds], tuple(RULES))
    fresh_count = len(TRACKS) * len(("BP", *RELEVANCES)) * len(_WHICH) * budget.pairs
    results = dict(zip(grid, live_all(grid, settings, 0, len(grid) + fresh_count), strict=True))
    for track, entry in data["tracks"].items():
        for rule in (REFLEX, *RULES):
            lives = _by_rate(results, track, rule)
            entry["rules"][rule] = {
                "steps": [[one["success"] if one["success"] >= 0 else None for one in same] for same in lives],
                "success_rate": [float(np.mean([one["success"] >= 0 for one in same])) for same in lives],
                "integral": [[one["integral"] for one in same] for same in lives],
            }
            if rule != REFLEX:
                effort = [(np.mean(_steps(same, budget.limit)), _mean_integral(same)) for same in lives]
                entry["rules"][rule]["best_rate"] = budget.rates[effort.index(min(effort))]
                entry["rules"][rule]["best_rate_by_integral"] = _best_rate(lives, budget)
    data["acceptance"] = _acceptance(data, settings, budget, seeds[budget.seeds :], len(grid))
    axes = figure.subplots(len(TRACKS), 2, sharex=True)
    for row, track in zip(axes, TRACKS, strict=True):
        plot_success(row[0], data, track)
        plot_integral(row[1], data, track)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=12)
    return Outcome(data, figure, _success_summary(data))


def _grid(budget: Budget, seeds: Sequence[int], rules: Sequence[str], watch: bool = False) -> list[Life]:
    """Every rule at every rate on every track, and the reflex once on each."""
    pairs = [(REFLEX, 0.0), *((rule, rate) for rule in rules for rate in budget.rates)]
    return [
        Life(track, rule, rate, seed, budget.limit, budget.horizon, watch and rule != REFLEX)
        for track in TRACKS
        for rule, rate in pairs
        for seed in seeds
    ]


def _by_rate(results: dict[Life, Data], track: str, rule: str) -> list[list[Data]]:
    """A rule's lifetimes on a track, those of each rate together, in the order in which they were asked for."""
    groups: dict[float, list[Data]] = {}
    for life, result in results.items():
        if (life.track, life.rule) == (track, rule):
            groups.setdefault(life.rate, []).append(result)
    return list(groups.values())


def _mean_integral(lives: Iterable[Data]) -> float:
    return float(np.mean([life["integral"] for life in lives]))


def _best_rate(lives: Sequence[Sequence[Data]], budget: Budget) -> float:
    integrals = [_mean_integral(same) for same in lives]
    return budget.rates[integrals.index(min(integrals))]


def _acceptance(data: Data, settings: Settings, budget: Budget, seeds: Sequence[int], done: int) -> Data:
    """The tests of acceptance; rates were chosen with other seeds than those of the pairs."""
    contenders = ("BP", *RELEVANCES.values())

    def rate(track: str, rule: str, which: str) -> float:
        return COMMON_RATE if which == "common" else data["tracks"][track]["rules"][rule]["best_rate"]

    keys = [(track, rule, which) for track in TRACKS for rule in contenders for which in ("best", "common")]
    lives = [
        Life(track, rule, rate(track, rule, which), seed, budget.limit, budget.horizon)
        for track, rule, which in keys
        for seed in seeds
    ]
    results = live_all(lives, settings, done, done + len(lives))
    n = len(seeds)
    groups = {key: results[k * n : (k + 1) * n] for k, key in enumerate(keys)}

    def against(first: str, second: str) -> list[Data]:
        return [_pair(groups, track, which, first, second, rate, budget) for track in TRACKS for which in _WHICH]

    bean = data["tracks"]["bean"]["rules"]
    some = {
        str(r): share
        for r, share in zip(budget.rates, bean["BP"]["success_rate"], strict=True)
        if COMMON_RATE <= r <= 1.0
    }
    reflex = bean[REFLEX]["success_rate"][0]
    faster = against("PaM", "BP")
    on_bean = faster[0]["steps"]
    return {
        "B-T4": {
            "asks": "on the bean the reflex alone never succeeds, and BP does at some rate from 0.001 to 1",
            "reflex_success_rate": reflex,
            "BP_success_rate": some,
            "holds": reflex == 0.0 and any(share > 0.0 for share in some.values()),
        },
        "B-T6": {
            "asks": "at their best rates PaM needs fewer steps than BP (on the bean, over 20 seeds or more, p < 0.05)",
            "pairs": faster,
            "holds": n >= 20 and on_bean["mean_difference"] < 0.0 and on_bean["p"] < 0.05,
        },
        "B-T7": {
            "asks": "what becomes of PaM with R = 1 or R = abs(E) instead of R = G",
            "pairs": [*against("PaM", "R = 1"), *against("PaM", "SaR-min")],
        },
    }


def _pair(
    groups: dict[tuple[str, str, str], list[Data]],
    track: str,
    which: str,
    first: str,
    second: str,
    rate: Callable[[str, str, str], float],
    budget: Budget,
) -> Data:
    """Two rules over the same seeds, by steps to success and by the integral of abs(E)."""
    one, other = groups[track, first, which], groups[track, second, which]
    steps, others = _steps(one, budget.limit), _steps(other, budget.limit)
    integrals, of_other = [life["integral"] for life in one], [life["integral"] for life in other]
    return {
        "track": track,
        "rates": which,
        "first": {"rule": first, "rate": rate(track, first, which), "steps": steps, "integral": integrals},
        "second": {"rule": second, "rate": rate(track, second, which), "steps": others, "integral": of_other},
        "steps": paired_test(steps, others),
        "integral": paired_test(integrals, of_other),
    }


def _success_summary(data: Data) -> list[str]:
    lines = []
    for track, entry in data["tracks"].items():
        for rule, result in entry["rules"].items():
            if rule == REFLEX:
                index, at = 0, ""
            else:
                index, at = data["rates"].index(result["best_rate"]), f" at its best rate, {result['best_rate']:g}"
            steps = [data["limit"] if s is None else s for s in result["steps"][index]]
            lines.append(
                f"{track}, {rule}{at}: success in {result['success_rate'][index]:.0%} of {len(steps)} lives, median "
                f"{np.median(steps):.0f} steps, integral of |E| {np.median(result['integral'][index]):.3g} units"
            )
    tests = data["acceptance"]
    rates = ", ".join(f"{share:.0%} at {rate}" for rate, share in tests["B-T4"]["BP_success_rate"].items())
    lines.append(
        f"B-T4 {_verdict(tests['B-T4'])}: on the bean the reflex alone succeeds in "
        f"{tests['B-T4']['reflex_success_rate']:.0%} of lives, BP in {rates}"
    )
    lines.append(f"B-T6 {_verdict(tests['B-T6'])}: {tests['B-T6']['asks']}")
    lines += [f"B-T6, {_told(pair)}" for pair in tests["B-T6"]["pairs"]]
    lines += [f"B-T7, {_told(pair)}" for pair in tests["B-T7"]["pairs"]]
    return lines


def _verdict(test: Data) -> str:
    return "holds" if test["holds"] else "does not hold"


def _told(pair: Data) -> str:
    first, second = pair["first"], pair["second"]
    text = f"{pair['track']}, {first['rule']} at {first['rate']:g} against {second['rule']} at {second['rate']:g}:"
    for what, unit in (("steps", "steps"), ("integral", "units of |E|")):
        test = pair[what]
        one, other = np.median(first[what]), np.median(second[what])
        text += (
            f" {unit} {one:.4g} against {other:.4g} (fewer in {test['below']}, more in {test['above']}, equal in "
            f"{test['equal']} pairs, mean difference {test['mean_difference']:.3g}, p = {test['p']:.2g});"
        )
    return text[:-1]


# The error over time


def error(settings: Settings) -> Outcome:
    """The moving mean of abs(E) over a lifetime, at each rule's best rate and at one small rate for all."""
    figure = _figure(12.0, 9.0)
    budget = BUDGETS[settings.budget]
    budget = replace(budget, limit=budget.horizon)
    grid = _grid(budget, _seeds(settings, budget.seeds), tuple(RULES))
    results = dict(zip(grid, live_all(grid, settings), strict=True))
    data = _about(budget)
    data |= {"common_rate": COMMON_RATE, "window": WINDOW, "steps": list(range(EVERY, budget.horizon + 1, EVERY))}
    for track, entry in data["tracks"].items():
        for rule in (REFLEX, *RULES):
            lives = _by_rate(results, track, rule)
            best = 0.0 if rule == REFLEX else _best_rate(lives, budget)
            entry["rules"][rule] = {
                which: _band(lives[0] if rule == REFLEX else lives[budget.rates.index(rate)], rate)
                for which, rate in (("best", best), ("common", COMMON_RATE))
            }
    axes = figure.subplots(len(TRACKS), len(_WHICH), sharex=True, sharey=True)
    for row, track in zip(axes, TRACKS, strict=True):
        for ax, which in zip(row, _WHICH, strict=True):
            plot_error(ax, data, track, which)
            ax.label_outer()
    handles, labels = axes[0, 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=12)
    summary = [
        f"{track}, {rule}: integral of |E| over {budget.horizon:,} steps {result['best']['integral']:.3g} units"
        + ("" if rule == REFLEX else f" at rate {result['best']['rate']:g}, its best; ")
        + ("" if rule == REFLEX else f"{result['common']['integral']:.3g} at {COMMON_RATE:g}")
        for track, entry in data["tracks"].items()
        for rule, result in entry["rules"].items()
    ]
    return Outcome(data, figure, summary)


def _band(lives: Sequence[Data], rate: float) -> Data:
    curves = np.array([life["curve"] for life in lives])
    low, high = np.quantile(curves, (0.1, 0.9), axis=0)
    return {
        "rate": rate,
        "integral": _mean_integral(lives),
        "mean": curves.mean(axis=0).tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
    }


# Weights


def weights(settings: Settings) -> Outcome:
    """How far each layer's weights go, and the ratio of the error carried back to the first layer; B-T5."""
    figure = _figure(14.0, 9.5)
    budget = BUDGETS[settings.budget]
    budget = replace(budget, limit=budget.horizon)
    grid = _grid(budget, _seeds(settings, budget.seeds), WATCHED, watch=True)
    grid = [life for life in grid if life.rule != REFLEX]
    results = dict(zip(grid, live_all(grid, settings), strict=True))
    data = _about(budget)
    data["steps"] = list(range(EVERY, budget.horizon + 1, EVERY))
    for track, entry in data["tracks"].items():
        for rule in WATCHED:
            lives = _by_rate(results, track, rule)
            best = _best_rate(lives, budget)
            entry["rules"][rule] = {"rate": best, "spread": _spreads(lives)} | _means(lives[budget.rates.index(best)])
    data["acceptance"] = {"B-T5": _smaller_spread(data)}
    above, below = np.ravel(np.array(figure.subfigures(2, 1, height_ratios=(5, 4)), dtype=object))
    axes = above.subplots(1, len(WATCHED), sharey=True)
    for ax, rule in zip(axes, WATCHED, strict=True):
        plot_distances(ax, data, rule, "bent")
        ax.label_outer()
    handles, labels = axes[0].get_legend_handles_labels()
    above.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False, fontsize=12)
    axes = below.subplots(1, 3)
    plot_ratio(axes[0], data, "bent")
    for ax, track in zip(axes[1:], TRACKS, strict=True):
        plot_spread(ax, data, track)
    return Outcome(data, figure, _weights_summary(data))


def _spreads(lives: Sequence[Sequence[Data]]) -> Data:
    """Largest by smallest distance of a layer from birth at the end, for each rate and seed."""
    spreads: Data = {}
    for name, first in (("unboosted_layers", 1), ("all_layers", 0)):
        spreads[name] = [[_spread(life["distances"][-1][first:]) for life in same] for same in lives]
    return spreads


def _spread(distances: Sequence[float]) -> float:
    """At most ``LARGEST_SPREAD``, beyond which changes are lost in rounding; so much also where weights ran away."""
    smallest = max(min(distances), max(distances) / LARGEST_SPREAD)
    spread = max(distances) / smallest if smallest > 0.0 else 1.0
    return spread if math.isfinite(spread) else LARGEST_SPREAD


def _means(lives: Sequence[Data]) -> Data:
    """Means over seeds of distances and, where there was an error, of ratios (geometric)."""
    ratios = np.array([life["ratios"] for life in lives], dtype=np.float64)  # None becomes NaN
    known = np.isfinite(ratios) & (ratios > 0.0)
    log = np.where(known, np.log(np.where(known, ratios, 1.0)), 0.0).sum(axis=0)
    count = known.sum(axis=0)
    return {
        "distances": np.mean([life["distances"] for life in lives], axis=0).tolist(),
        "ratio": [math.exp(total / n) if n else None for total, n in zip(log, count, strict=True)],
        "lives_with_error": count.tolist(),
    }


def _smaller_spread(data: Data) -> Data:
    """B-T5, at each rule's best rate and the same seeds."""
    pairs = []
    for track, entry in data["tracks"].items():
        for layers in ("unboosted_layers", "all_layers"):
            at = {rule: data["rates"].index(entry["rules"][rule]["rate"]) for rule in ("PaM", "BP")}
            values = {rule: entry["rules"][rule]["spread"][layers][index] for rule, index in at.items()}
            pairs.append({"track": track, "layers": layers, **values, **paired_test(values["PaM"], values["BP"])})
    first = pairs[0]
    return {
        "asks": "on the bean the distances of layers 2 to 11 lie closer together in PaM than in BP (p < 0.05)",
        "pairs": pairs,
        "holds": first["mean_difference"] < 0.0 and first["p"] < 0.05,
    }


def _weights_summary(data: Data) -> list[str]:
    test = data["acceptance"]["B-T5"]
    lines = [f"B-T5 {_verdict(test)}: {test['asks']}"]
    for pair in test["pairs"]:
        lines.append(
            f"B-T5, {pair['track']}, {pair['layers'].replace('_', ' ')}: largest by smallest distance, median "
            f"{np.median(pair['PaM']):.3g} in PaM, {np.median(pair['BP']):.3g} in BP, p = {pair['p']:.2g}"
        )
    for track, entry in data["tracks"].items():
        for rule, result in entry["rules"].items():
            ratios = [ratio for ratio in result["ratio"] if ratio is not None]
            spread = [np.median(same) for same in result["spread"]["unboosted_layers"]]
            told = ", ".join(f"{s:.3g} at {rate:g}" for s, rate in zip(spread, data["rates"], strict=True))
            lines.append(
                f"{track}, {rule} at its best rate, {result['rate']:g}: first by last layer's error from "
                f"{min(ratios):.3g} to {max(ratios):.3g}; largest by smallest distance of layers 2 to 11: {told}"
            )
    return lines


# Figures


# Okabe and Ito's colours, which colour-blind people tell apart, and a mark for each.
STYLES: dict[str, dict[str, Any]] = {
    "BP": {"color": "#000000", "marker": "o"},
    "LOC": {"color": "#e69f00", "marker": "s"},
    "SaR": {"color": "#0072b2", "marker": "x", "linestyle": "--"},
    "SaR-min": {"color": "#56b4e9", "marker": "D"},
    "PaM": {"color": "#d55e00", "marker": "^"},
    "PaM-trend": {"color": "#cc79a7", "marker": "v", "linestyle": "--"},
    "R = 1": {"color": "#009e73", "marker": "P"},
    REFLEX: {"color": "0.5", "marker": "*"},
}


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:  # pragma: no cover
        raise ImportError('plots need matplotlib: pip install "hebbian-gym[plots]"') from error
    return Figure(figsize=(width, height), layout="constrained")


def _finish(ax: Axes, title: str, xlabel: str, ylabel: str) -> None:
    ax.set_title(title, fontsize=13)
    ax.set_xlabel(xlabel, fontsize=12)
    ax.set_ylabel(ylabel, fontsize=12)
    ax.tick_params(labelsize=11)
    ax.spines[["top", "right"]].set_visible(False)


def _rules_over_rates(ax: Axes, data: Data, track: str, key: str, failed: float = math.nan) -> None:
    """Median and quartiles of each rule over the learning rate, rules a little beside each other, the reflex apart."""
    rates = np.array(data["rates"])
    rules = data["tracks"][track]["rules"]
    for number, (rule, result) in enumerate(rules.items()):
        values = [[failed if value is None else value for value in same] for same in result[key]]
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75), axis=1, method="nearest")
        x = np.array([rates[0] / 10]) if rule == REFLEX else rates * 10 ** (0.06 * (number - len(rules) / 2))
        size = 16 if rule == REFLEX else 7
        bars = (middle - low, high - middle)
        ax.errorbar(x, middle, bars, **STYLES[rule], label=rule, markersize=size, linewidth=1.3, capsize=2)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks([rates[0] / 10, *rates], ["none", *(f"{rate:g}" for rate in rates)])
    ax.minorticks_off()


def plot_success(ax: Axes, data: Data, track: str = "bean") -> None:
    """Steps to success against the learning rate, failures in a row of their own above.

    Args:
        ax: to draw into.
        data: of :func:`success`.
        track: "bean" or "bent".
    """
    failed = 1.7 * data["limit"]
    _rules_over_rates(ax, data, track, "steps", failed)
    ax.axhspan(1.25 * data["limit"], 2.3 * data["limit"], color="0.93", zorder=0)
    ticks = [tick for tick in (200, 500, 1000, 2000, 5000) if tick <= data["limit"]]
    ax.set_yticks([*ticks, failed], [*(f"{tick:,}" for tick in ticks), "failed"])
    ax.set_ylim(170, 2.3 * data["limit"])
    _finish(ax, f"{track}: median and quartiles of {data['seeds']} seeds", "learning rate", "steps to success")


def plot_integral(ax: Axes, data: Data, track: str = "bean") -> None:
    """The integral of abs(E) against the learning rate.

    Args:
        ax: to draw into.
        data: of :func:`success`.
        track: "bean" or "bent".
    """
    _rules_over_rates(ax, data, track, "integral")
    title = f"{track}: error in the first {data['horizon']:,} steps"
    _finish(ax, title, "learning rate", "integral of |E| over time (units)")


def plot_error(ax: Axes, data: Data, track: str = "bean", which: str = "best") -> None:
    """The moving mean of abs(E) over time, mean and 10% to 90% of the seeds.

    Args:
        ax: to draw into.
        data: of :func:`error`.
        track: "bean" or "bent".
        which: rates: "best", each rule's own, or "common".
    """
    for rule, result in data["tracks"][track]["rules"].items():
        curve, style = result[which], {k: v for k, v in STYLES[rule].items() if k != "marker"}
        ax.plot(data["steps"], curve["mean"], **style, linewidth=2, label=rule)
        ax.fill_between(data["steps"], curve["low"], curve["high"], color=style["color"], alpha=0.12, linewidth=0)
    ax.set_yscale("symlog", linthresh=1e-4, linscale=0.5)
    ax.set_ylim(0, 10)
    rates = "each rule's best rate" if which == "best" else f"rate {data['common_rate']:g} for all"
    _finish(ax, f"{track}: {rates}", "step (30 ms)", f"|E|, mean of {data['window']} steps (units/s)")


def plot_distances(ax: Axes, data: Data, rule: str, track: str = "bean") -> None:
    """How far the weights of each layer are from their start, mean of the seeds.

    Args:
        ax: to draw into.
        data: of :func:`weights`.
        rule: "BP", "SaR" or "PaM".
        track: "bean" or "bent".
    """
    from matplotlib import colormaps

    result = data["tracks"][track]["rules"][rule]
    layers = np.transpose(result["distances"])
    for number, distances in enumerate(layers):
        boosted = " (boosted)" if number == 0 else ""
        colour = "#d55e00" if number == 0 else colormaps["viridis"]((number - 1) / len(layers))
        style = "--" if number == 0 else "-"
        ax.plot(data["steps"], distances, style, color=colour, linewidth=2, label=f"layer {number + 1}{boosted}")
    ax.set_yscale("log")
    _finish(ax, f"{track}: {rule}, rate {result['rate']:g}", "step (30 ms)", "distance of weights from birth")


def plot_ratio(ax: Axes, data: Data, track: str = "bean") -> None:
    """The error carried back to the first layer by that in the last, geometric mean of lives that still had an error.

    Args:
        ax: to draw into.
        data: of :func:`weights`.
        track: "bean" or "bent".
    """
    for rule, result in data["tracks"][track]["rules"].items():
        known = [(step, ratio) for step, ratio in zip(data["steps"], result["ratio"], strict=True) if ratio is not None]
        style = STYLES[rule] | {"label": f"{rule}, rate {result['rate']:g}"}
        ax.plot(*np.transpose(known), **style, linewidth=1.5, markersize=6)
    ax.set_yscale("log")
    ax.set_ylim(top=1e5)  # room for the legend
    ax.legend(frameon=False, fontsize=11, loc="upper right")
    _finish(ax, f"{track}: error carried back", "step (30 ms)", "mean |delta|, first / last layer")


def plot_spread(ax: Axes, data: Data, track: str = "bean") -> None:
    """How unequally far layers 2 to 11 go, against the learning rate: median and quartiles.

    Args:
        ax: to draw into.
        data: of :func:`weights`.
        track: "bean" or "bent".
    """
    for rule, result in data["tracks"][track]["rules"].items():
        low, middle, high = np.quantile(result["spread"]["unboosted_layers"], (0.25, 0.5, 0.75), axis=1)
        bars = (middle - low, high - middle)
        ax.errorbar(data["rates"], middle, bars, **STYLES[rule], label=rule, markersize=7, linewidth=1.5, capsize=2)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(data["rates"], [f"{rate:g}" for rate in data["rates"]])
    ax.minorticks_off()
    ax.set_ylim(1, 1e4)  # the same on both tracks, with room for the legend
    ax.legend(frameon=False, fontsize=11, loc="upper left")
    _finish(ax, f"{track}: spread of layers 2 to 11", "learning rate", "largest / smallest distance")
