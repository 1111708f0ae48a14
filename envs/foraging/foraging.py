"""Foods to be found and eaten."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from ..checks import check_choice, check_count
from .agents import AgentEnv, Array, VectorAgentsEnv
from .compiled import ENERGY, HEADING, SENSES, SPEED, X, Y, begin_foraging, forage
from .picture import paint
from .settings import ForagingSettings


class ForagingWorld:
    """n agents, each in an arena of its own.

    Args:
        agents: n.
        settings: of all.

    Raises:
        ValueError: for n below 1.
    """

    def __init__(self, agents: int, settings: ForagingSettings) -> None:
        check_count(1, num_envs=agents)
        s, n, k, particles = settings, agents, int(settings.ingredients), int(settings.particles)
        self.settings = settings
        self._streams, self._states, self._values = np.zeros(n, np.uint64), np.zeros(n, np.int64), np.zeros((n, k))
        self._bodies, self._places = np.zeros((n, 5)), np.zeros((n, 2, particles))
        self._foods, self._meals = np.zeros((n, particles, k), np.float32), np.zeros((n, k), np.float32)
        self._observations = np.zeros((n, k + SENSES), np.float32)
        self._eaten, self._flipped = np.zeros(n, bool), np.zeros(n, bool)
        self._true, self._told = np.zeros(n), np.zeros(n)
        self._one_hot, self._factors, self._step = s.foods == "one-hot", np.array(s.factors), 0
        self._begin = tuple(map(float, (s.arena, s.eat_radius, s.start_energy)))
        eat_speed = math.inf if s.eat_speed is None else s.eat_speed
        self._numbers = tuple(
            map(float, (
                s.noise, s.transition_probability, s.arena, s.time_step, s.eat_radius, eat_speed, s.turn_rate,
                s.acceleration, s.max_speed, s.food_energy, s.move_cost, s.min_speed,
            ))
        )  # fmt: skip
        least, most = s.ingredient_bounds
        low, high = np.array([least] * k + [-1, -1, 0, 0], np.float32), np.array([most] * k + [1] * SENSES, np.float32)
        self.observation_space = spaces.Box(low, high, dtype=np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, streams: Array) -> Array:
        self._streams[:] = streams
        self._step = 0
        begin_foraging(
            self._streams, self._states, self._values, self._bodies, self._places, self._foods, self._observations,
            self._one_hot, *self._begin,
        )  # fmt: skip
        return self._observations.copy()

    def step(self, actions: Array) -> tuple[Array, Array]:
        switch = self._step == self.settings.switch_at
        self._step += 1
        forage(
            self._streams, self._states, self._values, self._bodies, self._places, self._foods, self._observations,
            actions, switch, self._eaten, self._meals, self._true, self._told, self._flipped,
            self._one_hot, self._factors, *self._numbers,
        )  # fmt: skip
        rewards = self._true if self.settings.reward == "value" else self._bodies[:, ENERGY]
        return self._observations.copy(), rewards.copy()

    def infos(self, began: bool = False) -> dict[str, Array]:
        bodies = self._bodies.T.copy()
        present = {
            "energy": bodies[ENERGY],
            "x": bodies[X],
            "y": bodies[Y],
            "heading": bodies[HEADING],
            "speed": bodies[SPEED],
            "state": self._states.copy(),
            "ingredient_values": self.ingredient_values,
        }
        if began:
            return {"modulator": np.full(len(self._told), np.nan), **present}
        return {
            "modulator": self._told.copy(),
            "eaten": self._eaten.copy(),
            "eaten_ingredients": self._meals.copy(),
            "flipped": self._flipped.copy(),
            **present,
            "reward_value": self._true.copy(),
            "reward_energy": bodies[ENERGY].copy(),
        }

    @property
    def ingredient_values(self) -> Array:
        """In the present states, shape (n, ingredients)."""
        return self._factors[self._states, np.newaxis] * self._values

    def paint(self, agent: int) -> Array:
        """A picture of one agent's arena; see :func:`.paint`."""
        values = self._foods[agent] @ self.ingredient_values[agent]
        return paint(self._bodies[agent], self._places[agent], values, self.settings.arena)


