"""Single lifetimes of Najarro & Risi (2020), from ready-evolved rules: figures 1, 3, 4 and 6."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..analysis.responses import mark, moving_mean, plot_curves, plot_frozen, plot_sums
from ..analysis.weights import draw_moments, moment, rms, short
from ..palette import BLUE, GREEN, ORANGE
from ..task import lifetime_seeds
from . import Outcome, Settings
from .common import in_parallel, require_matplotlib
from .paper_lives import ANT, BODIES, CAR, NEVER, TRACK, WHOLE, Data, Lives, live

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = 1000  # of a lifetime
FREEZE_AFTER = (0, 5, 10, 20, 30, 50, 80, 120, 200, 500, STEPS)
SATURATED = (300, 400)
LESION = {"at": 300, "fraction": 1 / 3, "band": True}
LATER = 10  # steps after the lesion
WINDOW = 20  # steps: of moving means
BACK = 0.9  # of the undisturbed speed: this much counts as recovered


@dataclass(frozen=True)
class Budget:
    """Lifetimes for each moment of freezing, and for each curve."""

    frozen: int
    curves: int


BUDGETS = {"quick": Budget(10, 30), "full": Budget(100, 100)}


# Figures 1 and 6: weights


def weights_of_the_ant(settings: Settings) -> Outcome:
    """Figure 1: the ant's weights at three moments, and how far it goes meanwhile, on the three bodies."""
    require_matplotlib()
    keep = (0, 80, STEPS)
    jobs = [Lives(ANT, env, lifetime_seeds(settings.seed), keep=keep) for env in BODIES.values()]
    found = in_parallel(live, jobs, settings)
    titles = ("A: at birth", f"B: after {keep[1]} steps", f"C: after {keep[2]} steps")
    data: Data = {
        "rule": ANT, "marks": dict(zip("ABC", keep, strict=True)),
        "moments": [moment(title, found[0]["weights"][at]) for title, at in zip(titles, keep, strict=True)],
        "rewards": {body: result["rewards"][0].tolist() for body, result in zip(BODIES, found, strict=True)},
    }  # fmt: skip
    distances = [f"{body} {sum(rewards):.0f}" for body, rewards in data["rewards"].items()]
    growth = [float(np.mean(each["scale"])) for each in data["moments"]]
    summary = [
        f"one lifetime of {ANT} on each body, the same birth: distance {', '.join(distances)} (progress units)",
        f"the weights' root mean square is {growth[0]:.2g} at birth, {short(growth[1])} after {keep[1]} steps, "
        f"{short(growth[2])} after {keep[2]}; the colours show each layer relative to its own",
    ]
    return Outcome(data, draw_weights(data, "distance so far\n(progress units)"), summary)


def weights_of_the_car(settings: Settings) -> Outcome:
    """Figure 6: newborn weights of the ant and of the car; and the car's later on, above its score."""
    require_matplotlib()
    at = 100
    jobs = [
        Lives(ANT, WHOLE, lifetime_seeds(settings.seed), keep=(0,)),
        Lives(CAR, TRACK, lifetime_seeds(settings.seed), keep=(0, at)),
    ]
    ant, car = in_parallel(live, jobs, settings)
    data: Data = {
        "rules": [ANT, CAR], "marks": {"A": 0, "B": at},
        "moments": [
            moment("ant, at birth", ant["weights"][0]),
            moment("A: car, at birth", car["weights"][0]),
            moment(f"B: car, after {at} steps", car["weights"][at]),
        ],
        "rewards": {"car": car["rewards"][0].tolist()},
    }  # fmt: skip
    largest = max(float(np.abs(layer).max()) for layer in car["weights"][at])
    summary = [
        f"one lifetime of {CAR}: score {sum(data['rewards']['car']):.0f} in {len(data['rewards']['car'])} steps",
        "newborn weights are noise in both; after "
        f"{at} steps the car's largest weight is {largest:.3g} and the root mean squares of its layers are "
        + ", ".join(f"{scale:.2g}" for scale in data["moments"][2]["scale"]),
    ]
    return Outcome(data, draw_weights(data, "the car's score so far"), summary)


def draw_weights(data: Data, ylabel: str) -> Figure:
    """Maps of all layers at each moment, above the sum of the rewards."""
    figure = require_matplotlib()(figsize=(11.5, 7.5), layout="constrained")
    above, below = np.ravel(np.array(figure.subfigures(2, 1, height_ratios=(5, 3)), dtype=object))
    draw_moments(above, data["moments"])
    ax = below.subplots()
    plot_sums(ax, data["rewards"], (BLUE, ORANGE, GREEN))
    ax.set_ylabel(ylabel)
    for letter, at in data["marks"].items():
        mark(ax, at)
        ax.annotate(letter, (at, 1.02), xycoords=("data", "axes fraction"), ha="center", fontsize=12)
    if len(data["rewards"]) > 1:
        ax.legend(frameon=False)
    return figure


