"""Foods whose value is to be told."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from ..checks import check_count
from .agents import AgentEnv, Array, VectorAgentsEnv
from .compiled import begin_valuation, value_foods
from .settings import FoodSettings


class ValuationWorld:
    """n agents that are shown foods.

    Args:
        agents: n.
        settings: of all.

    Raises:
        ValueError: for n below 1.
    """

    def __init__(self, agents: int, settings: FoodSettings) -> None:
        check_count(1, num_envs=agents)
        n, k = agents, int(settings.ingredients)
        self._streams, self._states = np.zeros(n, np.uint64), np.zeros(n, np.int64)
        self._values, self._foods = np.zeros((n, k)), np.zeros((n, k), np.float32)
        self._true, self._told, self._flipped, self._rewards = np.zeros(n), np.zeros(n), np.zeros(n, bool), np.zeros(n)
        self._one_hot, self._factors = settings.foods == "one-hot", np.array(settings.factors)
        self._chances = (float(settings.noise), float(settings.transition_probability))
        low, high = settings.ingredient_bounds
        self.observation_space = spaces.Box(low, high, (k,), np.float32)
        self.action_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)

    def reset(self, streams: Array) -> Array:
        self._streams[:] = streams
        begin_valuation(self._streams, self._states, self._values, self._foods, self._one_hot)
        return self._foods.copy()

    def step(self, actions: Array) -> tuple[Array, Array]:
        value_foods(
            self._streams, self._states, self._values, self._foods, actions,
            self._true, self._told, self._flipped, self._rewards, self._one_hot, self._factors, *self._chances,
        )  # fmt: skip
        return self._foods.copy(), self._rewards.copy()

    def infos(self, began: bool = False) -> dict[str, Array]:
        present = {
            "state": self._states.copy(),
            "ingredient_values": self._factors[self._states, np.newaxis] * self._values,
        }
        if began:
            return {"modulator": np.full(len(self._told), np.nan), **present}
        return {
            "modulator": self._told.copy(),
            "value": self._true.copy(),
            "flipped": self._flipped.copy(),
            **present,
            "reward_error": self._rewards.copy(),
        }


class FoodValuationEnv(AgentEnv, gym.utils.EzPickle):
    """Foods are shown, one at a time, and their value is to be told.

    ## Description

    A food is a vector x of ingredients, and its value W.x. What an ingredient is worth is drawn anew for each episode
    and changes within it: the environment has two states with values W1 and W2 = (1 - 2 ``distance``) W1, W1 a random
    vector of length 1. At the beginning of each step the state flips with probability ``transition_probability``. After
    each estimate the agent learns R = W.x + noise, so it has to learn the values, and to keep learning.

    A static forager as in Giannakakis, Khajehabdollahi & Levina's study of how a variable environment shapes plasticity
    (arXiv 2303.06734). Its abstract gives no numbers: everything here, formulas included, is our choice.

    ## Action Space

    ``Box(-inf, inf, (1,), float32)``: the estimate y of the present food's value. One that is not finite makes the
    reward -inf or NaN.

    ## Observation Space

    ``Box(-9, 9, (ingredients,), float32)``: the ingredients x of the present food, each from N(0, 1), whose generator
    does not reach the bounds. With ``foods="one-hot"`` ``Box(0, 1, ...)``: one ingredient, drawn uniformly, is 1.

    ## Rewards

    -(y - R)^2. ``info`` carries it as ``reward_error``, and also ``modulator``: R, for networks that learn from it
    (None at the reset); ``value``: W.x, without the noise; ``state``: 0 or 1, the one that valued this food;
    ``flipped``: whether it did so in this step; and ``ingredient_values``: W in that state.

    ## Starting State

    State 0, a new W1.

    ## Episode End

    Truncated after 1000 steps (by the registration); never terminated.

    ## Arguments

    - ``ingredients``: how many; 4.
    - ``distance``: between the states, from 0 (the same) to 1 (every value is reversed); 1. In value, |W1 - W2| is
      twice that.
    - ``noise``: standard deviation of R - W.x; 0.3.
    - ``transition_probability``: of a flip in a step; 0.01.
    - ``foods``: ``"gaussian"`` or ``"one-hot"``.

    Many agents at once: ``gym.make_vec("FoodValuation-v0", num_envs=1000)``.

    ## Version History

    - v0: first version.

    Raises:
        ValueError: for a number outside its limits, an unknown kind of foods, a render mode, or an action that is not
            one number.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (Gymnasium's)

    def __init__(self, render_mode: str | None = None, **settings: Any) -> None:
        gym.utils.EzPickle.__init__(self, render_mode, **settings)
        if render_mode is not None:
            raise ValueError(f"there is nothing to see: render_mode must be None, not {render_mode!r}")
        super().__init__(ValuationWorld(1, FoodSettings(**settings)))


class FoodValuationVectorEnv(VectorAgentsEnv):
    """Many agents of :class:`FoodValuationEnv` at once; see there, and :class:`.VectorAgentsEnv`.

    Args:
        num_envs: how many.
        max_episode_steps: of every episode; None for episodes without end.
        render_mode: None; there are no pictures.
        settings: the arguments of FoodValuationEnv.

    Raises:
        ValueError: as FoodValuationEnv, or for fewer agents or steps than 1.
    """

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int | None = None, render_mode: str | None = None, **settings: Any
    ) -> None:
        world = ValuationWorld(num_envs, FoodSettings(**settings))
        super().__init__(world, num_envs, max_episode_steps, render_mode)
