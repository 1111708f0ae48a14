"""What can be set, with its defaults and its limits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..checks import check_choice, check_count, check_number

FOODS = ("gaussian", "one-hot")
REWARDS = ("value", "energy")
# In all compiled code a standard normal number is sqrt(-2 ln u) cos(a) with u of at least 2^-53: never beyond 8.58
MOST_NORMAL = 9.0


@dataclass(frozen=True, kw_only=True)
class FoodSettings:
    """What foods are made of, and how their value changes; see :class:`.FoodValuationEnv`.

    Raises:
        ValueError: for a number outside its limits, or an unknown kind of foods.
    """

    ingredients: int = 4
    distance: float = 1.0
    noise: float = 0.3
    transition_probability: float = 0.01
    foods: str = "gaussian"

    def __post_init__(self) -> None:
        check_count(1, ingredients=self.ingredients)
        check_number(0.0, 1.0, distance=self.distance, transition_probability=self.transition_probability)
        check_number(0.0, math.inf, noise=self.noise)
        check_choice("foods", self.foods, FOODS)

    @property
    def factors(self) -> tuple[float, float]:
        """What the values of ingredients are multiplied by in either state."""
        return 1.0, 1.0 - 2.0 * float(self.distance)

    @property
    def ingredient_bounds(self) -> tuple[float, float]:
        """Between which numbers every ingredient lies."""
        return (0.0, 1.0) if self.foods == "one-hot" else (-MOST_NORMAL, MOST_NORMAL)


@dataclass(frozen=True, kw_only=True)
class ForagingSettings(FoodSettings):
    """The same, and what an arena and an agent are like; see :class:`.ForagingEnv`.

    Raises:
        ValueError: as above, for a single ingredient, or an unknown reward.
    """

    foods: str = "one-hot"
    switch_at: int | None = None
    reward: str = "value"
    particles: int = 100
    arena: float = 8.0
    time_step: float = 0.2
    eat_radius: float = 0.05
    eat_speed: float | None = None
    turn_rate: float = 90.0
    acceleration: float = 0.05
    max_speed: float = 999.0
    start_energy: float = 2.0
    food_energy: float = 1.0
    move_cost: float = 0.05
    min_speed: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ingredients == 1:
            raise ValueError("ingredients must be 2 or more: their values have mean 0, so that of a single one is 0")
        check_count(1, particles=self.particles)
        if self.switch_at is not None:
            check_count(0, switch_at=self.switch_at)
        check_choice("reward", self.reward, REWARDS)
        tiny = math.ulp(0.0)  # anything above 0
        check_number(tiny, math.inf, arena=self.arena, time_step=self.time_step, eat_radius=self.eat_radius)
        if self.eat_speed is not None:
            check_number(0.0, math.inf, eat_speed=self.eat_speed)
        check_number(
            0.0, math.inf, turn_rate=self.turn_rate, acceleration=self.acceleration, max_speed=self.max_speed,
            start_energy=self.start_energy, food_energy=self.food_energy, move_cost=self.move_cost,
            min_speed=self.min_speed,
        )  # fmt: skip