# Figures 3 and 4: disturbances


def curve(series: np.ndarray, window: int = 1) -> dict[str, list[float]]:
    """Mean and standard deviation over lifetimes, for each step, of moving means; series (lifetimes, steps)."""
    smooth = moving_mean(series, window)
    return {"mean": smooth.mean(axis=0).tolist(), "sd": smooth.std(axis=0).tolist()}


def recovery(speed: dict[str, dict[str, list[float]]], after: int, hold: int = WINDOW) -> int | None:
    """Steps until the mean speed, after its deepest loss, is back at 90% of the undisturbed, and stays there a while.

    Args:
        speed: moving means of the disturbed and of the undisturbed.
        after: the first step after the disturbance.
        hold: steps for which it has to stay there: to touch it once may be chance.

    Returns:
        0 if it never fell below, None if it never came back.
    """
    disturbed, undisturbed = (np.array(each["mean"][after:]) for each in speed.values())
    enough = disturbed >= BACK * undisturbed
    if enough.all():
        return 0
    deepest = int(np.argmax(undisturbed - disturbed))
    later = enough[deepest:]
    if len(later) < hold:
        return None
    back = np.flatnonzero(sliding_window_view(later, hold).all(axis=1))
    return deepest + int(back[0]) if back.size else None


def _told(steps: int | None) -> str:
    if steps is None:
        return "never back at 90% of the undisturbed"
    return f"back at 90% of the undisturbed {steps} steps later" if steps else "never below 90% of the undisturbed"


def efficiency(settings: Settings) -> Outcome:
    """Figure 3: freezing the weights after some steps; and outputs that are forced for a hundred steps."""
    require_matplotlib()
    budget = BUDGETS[settings.budget]
    few, many = lifetime_seeds(settings.seed, budget.frozen), lifetime_seeds(settings.seed, budget.curves)
    start, stop = SATURATED
    jobs = [Lives(ANT, WHOLE, few, "freeze", {"after": after}) for after in FREEZE_AFTER]
    jobs.append(Lives(ANT, WHOLE, many, "saturate", {"start": start, "stop": stop}, reference=start))
    jobs.append(Lives(ANT, WHOLE, many, reference=start))
    *frozen, forced, free = in_parallel(live, jobs, settings)
    names = {"outputs at 1.0": forced, "undisturbed": free}
    speed = {name: curve(result["rewards"], WINDOW) for name, result in names.items()}
    data = {
        "rule": ANT, "env": WHOLE, "budget": asdict(budget), "window": WINDOW,
        "after": list(FREEZE_AFTER), "scores": [result["rewards"].sum(axis=1).tolist() for result in frozen],
        "forced": [start, stop], "speed": speed, "recovered_after": recovery(speed, stop),
        "similarity": {name: curve(result["similarity"]) for name, result in names.items()},
    }  # fmt: skip
    return Outcome(data, draw_efficiency(data), _summarise_efficiency(data))


def _summarise_efficiency(data: Data) -> list[str]:
    means = np.mean(data["scores"], axis=1)
    enough = [after for after, mean in zip(data["after"], means, strict=True) if mean >= BACK * means[-1]] or [STEPS]
    best = int(np.argmax(means[:-1]))
    start, stop = data["forced"]
    forced, free = (np.array(each["mean"]) for each in data["speed"].values())
    similar, usual = (np.array(each["mean"]) for each in data["similarity"].values())
    recovered = data["recovered_after"]
    return [
        f"never frozen, {ANT} walks {means[-1]:.0f} (mean of {data['budget']['frozen']} lifetimes); 90% of that takes "
        f"{enough[0]} steps of learning, and the best of those frozen, after {data['after'][best]} steps, walk "
        f"{means[best]:.0f}. The paper's need 30 to 80 steps: {'holds' if enough[0] <= 80 else 'does not hold'} here",
        f"outputs at 1.0 from step {start} to {stop}: speed {forced[start + WINDOW : stop].mean():.2f} m/s meanwhile "
        f"({free[start + WINDOW : stop].mean():.2f} undisturbed) and {forced[-200:].mean():.2f} in the last 200 steps "
        f"({free[-200:].mean():.2f}); {_told(recovered)}. The paper's recovers in "
        f"about 50: {'holds' if recovered is not None and recovered <= 50 else 'does not hold'} here",
        f"the weights' cosine with those of step {start} is {similar[stop - start]:.3f} at step {stop} "
        f"({usual[stop - start]:.3f} undisturbed) and {similar[-1]:.3f} at the end ({usual[-1]:.3f})",
    ]


