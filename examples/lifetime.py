"""One lifetime of the ready-evolved ant, watched: ``python examples/lifetime.py [--film ant.mp4]``.

It is born with random weights and is never told a reward: only what it senses and does changes its weights, by the
evolved rule of each synapse. What they are at birth is soon lost (the first cosine of the table is near 0), then they
point in nearly the same direction for good (near 1), in which they go on growing, and the ant walks. The picture shows
every layer at four moments above the reward; the film shows the ant, its weights in colour, and how far it has come.
"""

import argparse
from dataclasses import replace

import gymnasium as gym
import numpy as np

import hebbian_gym as hg
from hebbian_gym.analysis.lifetime import record_lifetime
from hebbian_gym.analysis.plots import lifetime_figure
from hebbian_gym.analysis.video import film
from hebbian_gym.task import lifetime_seeds

BIRTH, EVERY = -1, 100  # where a lifetime keeps the weights at birth; steps between two lines of the table


def moments(life):
    """A line for every hundred steps: the mean reward of these (for the ant its speed in m/s), and the weights."""
    print("  steps   speed   weights (rms of each layer)    cosine with 100 steps before")
    before = np.concatenate([layer.ravel() for layer in life.weights[BIRTH]])
    for last in range(EVERY - 1, len(life.rewards), EVERY):
        now = np.concatenate([layer.ravel() for layer in life.weights[last]])
        cosine = now @ before / np.linalg.norm(now) / np.linalg.norm(before)
        sizes = "  ".join(f"{np.sqrt(np.mean(layer**2)):8.2f}" for layer in life.weights[last])
        speed = np.mean(life.rewards[last + 1 - EVERY : last + 1])
        print(f"{last + 1:7d} {speed:7.2f}   {sizes}    {cosine:10.3f}")
        before = now


def main(arguments=None):
    """Live, tell, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rule", default="ant-hebbian", help="a ready-evolved rule")
    parser.add_argument("--env", default="AntUndamaged-v0", help="a body that it can live in")
    parser.add_argument("--seed", type=int, default=0, help="of its birth and of the environment")
    parser.add_argument("--picture", default="lifetime.png")
    parser.add_argument("--film", help="film the same lifetime, too: a file that ends in .mp4 or .gif")
    options = parser.parse_args(arguments)

    policy = hg.load_pretrained(options.rule)
    network = hg.PlasticNetwork(policy.architecture, policy.genome)
    seeds = lifetime_seeds(options.seed)[0]  # of the environment and of the birth
    shown = (BIRTH, 9, 79, 999)  # after 10, 80 and 1000 steps
    with gym.make(options.env) as env:
        keep = {*shown, *range(EVERY - 1, env.spec.max_episode_steps, EVERY)}
        life = record_lifetime(env, network, *seeds, weights_at=keep)
    print(f"{options.rule} in {options.env}, born from seed {options.seed}:")
    moments(life)
    print(f"{life.episode.steps} steps, score {life.episode.score:.0f}")

    pictured = replace(life, weights={step: life.weights[step] for step in shown if step in life.weights})
    lifetime_figure(pictured, f"{options.rule} in {options.env}").savefig(options.picture, dpi=120)
    print(f"picture: {options.picture}")
    if options.film:
        film(options.env, network, options.film, *seeds)
        print(f"film: {options.film}")


if __name__ == "__main__":
    main()
