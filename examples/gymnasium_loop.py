"""A plastic policy in Gymnasium's own loops: ``python examples/gymnasium_loop.py``.

Three ways. One ant in the loop that everyone knows. Then several at once in a vector environment, a batch of torch
networks, one lifetime each; the first has the birth and the reset of the one before, and still walks another way, since
torch rounds otherwise and the ant's actions are nearly all or nothing. Then a vector environment that resets each ant
by itself when its own life is over (evolution's early stop ends idle ones), each time with another damage: a newborn
has to take over just there, which ``predict`` sees to, told by ``episode_start``, and ``act`` does not.
"""

import argparse

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

import hebbian_gym as hg

DAMAGED = "AntDamagedRandom-v0"


def one(policy, env_id, seed=0):
    """The score of one lifetime."""
    with gym.make(env_id) as env:
        observation, _ = env.reset(seed=seed)
        policy.reset(seed)  # a newborn; never in the middle of an episode
        score, over = 0.0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(policy.act(observation))  # acts, then learns
            score += reward
            over = terminated or truncated
    return score


def several(policy, env_id, n, seed=0):
    """Scores of n lifetimes at once, shape (n,). Each counts until its first end; whatever comes later does not."""
    envs = gym.make_vec(env_id, num_envs=n, vectorization_mode="sync")
    observations, _ = envs.reset(seed=seed)
    policy.reset(seed)  # the first act sees n observations, and n are born
    scores, alive = np.zeros(n), np.ones(n, bool)
    while alive.any():
        observations, rewards, terminated, truncated, _ = envs.step(policy.act(observations))
        scores += np.where(alive, rewards, 0.0)
        alive &= ~(terminated | truncated)
    envs.close()
    policy.reset(seed)
    return scores


def on_and_on(policy, env_id, n, steps, seed=0, **options):
    """Lives that ended within so many steps: (step, number of the environment, score) of each."""
    # SAME_STEP: what step() returns with an end is the next episode's first observation, which a newborn has to see.
    # (By Gymnasium's default, NEXT_STEP, it is the old episode's last, and one step more whose action is ignored
    # returns the first: episode_start is then the ends of the step before, and that step counts for nobody.)
    vector = {"autoreset_mode": AutoresetMode.SAME_STEP}
    envs = gym.make_vec(env_id, num_envs=n, vectorization_mode="sync", vector_kwargs=vector, **options)
    observations, _ = envs.reset(seed=seed)
    policy.reset(seed)
    state, starts = None, np.ones(n, bool)  # the weights are the state, which the caller holds
    scores, ended = np.zeros(n), []
    for step in range(1, steps + 1):
        actions, state = policy.predict(observations, state, episode_start=starts)
        observations, rewards, terminated, truncated, _ = envs.step(actions)
        scores += rewards
        starts = terminated | truncated
        ended += [(step, number, float(scores[number])) for number in np.flatnonzero(starts).tolist()]
        scores[starts] = 0.0
    envs.close()
    return ended


def main(arguments=None):
    """All three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="AntUndamaged-v0", help="an ant")
    parser.add_argument("--envs", type=int, default=4, help="at once")
    parser.add_argument("--steps", type=int, default=1500, help="of the vector environment that resets itself")
    options = parser.parse_args(arguments)
    policy = hg.load_pretrained("ant-hebbian")

    print(f"one lifetime in {options.env}: score {one(policy, options.env):.0f}")
    scores = several(policy, options.env, options.envs)
    print(f"{options.envs} at once: scores {', '.join(f'{score:.0f}' for score in scores)}")
    print(f"{options.envs} at once in {DAMAGED} for {options.steps} steps, a newborn after each end:")
    for step, number, score in on_and_on(policy, DAMAGED, options.envs, options.steps, early_stop=True):
        print(f"    step {step:4d}: ant {number} ends with score {score:.0f}")


if __name__ == "__main__":
    main()
