"""Scores of the ready-evolved rules: table 1 of Najarro & Risi (2020), a map of damages, and the car's score."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec

from ..analysis.scores import plot_damages, plot_scores
from ..checkpoint import load_policy
from ..envs.ant.state import TIME_STEP
from ..evaluation import make_evaluator
from ..evaluator import Evaluator
from ..optimizers.base import Copies
from ..presets import RANDOM_ANT
from ..pretrained import pretrained_names, pretrained_path
from ..task import EVALUATION, Task
from . import Outcome, Settings
from .common import require_matplotlib
from .paper_lives import BODIES, TRACK, WHOLE, Data

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEGS = ("left_front", "right_front", "left_back", "right_back")
SEEN_LEG = ("right_front", 0.25)  # what evolution saw besides the whole body
SOLVED = 100.0  # progress units: the paper's bar
SEEN, RIGHT, LEFT = BODIES
# The paper's own: mean and standard deviation over 100 rollouts, by whether the weights learn
PAPER_ANT = {
    True: {SEEN: (1051, 113), RIGHT: (1019, 116), LEFT: (452, 95)},
    False: {SEEN: (1604, 171), RIGHT: (1431, 54), LEFT: (68, 56)},
}
BESIDE = {"ant-hebbian": "plastic", "ant-static": "fixed"}  # ours that the paper's two are drawn beside
PAPER_CAR = {True: (872, 11), False: (711, 16)}  # on CarRacing-v0


@dataclass(frozen=True)
class Budget:
    """How much is lived by each rule.

    Attributes:
        lives: on each of the table's bodies.
        mapped: on each body of the map.
        fractions: of a lower leg, the columns of the map; 1 is the whole body.
        tracks: of the car.
    """

    lives: int
    mapped: int
    fractions: tuple[float, ...]
    tracks: int


BUDGETS = {
    "quick": Budget(100, 5, (0.0, 0.25, 0.5, 0.75, 1.0), 30),
    "full": Budget(100, 50, tuple(eighths / 8 for eighths in range(9)), 100),
}


def shipped(env_id: str) -> dict[str, bool]:
    """Ready-evolved rules for an environment's class, and whether their weights learn; those that do come first.

    One that ships under two names is there under the first.
    """
    found, genomes = {}, set()
    for name in pretrained_names():
        architecture, genome, meta = load_policy(pretrained_path(name))
        known = genome.tobytes() in genomes
        if not known and meta["env"] and EnvSpec.from_json(meta["env"]).entry_point == gym.spec(env_id).entry_point:
            found[name] = architecture.plasticity.delta is not None
            genomes.add(genome.tobytes())
    if not found:
        raise ValueError(f"no ready-evolved rule for {env_id} is installed: evolve one, hebbian-gym train --help")
    return dict(sorted(found.items(), key=lambda item: not item[1]))


def saw_random_damage(name: str) -> bool:
    """Whether a ready-evolved rule evolved on ants of which any leg may be short: none of the bodies is new to it."""
    try:
        card = json.loads(pretrained_path(name).with_suffix(".json").read_text(encoding="utf-8"))
    except FileNotFoundError:  # a file of one's own
        return False
    return RANDOM_ANT in card["config"]["preset"]["envs"]


def _live(evaluator: Evaluator, genome: Any, envs: Sequence[str | EnvSpec], lives: int, seed: int,
          done: Callable[[], None]) -> np.ndarray:  # fmt: skip
    """Scores of so many lifetimes on each body, shape (bodies, lives): those that ``evaluate`` gives."""
    scores = []
    for env in envs:  # each a task of its own, so that births and resets are the same on all
        task = Task([env], births="candidate", seed=seed)
        result = evaluator.evaluate(Copies(genome, lives), task, stream=EVALUATION, done=done)
        if result.errors:
            raise RuntimeError(result.losses)
        scores.append(result.score.ravel())
    return np.array(scores)


def _counter(settings: Settings, lifetimes: int) -> Callable[[], None]:
    """What is called after each of so many lifetimes, to tell the progress."""
    lived = count(1)
    return lambda: settings.progress(next(lived) / lifetimes)


def spread(values: Any) -> str:
    """Mean and standard deviation as text."""
    return f"{np.mean(values):.0f} +- {np.std(values):.0f}"


def _fixed_weights_missing(rules: dict[str, bool], preset: str) -> list[str]:
    """A sentence if no rule with fixed weights ships."""
    if not all(rules.values()):
        return []
    return [
        f"there are no ready-evolved fixed weights to compare with: evolve them, hebbian-gym train --preset {preset}"
    ]


# Table 1


def damages(fractions: Sequence[float]) -> dict[tuple[str, float], EnvSpec]:
    """Ants by leg and what is left of its lower segment, the whole ant but once, as ("", 1)."""
    specs = {}
    for leg, fraction in [("", 1.0), *((leg, fraction) for leg in LEGS for fraction in fractions if fraction < 1)]:
        specs[leg, fraction] = copy.deepcopy(gym.spec("AntDamaged-v0"))
        specs[leg, fraction].kwargs = {"damage": {leg: fraction} if leg else {}}
    return specs


def table(settings: Settings) -> Outcome:
    """Table 1: distances on the three bodies, by rules and by fixed weights; and on all legs at all fractions."""
    require_matplotlib()
    budget, rules = BUDGETS[settings.budget], shipped(WHOLE)
    bodies, mapped = list(BODIES.values()), damages(budget.fractions)
    lifetimes = len(rules) * (budget.lives * len(bodies) + budget.mapped * len(mapped))
    done = _counter(settings, lifetimes)
    data: Data = {"budget": {**asdict(budget), "fractions": list(budget.fractions)}, "legs": list(LEGS), "rules": {}}
    for name, learns in rules.items():
        architecture, genome, _ = load_policy(pretrained_path(name))
        with make_evaluator(architecture, settings.workers) as evaluator:
            scores = _live(evaluator, genome, bodies, budget.lives, settings.seed, done)
            on_map = _live(evaluator, genome, [*mapped.values()], budget.mapped, settings.seed, done)
        means = dict(zip(mapped, on_map.mean(axis=1).tolist(), strict=True))
        data["rules"][name] = {
            "learns": learns,
            "saw_random_damage": saw_random_damage(name),
            "distances": dict(zip(BODIES, scores.tolist(), strict=True)),
            "map": [[means.get((leg, fraction), means["", 1.0]) for fraction in budget.fractions] for leg in LEGS],
        }
    return Outcome(data, draw_table(data), _summarise_table(data) + _fixed_weights_missing(rules, "ant-static"))


def _summarise_table(data: Data) -> list[str]:
    lines = [f"{data['budget']['lives']} lifetimes on each body, mean +- sd, progress units; a body counts as solved "
             f"from {SOLVED:.0f} on"]  # fmt: skip
    for name, rule in data["rules"].items():
        for body, distances in rule["distances"].items():
            solved = "solved" if np.mean(distances) >= SOLVED else "not solved"
            metres = round(TIME_STEP * float(np.mean(distances)), 1) + 0.0  # no minus before a zero
            if rule["saw_random_damage"]:
                body, theirs = body.partition(" (")[0] + " (seen among others)", ""
            else:
                theirs = "; the paper's {} +- {}".format(*PAPER_ANT[rule["learns"]][body])
            lines.append(f"{name}, {body}: {spread(distances)} ({metres:.1f} m), {solved}{theirs}")
    for name, rule in data["rules"].items():
        means = [
            mean
            for leg, row in zip(data["legs"], rule["map"], strict=True)
            for fraction, mean in zip(data["budget"]["fractions"], row, strict=True)
            if fraction < 1 and (rule["saw_random_damage"] or (leg, fraction) != SEEN_LEG)
        ]
        what = "damaged bodies, of which evolution saw such" if rule["saw_random_damage"] else "unseen bodies"
        lines.append(f"{name} solves {sum(mean >= SOLVED for mean in means)} of the map's {len(means)} {what} (mean of "
                     f"{data['budget']['mapped']} lifetimes on each)")  # fmt: skip
    return lines + _judge(data["rules"])


def _judge(rules: Data) -> list[str]:
    """What the paper claims of plastic and of fixed weights, and what it supposes of random damage: is it so here?"""
    solved = {
        name: [float(np.mean(distances)) >= SOLVED for distances in rule["distances"].values()]
        for name, rule in rules.items()
    }
    on_two = {name: rule for name, rule in rules.items() if not rule["saw_random_damage"]}
    plastic = [all(solved[name]) for name, rule in on_two.items() if rule["learns"]]
    fixed = [solved[name] == [True, True, False] for name, rule in on_two.items() if not rule["learns"]]
    random = [all(solved[name]) for name in rules.keys() - on_two.keys()]
    lines = []
    if plastic:
        lines.append(f"the paper's rules solve all three bodies: {_holds(any(plastic))}")
    if fixed:
        lines.append(f"the paper's fixed weights solve those that evolution saw, and only those: {_holds(all(fixed))}")
    if random:
        lines.append(f"the paper supposes that rules evolved on random damage solve all: {_holds(any(random))}")
    return lines


def _holds(is_so: bool) -> str:
    return "holds here" if is_so else "does not hold here"


def draw_table(data: Data) -> Figure:
    """Bars for the three bodies; below, a heat map for each rule, two in a row."""
    rules = data["rules"]
    rows = math.ceil(len(rules) / 2)
    figure = require_matplotlib()(figsize=(10, 4.5 + 3 * rows), layout="constrained")
    figure.set_layout_engine("constrained", h_pad=0.08)  # a map's axis label is not the title of the one below
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=[4.5, 3 * rows]).ravel()
    left, grid = top.subplots(), bottom.subplots(rows, 2, squeeze=False).ravel()
    maps = grid[: len(rules)]
    for ax in grid[len(rules) :]:
        ax.remove()
    distances = {name: rule["distances"] for name, rule in rules.items()}
    published = {name: PAPER_ANT[rules[name]["learns"]] for name in BESIDE if name in rules}
    beside = ", ".join(f"{BESIDE[name]} beside {name}" for name in published)
    plot_scores(left, distances, published, whose=f"Najarro & Risi (2020), theirs:\n{beside}")
    seen_by = [name for name, rule in rules.items() if rule["saw_random_damage"]]
    left.set_xticks(range(len(BODIES)), [_tick(body, seen_by) for body in BODIES])
    left.axhline(SOLVED, color="black", linestyle=":", linewidth=1, label=f"solved ({SOLVED:.0f})")
    left.set_ylabel("distance (progress units), mean and sd")
    handles = dict(zip(*reversed(left.get_legend_handles_labels()), strict=True))
    labels = [*rules, *(label for label in handles if label not in rules)]
    left.legend(
        [handles[label] for label in labels],
        labels,
        frameon=False,
        loc="lower center",
        bbox_to_anchor=(0.5, 1),
        ncols=3,
    )
    bound = max(float(np.max(rule["map"])) for rule in rules.values())
    for ax, (name, rule) in zip(maps, rules.items(), strict=True):
        image = plot_damages(ax, rule["map"], data["legs"], data["budget"]["fractions"], bound)
        ax.set_title(name)
    bottom.colorbar(image, ax=maps.tolist(), label="distance (progress units)", fraction=0.05)
    return figure


def _tick(body: str, seen_by: Sequence[str]) -> str:
    """A body's name, and by which rules it was seen if not by the others."""
    name = body.replace(" (", "\n(")
    return name[:-1] + ", except by\n" + ",\n".join(seen_by) + ")" if body == LEFT and seen_by else name


