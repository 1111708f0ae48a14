"""Optimisers of other libraries on CartPole: ``python examples/other_optimizers.py --optimizer pycma|cmaes|evosax``.

Each is made as its own library has it, wrapped in one line and handed to ``train``. They minimise and we maximise: the
wrapper sees to that. They come with ``pip install cma``, ``pip install cmaes`` and ``pip install evosax``.
"""

import argparse

import numpy as np

import hebbian_gym as hg
from hebbian_gym.optimizers.adapters import from_cmaes, from_evosax, from_pycma

POPULATION, SIGMA = 24, 0.3


def pycma(genome, seed):
    """Full covariance; with randomness of its own, not numpy's global one, so that a run can be resumed."""
    import cma

    rng = np.random.default_rng(seed)
    options = {"popsize": POPULATION, "randn": lambda *shape: rng.standard_normal(shape), "seed": np.nan, "verbose": -9}
    return from_pycma(cma.CMAEvolutionStrategy(genome, SIGMA, options))


def cmaes(genome, seed):
    """A standard deviation for each gene."""
    from cmaes import SepCMA

    return from_cmaes(SepCMA(genome.astype(float), SIGMA, population_size=POPULATION, seed=seed))


def evosax(genome, seed):
    """The same, compiled by JAX."""
    import jax
    from evosax.algorithms import Sep_CMA_ES

    strategy = Sep_CMA_ES(population_size=POPULATION, solution=genome)
    params = strategy.default_params.replace(std_init=SIGMA)
    key, first = jax.random.split(jax.random.key(seed))
    return from_evosax(strategy, strategy.init(first, genome, params), key, params)


OPTIMIZERS = {"pycma": pycma, "cmaes": cmaes, "evosax": evosax}


def progress(run):
    """Called after each generation."""
    print(f"generation {run.optimizer.generation}: fitness {run.metrics['fitness/mean']:.0f} on average")


def main(arguments=None):
    """Evolve, with a look before and after."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="pycma")
    parser.add_argument("--generations", type=int, default=10)
    options = parser.parse_args(arguments)

    policy = hg.HebbianPolicy.for_env("CartPole-v1", hidden=(4,))
    before = hg.evaluate(policy, "CartPole-v1", episodes=50).score.mean()
    optimizer = OPTIMIZERS[options.optimizer](policy.genome, seed=0)
    hg.train(policy, optimizer, hg.Task("CartPole-v1", episodes=4), options.generations, callbacks=[progress])
    after = hg.evaluate(policy, "CartPole-v1", episodes=50).score.mean()
    print(f"mean score of 50 lifetimes: before evolution {before:.0f}, after {after:.0f} (of 500)")


if __name__ == "__main__":
    main()
