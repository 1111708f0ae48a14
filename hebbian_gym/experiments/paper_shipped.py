"""Ready-evolved rules of Najarro & Risi (2020): their training curves (figure 7), and other births (section 4.1)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.scores import plot_scores
from ..checkpoint import load_policy
from ..evaluation import Individual, evaluate
from ..palette import SERIES
from ..presets import CAR
from ..pretrained import pretrained_names, pretrained_path
from . import Outcome, Settings
from .common import in_parallel, require_matplotlib
from .paper_lives import BODIES, WHOLE, Data
from .paper_table import saw_random_damage, shipped, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PUBLISH = "python -m hebbian_gym.pretrained.publish RUN_DIR NAME"
SIMILAR = 2.0  # similarly fast: no more than so many times the other's generations


# Figure 7: training curves


def training(settings: Settings) -> Outcome:
    """Figure 7: populations' mean fitness by generation, from the cards of all ready-evolved rules, at any budget."""
    require_matplotlib()
    data: Data = {"rules": {}, "lacking": []}
    names = pretrained_names()
    for done, name in enumerate(names, 1):
        if curve := curve_of(name):
            if curve not in data["rules"].values():  # one run may ship under two names
                data["rules"][name] = curve
        else:
            data["lacking"].append(name)
        settings.progress(done / len(names))
    if not data["rules"]:
        raise ValueError(f"no ready-evolved rule has a training curve on its card: publish a run, {PUBLISH}")
    return Outcome(data, draw_training(data), summarise_training(data))


def curve_of(name: str) -> Data:
    """What the card of a ready-evolved rule tells of its evolution; empty if there is no curve on it, or no card."""
    path = pretrained_path(name)
    try:
        card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    if not card.get("curve"):
        return {}
    architecture, _, _ = load_policy(path)
    config = card["config"]
    return {
        "envs": config["preset"]["envs"],
        "learns": architecture.plasticity.delta is not None,
        "generation": [point["generation"] for point in card["curve"]],
        "fitness": [point["fitness"] for point in card["curve"]],
        "env_steps": card.get("run", card)["env_steps"],  # of all these generations
        "population": config["preset"]["optimizer"]["population_size"],
        "seed": config["seed"],
        "start": config.get("start"),
    }


def by_envs(rules: Data) -> dict[str, Data]:
    """The rules that evolved on the same bodies, named in words; those that learn first."""
    panels: dict[str, Data] = {}
    for name, rule in sorted(rules.items(), key=lambda item: not item[1]["learns"]):
        panels.setdefault(" and ".join(rule["envs"]), {})[name] = rule
    return dict(sorted(panels.items()))


def summarise_training(data: Data) -> list[str]:
    """Where each rule began and ended, and which one climbed how fast."""
    lines = [
        "the population's mean fitness in evolution, with early stop; one run each, the paper's are means of three"
    ]
    for envs, rules in by_envs(data["rules"]).items():
        for name, rule in rules.items():
            began = f", begun with the genome of {rule['start']}" if rule["start"] else ""
            lines.append(
                f"{envs}, {name} ({'plastic' if rule['learns'] else 'fixed'} weights{began}): {rule['fitness'][0]:.0f} "
                f"in generation {rule['generation'][0]}, {rule['fitness'][-1]:.0f} in generation "
                f"{rule['generation'][-1]}; population {rule['population']}, seed {rule['seed']}, "
                f"{rule['env_steps']:,} env-steps"
            )
        lines.append(_compare_speeds(envs, rules))
    return lines + [
        f"{name} has no training curve on its card: publish its run anew, {PUBLISH}" for name in data["lacking"]
    ]


def _compare_speeds(envs: str, rules: Data) -> str:
    """Whether plastic and fixed weights climb similarly fast: the highest curve of each, of those begun at random."""
    fresh = {name: rule for name, rule in rules.items() if not rule["start"]}
    kinds = [[name for name, rule in fresh.items() if rule["learns"] is learns] for learns in (True, False)]
    found = {max(names, key=lambda name: max(fresh[name]["fitness"])) for names in kinds if names}
    if len(found) < 2:
        return (
            f"{envs}: whether plastic and fixed weights climb similarly fast, as the paper's do, is not seen: it takes "
            "one of each, both begun at random; evolve what is missing (hebbian-gym presets) and publish it"
        )
    bar = min(max(fresh[name]["fitness"]) for name in found) / 2
    passed = {
        name: rule["generation"][int(np.argmax(np.array(rule["fitness"]) >= bar))]
        for name, rule in fresh.items()
        if name in found
    }
    holds = max(passed.values()) <= SIMILAR * min(passed.values())
    told = " and ".join(f"{name} in generation {generation}" for name, generation in passed.items())
    return (
        f"{envs}: half of what both reach ({bar:.0f}) is passed by {told}; the paper's (plastic and fixed weights "
        f"climb similarly fast) {'holds' if holds else 'does not hold'} here within a factor of {SIMILAR:g}"
    )


