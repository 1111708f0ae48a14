"""Lifetimes on the line: tracks, rules, and how much of them is run.

A lifetime, :func:`live`, is that of a newborn network, or of the reflex alone, on one of two tracks. Networks of one
seed are born with the same weights (where their layers are) and meet the same noise of the wheels, so that rules are
compared in pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from ..analysis.responses import moving_mean
from ..closed_loop import ClosedLoopNetwork
from ..closed_loop_rules import CLOSED_LOOP_RULES, Bus, ClosedLoopRule
from ..envs.line_following import ResonatorBank, RoadBend
from ..envs.line_following.robot import PERIOD
from ..rollout import run_episode

Data = dict[str, Any]

RULES = CLOSED_LOOP_RULES | {"R = 1": ClosedLoopRule("R = 1", (Bus("backward", "sign"),))}
"""The library's rules and, for an ablation, PaM with a relevance that is always 1. SaR-min is PaM with R = abs(E)."""
RELEVANCES = {"R = 1": "R = 1", "R = G": "PaM", "R = abs(E)": "SaR-min"}
WATCHED = ("BP", "SaR", "PaM")
REFLEX = "reflex alone"
WHICH = ("best", "common")  # learning rates: each rule's best, or one for all
COMMON_RATE = 1e-3  # small: every rule learns with it, and none at once
LOST_ERROR = 11.6  # units/s: where the line is out of sight, E is 0 and says nothing; counted is the largest there is
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
        seed: the birth and the wheels' noise have seeds of their own, made from this one.
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
    env_seed, birth_seed = np.random.SeedSequence(life.seed).generate_state(2).tolist()
    run_episode(env, _Driver(network), env_seed, birth_seed, notes)
    env.close()
    return {
        "success": notes.success,
        "integral": float(np.cumsum([0.0, *notes.errors])[-1]) * PERIOD,
        "curve": moving_mean(notes.errors, WINDOW)[EVERY - 1 :: EVERY].tolist(),
        "distances": notes.distances,
        "ratios": notes.ratios,
    }


# Many lifetimes


def all_lives(budget: Budget, seeds: Sequence[int], rules: Sequence[str], watch: bool = False) -> list[Life]:
    """Every rule at every rate on every track, and the reflex once on each."""
    pairs = [(REFLEX, 0.0), *((rule, rate) for rule in rules for rate in budget.rates)]
    return [
        Life(track, rule, rate, seed, budget.limit, budget.horizon, watch and rule != REFLEX)
        for track in TRACKS
        for rule, rate in pairs
        for seed in seeds
    ]


def by_rate(results: dict[Life, Data], track: str, rule: str) -> list[list[Data]]:
    """A rule's lifetimes on a track, those of each rate together, in the order in which they were asked for."""
    groups: dict[float, list[Data]] = {}
    for life, result in results.items():
        if (life.track, life.rule) == (track, rule):
            groups.setdefault(life.rate, []).append(result)
    return list(groups.values())
