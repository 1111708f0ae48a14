"""The ready-evolved driver on a random track, from pixels: ``python examples/car.py [--film car.mp4]``.

The weights behind its evolved convolutions are random when the car starts; what it sees and does shapes them. The
picture has a row for each of four moments: the track, the 84 x 84 pixels that the network sees, the weights of its
three layers (blue negative, red positive), and below them how the score has grown. Every tile of the track counts, and
every step costs 0.1: a whole track in 1000 steps is a score of 900. Another ``--seed`` is another track and another
birth; some go wrong.
"""

import argparse

import gymnasium as gym
import imageio.v3 as imageio
import numpy as np

import hebbian_gym as hg
from hebbian_gym.analysis.lifetime import record_lifetime
from hebbian_gym.analysis.video import compose, film
from hebbian_gym.task import lifetime_seeds

RULE, ENV = "car-hebbian", "CarRacingPreprocessed-v0"
EVERY, ROWS = 50, 4


def main(arguments=None):
    """Drive, tell, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="of the track and of the driver's birth")
    parser.add_argument("--picture", default="car.png")
    parser.add_argument("--film", help="film the same drive, too: a file that ends in .mp4 or .gif")
    options = parser.parse_args(arguments)

    policy = hg.load_pretrained(RULE)
    architecture = policy.architecture
    network = hg.PlasticNetwork(architecture, policy.genome)
    seeds = lifetime_seeds(options.seed)[0]  # of the track and of the birth
    print(
        f"{RULE}: {architecture.genome_size:,} genes, {architecture.encoder_genes:,} of them the encoder's; it sees "
        f"{' x '.join(map(str, architecture.observation_shape))} numbers, and is born from seed {options.seed}"
    )
    with gym.make(ENV, render_mode="rgb_array") as env:
        life = record_lifetime(env, network, *seeds, frame_every=EVERY, draw=compose)

    score = np.cumsum(life.rewards)
    for step in range(EVERY, len(score) + 1, EVERY):
        print(f"step {step:4d}: score {score[step - 1]:6.1f}")
    print(f"{life.episode.steps} steps, score {life.episode.score:.1f}")

    rows = np.linspace(0, len(life.frames) - 1, ROWS).astype(int)
    imageio.imwrite(options.picture, np.concatenate([life.frames[row] for row in rows]))
    print(f"picture: {options.picture}, after {', '.join(str(EVERY * row + 1) for row in rows)} steps")
    if options.film:
        film(ENV, network, options.film, *seeds)
        print(f"film: {options.film}")


if __name__ == "__main__":
    main()