def draw_efficiency(data: Data) -> Figure:
    """Scores over the moment of freezing; speed and weights around the forced outputs."""
    figure = require_matplotlib()(figsize=(13, 4.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    plot_frozen(left, data["after"], data["scores"], STEPS)
    left.set_ylabel("distance (progress units), mean and sd")
    left.set_title("updates frozen")
    start, stop = data["forced"]
    _draw_speed(middle, data, start, stop)
    plot_curves(right, data["similarity"], start)
    mark(right, start, stop)
    right.set_ylabel(f"cosine with the weights of step {start}")
    right.set_title("weights")
    right.legend(frameon=False, loc="lower left")
    return figure


def _draw_speed(ax: Any, data: Data, start: int, stop: int | None) -> None:
    plot_curves(ax, data["speed"])
    mark(ax, start, stop)
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.set_ylabel(f"progress (m/s), mean of {data['window']} steps")
    ax.set_title("speed")
    ax.legend(frameon=False)


def resilience(settings: Settings) -> Outcome:
    """Figure 4: a third of the weights is zeroed in one step."""
    require_matplotlib()
    budget, at = BUDGETS[settings.budget], int(LESION["at"])
    many, keep = lifetime_seeds(settings.seed, budget.curves), (at, at + LATER)
    cut, whole = in_parallel(live, [
        Lives(ANT, WHOLE, many, "lesion", LESION, at, keep),
        Lives(ANT, WHOLE, many, "lesion", {**LESION, "at": NEVER}, at),
    ], settings)  # fmt: skip
    names = {"a third zeroed": cut, "undisturbed": whole}
    speed = {name: curve(result["rewards"], WINDOW) for name, result in names.items()}
    before, later = (cut["weights"][updates] for updates in keep)
    zeroed = [np.where(mask, 0, layer) for layer, mask in zip(before, cut["masks"], strict=True)]
    data = {
        "rule": ANT, "env": WHOLE, "budget": asdict(budget), "window": WINDOW, "lesion": LESION, "later": LATER,
        "moments": [moment(f"A: zeroed at step {at}", zeroed, rms(before)), moment(f"B: {LATER} steps later", later)],
        "speed": speed, "recovered_after": recovery(speed, at),
        "share": {name: curve(result["share"]) for name, result in names.items()},
        "similarity": {name: curve(result["similarity"]) for name, result in names.items()},
    }  # fmt: skip
    return Outcome(data, draw_resilience(data), _summarise_resilience(data))


def _summarise_resilience(data: Data) -> list[str]:
    at, later = int(data["lesion"]["at"]), data["later"]
    cut, whole = (np.array(each["mean"]) for each in data["speed"].values())
    share, usual = (np.array(each["mean"]) for each in data["share"].values())
    similarity = np.array(next(iter(data["similarity"].values()))["mean"])
    recovered, full = data["recovered_after"], 1 + np.flatnonzero(share[1:] >= BACK * usual[1:])
    return [
        f"a third of {ANT}'s weights zeroed at step {at}, {data['budget']['curves']} lifetimes: {later} steps later "
        f"{100 * share[later]:.0f}% of the lost weights are back ({100 * usual[later]:.0f}% undisturbed), their "
        f"direction similar to the former by a cosine of {similarity[later]:.2f}; at the end "
        f"{100 * share[-1]:.0f}% ({100 * usual[-1]:.0f}%)",
        f"the paper's are back within about {later} steps: "
        f"{'holds' if full.size and full[0] <= later else 'does not hold'} here for the weights"
        + (f" (90% of the undisturbed {full[0]} steps later)" if full.size else " (90% of the undisturbed: never)"),
        f"speed in the {WINDOW} steps before {whole[at - 1]:.2f} m/s, in those after {cut[at + WINDOW]:.2f} "
        f"({whole[at + WINDOW]:.2f} undisturbed), in the last 200 {cut[-200:].mean():.2f} ({whole[-200:].mean():.2f}); "
        f"{_told(recovered)}",
    ]


def draw_resilience(data: Data) -> Figure:
    """The weights when zeroed and later; speed, and how much of the weights is back."""
    figure = require_matplotlib()(figsize=(11.5, 8), layout="constrained")
    above, below = np.ravel(np.array(figure.subfigures(2, 1, height_ratios=(5, 4)), dtype=object))
    draw_moments(above, data["moments"])
    left, right = below.subplots(1, 2)
    at = int(data["lesion"]["at"])
    _draw_speed(left, data, at, None)
    plot_curves(right, data["share"], at)
    mark(right, at)
    right.axhline(1, color="0.8", linewidth=0.8, zorder=0)
    right.set_ylim(bottom=0)
    right.set_ylabel(f"share of the weights of step {at}")
    right.set_title("weights of the lost synapses")
    right.legend(frameon=False, loc="upper left")
    return figure