def draw_training(data: Data) -> Figure:
    """A panel for each environment."""
    panels = by_envs(data["rules"])
    figure = require_matplotlib()(figsize=(1 + 5.5 * len(panels), 4.4), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (envs, rules) in zip(axes, panels.items(), strict=True):
        plot_curves_of(ax, rules)
        ax.set_title(envs.replace(" and ", " and\n"))
        ax.set_ylabel(f"population mean ({'score' if envs == CAR else 'progress units'}, with early stop)")
    return figure


def plot_curves_of(ax: Axes, rules: Data) -> None:
    """The curve of each rule; those of fixed weights are dashed."""
    for color, (name, rule) in zip(cycle(SERIES), rules.items(), strict=False):
        began = f", begun with {rule['start']}" if rule["start"] else ""
        kind = "plastic" if rule["learns"] else "fixed"
        ax.plot(rule["generation"], rule["fitness"], "-" if rule["learns"] else "--", color=color, linewidth=2,
                label=f"{name} ({kind}{began})")  # fmt: skip
    ax.set_xlabel("generation")
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)


# Section 4.1: initial weights from other distributions than in evolution

OWN = "as in evolution"
# The paper's N(0, 0.1) may be meant with either as its second number.
DISTRIBUTIONS: dict[str, dict[str, Any]] = {
    OWN: {},
    "N(0, 0.1), if that is the sd": {"initial_weights": "normal", "initial_scale": 0.1},
    "N(0, 0.1), if that is the variance": {"initial_weights": "normal", "initial_scale": math.sqrt(0.1)},
    "U(-1, 1)": {"initial_weights": "uniform", "initial_scale": 1.0},
    "all zero": {"initial_weights": "zeros"},
}
LIVES = {"quick": 30, "full": 100}  # on each body, by each rule and distribution


@dataclass(frozen=True)
class Births:
    """Lifetimes of one ready-evolved rule on one body: what a worker is told."""

    rule: str
    distribution: str
    env: str
    lives: int
    seed: int


def distances(births: Births) -> list[float]:
    """The score of each lifetime."""
    architecture, genome, _ = load_policy(pretrained_path(births.rule))
    newborn = replace(architecture, **DISTRIBUTIONS[births.distribution])
    result = evaluate(Individual(newborn, genome), births.env, births.lives, births.seed)
    if result.errors:
        raise RuntimeError(result.losses)
    return [float(score) for score in result.score]


def initial_weights(settings: Settings) -> Outcome:
    """Section 4.1: the ants' distances when their initial weights are drawn from other distributions."""
    require_matplotlib()
    lives = LIVES[settings.budget]
    rules = [name for name, learns in shipped(WHOLE).items() if learns and not saw_random_damage(name)]
    if not rules:
        raise ValueError("no ready-evolved ant with plastic weights is installed: evolve one, hebbian-gym train --help")
    jobs = [
        Births(rule, distribution, env, lives, settings.seed)
        for rule in rules
        for distribution in DISTRIBUTIONS
        for env in BODIES.values()
    ]
    found = iter(in_parallel(distances, jobs, settings))
    by_rule = {rule: {name: {body: next(found) for body in BODIES} for name in DISTRIBUTIONS} for rule in rules}
    births = {rule: _own_birth(rule) for rule in rules}
    data: Data = {"lives": lives, "births": births, "rules": by_rule}
    return Outcome(data, draw_births(data), summarise_births(data))


def _own_birth(rule: str) -> str:
    architecture, _, _ = load_policy(pretrained_path(rule))
    return f"{architecture.initial_weights}, scale {architecture.initial_scale:g}"


def summarise_births(data: Data) -> list[str]:
    """The distances by each distribution, and whether they are comparable."""
    lines = [
        f"{data['lives']} lifetimes on each body, mean +- sd, progress units; comparable: a mean not more than one sd "
        "of the lifetimes born as in evolution below theirs"
    ]
    for rule, by_distribution in data["rules"].items():
        own = by_distribution[OWN]
        for name, bodies in by_distribution.items():
            told = "; ".join(f"{body} {spread(scores)}" for body, scores in bodies.items())
            born = f"{OWN} ({data['births'][rule]})" if name == OWN else name
            lines.append(f"{rule}, {born}: {told}{'' if name == OWN else _judge(own, bodies)}")
    return lines


def _judge(own: dict[str, list[float]], other: dict[str, list[float]]) -> str:
    """On how many bodies it is as the paper says."""
    held = sum(np.mean(other[body]) >= np.mean(scores) - np.std(scores) for body, scores in own.items())
    return f"; the paper's (comparable) holds on {held} of {len(own)} bodies"


def draw_births(data: Data) -> Figure:
    """Bars for the bodies, one for each distribution; a panel for each rule."""
    rules = data["rules"]
    figure = require_matplotlib()(figsize=(8, 1 + 3 * len(rules)), layout="constrained")
    axes = figure.subplots(len(rules), 1, squeeze=False)[:, 0]
    for ax, (name, by_distribution) in zip(axes, rules.items(), strict=True):
        plot_scores(ax, by_distribution, {})
        ax.set_xticks(range(len(BODIES)), [body.replace(" (", "\n(") for body in BODIES])
        ax.set_title(f"{name}, by where its initial weights come from")
        ax.set_ylabel("distance (progress units),\nmean and sd")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", frameon=False, ncols=3)
    return figure
