"""An optimiser of one's own, checked, then evolving CartPole: ``python examples/own_optimizer.py``.

The library wants five methods of an optimiser (ask, tell, stop, state_dict, load_state_dict), its generation and its
mean. ``hebbian_gym.testing.check_optimizer`` tries all that the rest of the library relies on: that it climbs, is
deterministic, goes on after lost candidates and from a saved state, and needs no more memory than it should. The
same class evolves an ant: nothing in it knows of the task.
"""

import argparse

import numpy as np

import hebbian_gym as hg
from hebbian_gym.optimizers.base import GaussianPopulation
from hebbian_gym.testing import check_optimizer


class CommaES:
    """(mu, lambda): the next mean is that of the mu best of lambda candidates; sigma falls geometrically."""

    def __init__(self, mean, population_size=40, parents=10, sigma=0.3, decay=0.97, seed=0):
        self.mean = np.array(mean, np.float32)
        self.generation, self.seed = 0, seed
        self.size, self.parents, self.start, self.decay = population_size, parents, sigma, decay

    @property
    def sigma(self):
        """Of this generation."""
        return self.start * self.decay**self.generation

    def ask(self):  # not genomes but how to draw them: workers do that themselves
        return GaussianPopulation(self.mean, self.sigma, (self.seed, self.generation), self.size)

    def tell(self, fitness):
        fitness, candidates = np.asarray(fitness, float), self.ask()
        if fitness.shape != (self.size,) or not np.isfinite(fitness).any():
            raise ValueError(f"{self.size} candidates need as many fitnesses, not all of them lost")
        known = np.flatnonzero(np.isfinite(fitness))  # a lost candidate has NaN
        best = known[np.argsort(-fitness[known], kind="stable")][: self.parents]
        metrics = {"optimizer/sigma": self.sigma, "optimizer/worst_parent": float(fitness[best[-1]])}
        self.mean = sum(candidates[index] for index in best.tolist()) / np.float32(len(best))
        self.generation += 1
        return metrics

    def stop(self):
        return {"sigma": self.sigma} if self.sigma < 1e-6 else {}

    def state_dict(self):
        return {"mean": self.mean, "generation": self.generation, "seed": self.seed}

    def load_state_dict(self, state):
        if np.shape(state["mean"]) != self.mean.shape:
            raise ValueError(f"the saved mean has shape {np.shape(state['mean'])}, this one's {self.mean.shape}")
        self.mean = np.array(state["mean"], np.float32)
        self.generation, self.seed = state["generation"], state["seed"]


def progress(run):
    """Called after each generation."""
    print(f"generation {run.optimizer.generation}: fitness {run.metrics['fitness/mean']:.0f} on average")


def main(arguments=None):
    """Check, evolve, with a look before and after."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generations", type=int, default=12)
    options = parser.parse_args(arguments)

    check_optimizer(CommaES)
    print("check_optimizer finds nothing wrong with it")

    policy = hg.HebbianPolicy.for_env("CartPole-v1", hidden=(4,))
    before = hg.evaluate(policy, "CartPole-v1", episodes=50).score.mean()
    task = hg.Task("CartPole-v1", episodes=4)
    hg.train(policy, CommaES(policy.genome), task, options.generations, callbacks=[progress])
    after = hg.evaluate(policy, "CartPole-v1", episodes=50).score.mean()
    print(f"mean score of 50 lifetimes: before evolution {before:.0f}, after {after:.0f} (of 500)")


if __name__ == "__main__":
    main()
