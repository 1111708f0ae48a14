"""What happens to n agents, in compiled code.

Agents never meet: each has a world and a stream of random numbers of its own, so that its life does not depend on how
many others there are. All numbers are float64 except what is observed.
"""

from __future__ import annotations

import numpy as np
from numba import njit

X, Y, HEADING, SPEED, ENERGY = range(5)  # columns of bodies
SENSES = 4  # of a forager, besides the ingredients: angle, distance, speed, energy

_STEP, _MIX_1, _MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_11, _27, _30, _31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)


# Random numbers


@njit(cache=True)
def bits(streams, i):  # type: ignore[no-untyped-def]
    """The next 64 random bits of stream i: SplitMix64 (Steele, Lea & Flood, OOPSLA 2014)."""
    streams[i] += _STEP
    z = streams[i]
    z = (z ^ (z >> _30)) * _MIX_1
    z = (z ^ (z >> _27)) * _MIX_2
    return z ^ (z >> _31)


@njit(cache=True)
def uniform(streams, i):  # type: ignore[no-untyped-def]
    """U[0, 1), in steps of 2^-53."""
    return np.float64(bits(streams, i) >> _11) * 2.0**-53


@njit(cache=True)
def normal(streams, i):  # type: ignore[no-untyped-def]
    """N(0, 1), by Box and Muller's method."""
    radius = np.sqrt(-2.0 * np.log(1.0 - uniform(streams, i)))
    return radius * np.cos(2.0 * np.pi * uniform(streams, i))


# Foods and their values


@njit(cache=True)
def draw_food(streams, i, one_hot, food):  # type: ignore[no-untyped-def]
    """Draw the ingredients of a food, float32 of shape (ingredients,); written."""
    if one_hot:
        food[:] = 0.0
        food[int(uniform(streams, i) * len(food))] = 1.0
    else:
        for k in range(len(food)):
            food[k] = normal(streams, i)


@njit(cache=True)
def draw_values(streams, i, centred, values):  # type: ignore[no-untyped-def]
    """Draw the values of all ingredients: a random direction of length 1, of mean 0 if ``centred``; written."""
    for k in range(len(values)):
        values[k] = normal(streams, i)
    if centred:
        values -= values.mean()
    values /= np.sqrt((values * values).sum())


@njit(cache=True)
def value_of(food, values, factor):  # type: ignore[no-untyped-def]
    """What a food is worth."""
    value = 0.0
    for k in range(len(food)):
        value += values[k] * food[k]
    return factor * value


@njit(cache=True)
def begin_valuation(streams, states, values, foods, one_hot):  # type: ignore[no-untyped-def]
    """Begin an episode of each agent; everything is written.

    Args:
        streams: uint64 of shape (n,), as seeded.
        states: int64 of shape (n,).
        values: of the ingredients in state 0, shape (n, ingredients).
        foods: the first ones, float32 of shape (n, ingredients).
        one_hot: the kind of foods.
    """
    for i in range(len(streams)):
        states[i] = 0
        draw_values(streams, i, False, values[i])
        draw_food(streams, i, one_hot, foods[i])


@njit(cache=True)
def value_foods(  # type: ignore[no-untyped-def]
    streams, states, values, foods, estimates, true, told, flipped, rewards, one_hot, factors, noise, probability
):
    """One step of each agent: states flip, foods are valued, estimates are judged, and the next foods are drawn.

    Args:
        streams: and what follows as in :func:`begin_valuation`; changed.
        states: see there.
        values: see there.
        foods: see there.
        estimates: shape (n, 1).
        true: values of the foods, shape (n,); written.
        told: the same with noise; written.
        flipped: bool of shape (n,); written.
        rewards: shape (n,); written.
        one_hot: the kind of foods.
        factors: of the values, in either state.
        noise: its standard deviation.
        probability: of a flip.
    """
    for i in range(len(streams)):
        flipped[i] = uniform(streams, i) < probability
        if flipped[i]:
            states[i] = 1 - states[i]
        true[i] = value_of(foods[i], values[i], factors[states[i]])
        told[i] = true[i] + noise * normal(streams, i)
        rewards[i] = -((np.float64(estimates[i, 0]) - told[i]) ** 2)
        draw_food(streams, i, one_hot, foods[i])


# Arenas


@njit(cache=True)
def nearest(x, y, places, arena):  # type: ignore[no-untyped-def]
    """The food nearest to a place in the periodic arena: its index and its squared distance.

    Args:
        x: 0 <= x < arena.
        y: likewise.
        places: x and y of all foods, shape (2, foods).
        arena: its width and height.
    """
    best, least = 0, np.inf
    for k in range(places.shape[1]):
        dx, dy = abs(places[0, k] - x), abs(places[1, k] - y)
        dx, dy = min(dx, arena - dx), min(dy, arena - dy)
        square = dx * dx + dy * dy
        if square < least:
            best, least = k, square
    return best, least


@njit(cache=True)
def wrapped(x, period):  # type: ignore[no-untyped-def]
    """x modulo the period: from 0 to below the period, whatever the rounding."""
    x = x % period
    return x if x < period else 0.0


@njit(cache=True)
def centred(x, period):  # type: ignore[no-untyped-def]
    """x modulo the period, from -period/2 to period/2."""
    return x - period * np.floor(x / period + 0.5)


@njit(cache=True)
def sense(body, places, foods, k, square, arena, eat_radius, observation):  # type: ignore[no-untyped-def]
    """Write what an agent observes of the nearest food, number k, and of itself."""
    n = foods.shape[1]
    dx, dy = centred(places[0, k] - body[X], arena), centred(places[1, k] - body[Y], arena)
    observation[:n] = foods[k]
    observation[n] = centred(np.degrees(np.arctan2(dy, dx)) - body[HEADING], 360.0) / 180.0
    observation[n + 1] = 2.0 * np.tanh(eat_radius / (square + 1e-6)) - 1.0
    observation[n + 2] = np.tanh(body[SPEED])
    observation[n + 3] = np.tanh(body[ENERGY])


