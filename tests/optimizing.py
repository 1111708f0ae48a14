"""What tests of several optimisers share: a start, made-up fitnesses, and functions to climb."""

import numpy as np

GENES, SIZE = 7, 10
START = np.linspace(-1, 1, GENES)


def candidates(optimizer):
    """Of this generation, shape (candidates, genes)."""
    return np.array([optimizer.ask()[i] for i in range(optimizer.population_size)])


def fitnesses(generation, size=SIZE):
    return np.random.default_rng(generation).standard_normal(size)


# To be maximised, over the last axis; the top of each is 0


def sphere(x):
    return -np.square(x - 0.5).sum(axis=-1)


def rosenbrock(x):
    return -(100 * np.square(x[..., 1:] - x[..., :-1] ** 2) + np.square(1 - x[..., :-1])).sum(axis=-1)


def rastrigin(x):
    return -(10 + x**2 - 10 * np.cos(2 * np.pi * x)).sum(axis=-1)
