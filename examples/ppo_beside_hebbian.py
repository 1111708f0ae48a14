"""PPO beside an evolved rule, on the same ants: ``python examples/ppo_beside_hebbian.py --timesteps 2000000``.

PPO is trained on the whole ant and on the one with a short right front leg, half of its environments each, with the
settings that RL Zoo tuned for this ant; the rule evolved on the same two. Both are then judged by Stable-Baselines3's
``evaluate_policy``: by distance, from the same resets, on those bodies and on one that neither has seen. The default
of 20,000 timesteps takes half a minute and teaches PPO next to nothing; RL Zoo's number is 2,000,000.
"""

import argparse

from rich.console import Console

from hebbian_gym.baselines import BASELINES, BaselineProgress, train_baseline
from hebbian_gym.comparison import Contender, compare, comparison_table, load_contender
from hebbian_gym.progress import Counter


def main(arguments=None):
    """Train, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--timesteps", type=int, default=20_000, help="of PPO, in all environments together")
    parser.add_argument("--episodes", type=int, default=10, help="on each body")
    parser.add_argument("--seed", type=int, default=0, help="of PPO's training")
    parser.add_argument("--run-dir", help="keep PPO's model, its statistics and its log here")
    options = parser.parse_args(arguments)
    console, recipe = Console(), BASELINES["ant-ppo"]

    with BaselineProgress(console, "PPO") as progress:
        ppo = train_baseline(
            "ant-ppo", options.timesteps, seed=options.seed, run_dir=options.run_dir, held_out_episodes=0,
            progress=progress,
        )  # fmt: skip

    # Anything with Stable-Baselines3's predict() can be a contender: a model of your own, too.
    rule = load_contender("ant-hebbian", name="ant-hebbian")
    contenders = [Contender("PPO", ppo, ppo.about["env_steps"], ppo.about["wall_seconds"]), rule]
    lives = len(contenders) * (len(recipe.envs) + len(recipe.unseen)) * options.episodes
    with Counter(console, f"{lives} episodes", lives, "episodes") as count:
        result = compare(contenders, recipe.envs, recipe.unseen, options.episodes, done=count)
    console.print(comparison_table(result))


if __name__ == "__main__":
    main()