@njit(cache=True)
def begin_foraging(  # type: ignore[no-untyped-def]
    streams, states, values, bodies, places, foods, observations, one_hot, arena, eat_radius, start_energy
):
    """Begin an episode of each agent; everything is written.

    Args:
        streams: uint64 of shape (n,), as seeded.
        states: int64 of shape (n,).
        values: of the ingredients in state 0, shape (n, ingredients).
        bodies: x, y, heading (degrees), speed and energy, shape (n, 5).
        places: x and y of all foods, shape (n, 2, foods).
        foods: ingredients of all foods, float32 of shape (n, foods, ingredients).
        observations: float32 of shape (n, ingredients + 4).
        one_hot: the kind of foods.
        arena: as in :class:`.ForagingEnv`, like what follows.
        eat_radius: see there.
        start_energy: see there.
    """
    for i in range(len(streams)):
        states[i] = 0
        draw_values(streams, i, True, values[i])
        for k in range(foods.shape[1]):
            places[i, 0, k] = arena * uniform(streams, i)
            places[i, 1, k] = arena * uniform(streams, i)
            draw_food(streams, i, one_hot, foods[i, k])
        body = bodies[i]
        body[X] = arena * uniform(streams, i)
        body[Y] = arena * uniform(streams, i)
        body[HEADING] = 360.0 * uniform(streams, i)
        body[SPEED] = 0.0
        body[ENERGY] = start_energy
        k, square = nearest(body[X], body[Y], places[i], arena)
        sense(body, places[i], foods[i], k, square, arena, eat_radius, observations[i])


@njit(cache=True)
def within_one(x):  # type: ignore[no-untyped-def]
    """x, clipped to [-1, 1]; NaN becomes 0."""
    return 0.0 if np.isnan(x) else min(max(np.float64(x), -1.0), 1.0)


@njit(cache=True)
def move(  # type: ignore[no-untyped-def]
    body, turn, push, arena, time_step, turn_rate, acceleration, max_speed, move_cost, min_speed
):
    """Turn, speed up or slow down, pay for it, and go."""
    body[HEADING] = wrapped(body[HEADING] + turn * turn_rate * time_step, 360.0)
    body[SPEED] = min(max(body[SPEED] + push * acceleration * time_step, 0.0), max_speed)
    if body[SPEED] > min_speed:
        cost = move_cost * body[SPEED]
        if body[ENERGY] >= cost:
            body[ENERGY] -= cost
        else:
            body[SPEED] = min_speed
    angle, way = np.radians(body[HEADING]), body[SPEED] * time_step
    body[X] = wrapped(body[X] + way * np.cos(angle), arena)
    body[Y] = wrapped(body[Y] + way * np.sin(angle), arena)


@njit(cache=True)
def forage(  # type: ignore[no-untyped-def]
    streams, states, values, bodies, places, foods, observations, actions, switch, eaten, meals, true, told, flipped,
    one_hot, factors, noise, probability, arena, time_step, eat_radius, eat_speed, turn_rate, acceleration, max_speed,
    food_energy, move_cost, min_speed,
):  # fmt: skip
    """One step of each agent: move, eat, observe.

    Args:
        streams: and what follows as in :func:`begin_foraging`; changed.
        states: see there.
        values: see there.
        bodies: see there.
        places: see there.
        foods: see there.
        observations: see there.
        actions: turn and acceleration, shape (n, 2).
        switch: whether all states flip.
        eaten: whether something was, bool of shape (n,); written.
        meals: ingredients of what was eaten, else NaN, float32 of shape (n, ingredients); written.
        true: value of what was eaten, else 0, shape (n,); written.
        told: the same with noise, else NaN; written.
        flipped: bool of shape (n,); written.
        one_hot: the kind of foods.
        factors: of the values, in either state.
        noise: its standard deviation.
        probability: of a flip, for each meal.
        arena: as in :class:`.ForagingEnv`, like what follows.
        time_step: see there.
        eat_radius: see there.
        eat_speed: see there; infinite for None.
        turn_rate: see there.
        acceleration: see there.
        max_speed: see there.
        food_energy: see there.
        move_cost: see there.
        min_speed: see there.
    """
    for i in range(len(streams)):
        body = bodies[i]
        turn, push = within_one(actions[i, 0]), within_one(actions[i, 1])
        move(body, turn, push, arena, time_step, turn_rate, acceleration, max_speed, move_cost, min_speed)
        k, square = nearest(body[X], body[Y], places[i], arena)
        eaten[i] = square <= eat_radius * eat_radius and body[SPEED] < eat_speed
        flipped[i] = switch != (eaten[i] and uniform(streams, i) < probability)
        if flipped[i]:
            states[i] = 1 - states[i]
        true[i] = 0.0
        told[i] = np.nan
        meals[i] = np.nan
        if eaten[i]:
            true[i] = value_of(foods[i, k], values[i], factors[states[i]])
            told[i] = true[i] + noise * normal(streams, i)
            meals[i] = foods[i, k]
            body[ENERGY] += food_energy
            places[i, 0, k] = arena * uniform(streams, i)
            places[i, 1, k] = arena * uniform(streams, i)
            draw_food(streams, i, one_hot, foods[i, k])
            k, square = nearest(body[X], body[Y], places[i], arena)
        sense(body, places[i], foods[i], k, square, arena, eat_radius, observations[i])
