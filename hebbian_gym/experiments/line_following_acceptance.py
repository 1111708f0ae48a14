"""The acceptance tests B-T4 to B-T7 of the line follower, and the statistics by which rules are compared in pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from . import Settings
from .common import in_parallel, sign_test
from .line_following_lives import COMMON_RATE, REFLEX, RELEVANCES, TRACKS, WHICH, Budget, Data, Life, live

# Statistics


def steps_to_success(lives: Iterable[Data], limit: int) -> list[int]:
    """Steps to success, where a failure counts as the limit."""
    return [limit if life["success"] < 0 else life["success"] for life in lives]


def paired_test(first: Sequence[float], second: Sequence[float]) -> Data:
    """Whether ``first`` and ``second``, of the same seeds, differ.

    Returns:
        Median and mean of ``first`` - ``second``, how many are below, above and equal, and p (two-sided) by the sign
        test.
    """
    difference = np.subtract(first, second, dtype=np.float64)
    below, above = int((difference < 0).sum()), int((difference > 0).sum())
    return {
        "median_difference": float(np.median(difference)),
        "mean_difference": float(difference.mean()),
        "below": below,
        "above": above,
        "equal": len(difference) - below - above,
        "p": sign_test(below, above),
    }


# Tests


def success_tests(data: Data, settings: Settings, budget: Budget, seeds: Sequence[int]) -> Data:
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
    results = in_parallel(live, lives, settings)
    n = len(seeds)
    groups = {key: results[k * n : (k + 1) * n] for k, key in enumerate(keys)}

    def against(first: str, second: str) -> list[Data]:
        return [_pair(groups, track, which, first, second, rate, budget) for track in TRACKS for which in WHICH]

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
            "asks": "at their best rates PaM needs fewer steps than BP (bean, 20 seeds or more, sign test: p < 0.05)",
            "pairs": faster,
            "holds": n >= 20 and on_bean["below"] > on_bean["above"] and on_bean["p"] < 0.05,
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
    steps, others = steps_to_success(one, budget.limit), steps_to_success(other, budget.limit)
    integrals, of_other = [life["integral"] for life in one], [life["integral"] for life in other]
    return {
        "track": track,
        "rates": which,
        "first": {"rule": first, "rate": rate(track, first, which), "steps": steps, "integral": integrals},
        "second": {"rule": second, "rate": rate(track, second, which), "steps": others, "integral": of_other},
        "steps": paired_test(steps, others),
        "integral": paired_test(integrals, of_other),
    }


def spread_test(data: Data) -> Data:
    """B-T5, at each rule's best rate and the same seeds."""
    pairs = []
    for track, entry in data["tracks"].items():
        for layers in ("unboosted_layers", "all_layers"):
            at = {rule: data["rates"].index(entry["rules"][rule]["rate"]) for rule in ("PaM", "BP")}
            values = {rule: entry["rules"][rule]["spread"][layers][index] for rule, index in at.items()}
            pairs.append({"track": track, "layers": layers, **values, **paired_test(values["PaM"], values["BP"])})
    first = pairs[0]
    return {
        "asks": "distances of layers 2 to 11 lie closer together in PaM than in BP (bean, sign test: p < 0.05)",
        "pairs": pairs,
        "holds": first["below"] > first["above"] and first["p"] < 0.05,
    }


# In words


def verdict(test: Data) -> str:
    """Whether a test holds, in words."""
    return "holds" if test["holds"] else "does not hold"


def told_pair(pair: Data) -> str:
    """A comparison of two rules in one line: medians, counts and p."""
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