# The car


def car(settings: Settings) -> Outcome:
    """The car's scores on random tracks, by rules and by fixed weights."""
    require_matplotlib()
    tracks, rules = BUDGETS[settings.budget].tracks, shipped(TRACK)
    data: Data = {"tracks": tracks, "rules": {}}
    done = _counter(settings, tracks * len(rules))
    for name, learns in rules.items():
        architecture, genome, _ = load_policy(pretrained_path(name))
        with make_evaluator(architecture, settings.workers) as evaluator:
            scores = _live(evaluator, genome, [TRACK], tracks, settings.seed, done)[0]
        data["rules"][name] = {"learns": learns, "scores": scores.tolist()}
    return Outcome(data, draw_car(data), _summarise_car(data) + _fixed_weights_missing(rules, "car-static"))


def _summarise_car(data: Data) -> list[str]:
    lines = []
    for name, rule in data["rules"].items():
        scores, theirs = np.array(rule["scores"]), PAPER_CAR[rule["learns"]]
        lines.append(
            f"{name}, {data['tracks']} random tracks: {spread(scores)}, median {np.median(scores):.0f}, worst "
            f"{scores.min():.0f}, {np.mean(scores >= 900):.0%} at 900 or more; the paper's {theirs[0]} +- {theirs[1]} "
            f"(100 tracks, CarRacing-v0): {'reached' if scores.mean() >= theirs[0] else 'not reached'} here"
        )
    plastic = [np.mean(rule["scores"]) for rule in data["rules"].values() if rule["learns"]]
    fixed = [np.mean(rule["scores"]) for rule in data["rules"].values() if not rule["learns"]]
    if plastic and fixed:
        lines.append(f"the paper's rules drive better than fixed weights: {_holds(bool(max(plastic) > max(fixed)))}")
    return lines


def draw_car(data: Data) -> Figure:
    """A bar for each rule, a dot for each track."""
    figure = require_matplotlib()(figsize=(6.5, 5), layout="constrained")
    ax = figure.subplots()
    task = f"{data['tracks']} random tracks"
    scores = {name: {task: rule["scores"]} for name, rule in data["rules"].items()}
    published = {name: {task: PAPER_CAR[rule["learns"]]} for name, rule in data["rules"].items()}
    plot_scores(ax, scores, published, dots=True)
    ax.set_ylabel("score; bars: mean and sd, dots: tracks")
    ax.set_xlim(-0.6, 0.6)
    ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure
