"""How well, how fast and by what changes of their weights the closed-loop learners take over from the line's reflex.

Three experiments share one kind of lifetime, :func:`~.line_following_lives.live`: a newborn network, or the reflex
alone, on one of two tracks. Figures are drawn from an outcome's data alone, by ``line_following_plots``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from . import Outcome, Settings
from .common import empty_figure, in_parallel
from .line_following_acceptance import spread_test, steps_to_success, success_tests, told_pair, verdict
from .line_following_lives import (
    BUDGETS,
    COMMON_RATE,
    EVERY,
    REFLEX,
    RELEVANCES,
    RULES,
    TRACKS,
    WATCHED,
    WHICH,
    WINDOW,
    Budget,
    Data,
    all_lives,
    by_rate,
    live,
)
from .line_following_plots import draw_error, draw_success, draw_weights

LARGEST_SPREAD = 1e12


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


def _mean_integral(lives: Iterable[Data]) -> float:
    return float(np.mean([life["integral"] for life in lives]))


def _best_rate(lives: Sequence[Sequence[Data]], budget: Budget) -> float:
    integrals = [_mean_integral(same) for same in lives]
    return budget.rates[integrals.index(min(integrals))]


# Steps to success


def success(settings: Settings) -> Outcome:
    """Steps to success and the integral of abs(E) of every rule at several learning rates; B-T4, B-T6 and B-T7."""
    figure = empty_figure(12.0, 9.0)
    budget = BUDGETS[settings.budget]
    seeds = _seeds(settings, budget.seeds + budget.pairs)
    data = _about(budget)
    grid = all_lives(budget, seeds[: budget.seeds], tuple(RULES))
    fresh = len(TRACKS) * len(("BP", *RELEVANCES)) * len(WHICH) * budget.pairs
    share = len(grid) / (len(grid) + fresh)
    results = dict(zip(grid, in_parallel(live, grid, _part(settings, 0.0, share)), strict=True))
    for track, entry in data["tracks"].items():
        for rule in (REFLEX, *RULES):
            lives = by_rate(results, track, rule)
            entry["rules"][rule] = {
                "steps": [[one["success"] if one["success"] >= 0 else None for one in same] for same in lives],
                "success_rate": [float(np.mean([one["success"] >= 0 for one in same])) for same in lives],
                "integral": [[one["integral"] for one in same] for same in lives],
            }
            if rule != REFLEX:
                effort = [(np.mean(steps_to_success(same, budget.limit)), _mean_integral(same)) for same in lives]
                entry["rules"][rule]["best_rate"] = budget.rates[effort.index(min(effort))]
                entry["rules"][rule]["best_rate_by_integral"] = _best_rate(lives, budget)
    data["acceptance"] = success_tests(data, _part(settings, share, 1.0), budget, seeds[budget.seeds :])
    draw_success(figure, data)
    return Outcome(data, figure, _success_summary(data))


def _part(settings: Settings, begin: float, end: float) -> Settings:
    """Settings for a part of an experiment, whose progress goes from ``begin`` to ``end``."""
    return replace(settings, progress=lambda done: settings.progress(begin + (end - begin) * done))


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
        f"B-T4 {verdict(tests['B-T4'])}: on the bean the reflex alone succeeds in "
        f"{tests['B-T4']['reflex_success_rate']:.0%} of lives, BP in {rates}"
    )
    lines.append(f"B-T6 {verdict(tests['B-T6'])}: {tests['B-T6']['asks']}")
    lines += [f"B-T6, {told_pair(pair)}" for pair in tests["B-T6"]["pairs"]]
    lines += [f"B-T7, {told_pair(pair)}" for pair in tests["B-T7"]["pairs"]]
    return lines


# The error over time


def error(settings: Settings) -> Outcome:
    """The moving mean of abs(E) over a lifetime, at each rule's best rate and at one small rate for all."""
    figure = empty_figure(12.0, 9.0)
    budget = BUDGETS[settings.budget]
    budget = replace(budget, limit=budget.horizon)
    grid = all_lives(budget, _seeds(settings, budget.seeds), tuple(RULES))
    results = dict(zip(grid, in_parallel(live, grid, settings), strict=True))
    data = _about(budget)
    data |= {"common_rate": COMMON_RATE, "window": WINDOW, "steps": list(range(EVERY, budget.horizon + 1, EVERY))}
    for track, entry in data["tracks"].items():
        for rule in (REFLEX, *RULES):
            lives = by_rate(results, track, rule)
            best = 0.0 if rule == REFLEX else _best_rate(lives, budget)
            entry["rules"][rule] = {
                which: _band(lives[0] if rule == REFLEX else lives[budget.rates.index(rate)], rate)
                for which, rate in (("best", best), ("common", COMMON_RATE))
            }
    draw_error(figure, data)
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
    figure = empty_figure(14.0, 9.5)
    budget = BUDGETS[settings.budget]
    budget = replace(budget, limit=budget.horizon)
    grid = all_lives(budget, _seeds(settings, budget.seeds), WATCHED, watch=True)
    grid = [life for life in grid if life.rule != REFLEX]
    results = dict(zip(grid, in_parallel(live, grid, settings), strict=True))
    data = _about(budget)
    data["steps"] = list(range(EVERY, budget.horizon + 1, EVERY))
    for track, entry in data["tracks"].items():
        for rule in WATCHED:
            lives = by_rate(results, track, rule)
            best = _best_rate(lives, budget)
            entry["rules"][rule] = {"rate": best, "spread": _spreads(lives)} | _means(lives[budget.rates.index(best)])
    data["acceptance"] = {"B-T5": spread_test(data)}
    draw_weights(figure, data)
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
    """Means over seeds of distances and, where a quarter of the lives or more had an error, of ratios (geometric)."""
    ratios = np.array([life["ratios"] for life in lives], dtype=np.float64)  # None becomes NaN
    known = np.isfinite(ratios) & (ratios > 0.0)
    log = np.where(known, np.log(np.where(known, ratios, 1.0)), 0.0).sum(axis=0)
    count = known.sum(axis=0)
    return {
        "distances": np.mean([life["distances"] for life in lives], axis=0).tolist(),
        "ratio": [math.exp(total / n) if n >= len(lives) / 4 else None for total, n in zip(log, count, strict=True)],
        "lives_with_error": count.tolist(),
    }


def _weights_summary(data: Data) -> list[str]:
    test = data["acceptance"]["B-T5"]
    lines = [f"B-T5 {verdict(test)}: {test['asks']}"]
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