class ForagingEnv(AgentEnv, gym.utils.EzPickle):
    """Foods lie about; some are good and some are bad, and which ones changes.

    ## Description

    An agent moves through a square arena, whose opposite edges meet, among 100 foods. A food is a vector x of
    ingredients, and its value W.x. What an ingredient is worth is drawn anew for each episode: W1 is a random vector of
    length 1 and mean 0, so that eating everything comes to nothing. There is a second state with values W2 =
    (1 - 2 ``distance``) W1. Food is eaten by coming near it; then the agent is told R = W.x + noise, and another food
    appears at a random place. Just before a meal is valued the state flips with probability
    ``transition_probability``; also, if asked for, at the beginning of step ``switch_at``.

    In a step the heading changes by turn x 90 degrees/s x 0.2 s and the speed by acceleration x 0.05 units/s^2 x 0.2 s
    (it is never negative); then the agent moves for 0.2 s. At a speed above 0.05 units/s that costs 0.05 x speed of its
    energy; one that cannot pay goes at 0.05 units/s. Then it eats the nearest food, if within 0.05 units, and gains 1
    of energy, whatever the food's value.

    A moving forager as in Giannakakis, Khajehabdollahi & Levina's studies (arXiv 2303.06734, 2403.13649), of whose
    arena we found no numbers. Arena, movement, energy and the last four senses are those of an earlier game of the same
    group ("When to be critical?", arXiv 2303.16195), by its public code. To use them here, to give each agent an arena
    of its own, and all that concerns ingredients, values, noise and change is our choice. So is that what is observed
    after a meal is the next food (there: the eaten one, once more).

    ## Action Space

    ``Box(-1, 1, (2,), float32)``: turn (positive is to the left, counter-clockwise) and acceleration, as fractions of
    ``turn_rate`` and ``acceleration``; clipped, and NaN counts as 0.

    ## Observation Space

    ``Box(float32)`` of shape (ingredients + 4,); with n ingredients:

    | Num | Observation | Min | Max | Type (Unit) |
    |---|---|---|---|---|
    | 0 to n-1 | ingredients of the nearest food; gaussian ones are between -9 and 9 | 0 | 1 | - |
    | n | direction of the nearest food, from the heading; positive is to the left | -1 | 1 | angle (180 degrees) |
    | n+1 | its nearness, 2 tanh(``eat_radius`` / (d^2 + 1e-6)) - 1 at distance d | -1 | 1 | - |
    | n+2 | tanh(speed) | 0 | 1 | - |
    | n+3 | tanh(energy) | 0 | 1 | - |

    ## Rewards

    ``reward="value"``: the value of what was eaten in this step, without the noise, or 0. ``reward="energy"``: the
    agent's energy after the step, whose mean over a life was that game's fitness. ``info`` carries both terms:
    ``reward_value`` and ``reward_energy``.

    ``info`` also carries ``modulator``: R, for networks that learn from it, None where nothing was eaten; ``eaten``;
    ``eaten_ingredients``: x of what was eaten, or None (the agent last saw the food that was nearest before the step,
    which may have been another); ``energy``; ``x``, ``y`` (units); ``heading`` (degrees, counter-clockwise from +x,
    from 0 to 360); ``speed`` (units/s); ``state``: 0 or 1; ``flipped``: whether it did in this step; and
    ``ingredient_values``: W in that state.

    ## Starting State

    Foods and agent at random places, a random heading, at rest; energy 2, state 0, a new W1.

    ## Episode End

    Truncated after 2000 steps (by the registration); never terminated.

    ## Arguments

    - ``ingredients``: how many, 2 or more; 4.
    - ``foods``: ``"one-hot"``, of one ingredient each, drawn uniformly, or ``"gaussian"``, of amounts from N(0, 1).
    - ``distance``: between the states, from 0 (the same) to 1 (every value is reversed); 1.
    - ``noise``: standard deviation of R - W.x; 0.3.
    - ``transition_probability``: of a flip at a meal; 0.01.
    - ``switch_at``: number of the step (the first is 0) that begins with a flip, for everybody; None: there is none.
    - ``reward``: see Rewards.
    - ``particles``: foods in the arena; 100.
    - ``arena``: its width and height; 8 units.
    - ``time_step``: 0.2 s.
    - ``eat_radius``: 0.05 units.
    - ``eat_speed``: it eats only below that speed (units/s); None: at any. In that game 0.005 makes a hard task.
    - ``turn_rate``: 90 degrees/s.
    - ``acceleration``: 0.05 units/s^2.
    - ``max_speed``: 999 units/s, as good as none.
    - ``start_energy``, ``food_energy``: 2 and 1.
    - ``move_cost``: energy for a step, at a speed of 1 unit/s; 0.05.
    - ``min_speed``: up to which moving costs nothing; 0.05 units/s.
    - ``render_mode``: ``"rgb_array"``: the arena from above, y upwards, 400 x 400 pixels; good food is blue, bad food
      red. There is no window ("human").

    Many agents at once, without pictures: ``gym.make_vec("Foraging-v0", num_envs=100)``.

    ## Version History

    - v0: first version.

    Raises:
        ValueError: for a number outside its limits, an unknown kind of foods, reward or render mode, or an action that
            is not two numbers.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012 (Gymnasium's)
    _world: ForagingWorld

    def __init__(self, render_mode: str | None = None, **settings: Any) -> None:
        gym.utils.EzPickle.__init__(self, render_mode, **settings)
        check_choice("render_mode", render_mode, (*self.metadata["render_modes"], None))
        super().__init__(ForagingWorld(1, ForagingSettings(**settings)))
        self.render_mode = render_mode

    def render(self) -> Array | None:
        """A picture of the whole arena from above, uint8 of shape (400, 400, 3)."""
        return self._world.paint(0) if self.render_mode == "rgb_array" else None


class ForagingVectorEnv(VectorAgentsEnv):
    """Many agents of :class:`ForagingEnv` at once, each in its own arena; see there, and :class:`.VectorAgentsEnv`.

    Args:
        num_envs: how many.
        max_episode_steps: of every episode; None for episodes without end.
        render_mode: None; there are no pictures.
        settings: the other arguments of ForagingEnv.

    Raises:
        ValueError: as ForagingEnv, or for fewer agents or steps than 1.
    """

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int | None = None, render_mode: str | None = None, **settings: Any
    ) -> None:
        world = ForagingWorld(num_envs, ForagingSettings(**settings))
        super().__init__(world, num_envs, max_episode_steps, render_mode)
