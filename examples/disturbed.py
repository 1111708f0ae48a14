"""A walking ant, disturbed in mid-life: ``python examples/disturbed.py [--rule ant-hebbian] [--lifetimes 5]``.

At step 400 of 1000 its learning stops, or it loses a third of its synapses' weights, or one of its legs goes limp; or
for a hundred steps all its motors are held at full power. Each is one line, which works on any agent with ``reset`` and
``act`` or, for the leg, on any environment. The table tells the mean speed before and after, the picture its course:
the mean over some lifetimes, each from the same reset and birth in all conditions.
"""

import argparse

import gymnasium as gym
import numpy as np
from matplotlib.figure import Figure

import hebbian_gym as hg
from hebbian_gym.analysis.perturb import ANT_LEGS, DisableActuators, freeze, lesion, saturate
from hebbian_gym.task import lifetime_seeds

ENV, STEPS, AT, WINDOW = "AntUndamaged-v0", 1000, 400, 50  # steps


def same(agent):
    """The agent, or the environment, as it is."""
    return agent


CONDITIONS = {  # what becomes of the agent, and of its environment
    "undisturbed": (same, same),
    "learning stops": (lambda agent: freeze(agent, after=AT), same),
    "a third of the weights lost": (lambda agent: lesion(agent, at=AT, fraction=1 / 3), same),
    "motors at full power for 100 steps": (lambda agent: saturate(agent, AT, AT + 100), same),
    "left front leg limp": (same, lambda env: DisableActuators(env, ANT_LEGS["left_front"], at=AT)),
}


def speeds(env, agent, seeds):
    """The mean speed at each step (m/s), shape (STEPS,); whoever has fallen stands still."""
    total = np.zeros(STEPS)

    def add(step, observation, action, reward, info):
        total[step] += reward

    for reset, birth in seeds:
        hg.run_episode(env, agent, reset, birth, add)
    return total / len(seeds)


def draw(curves, path):
    """The courses of all conditions."""
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    ax = figure.subplots()
    for name, curve in curves.items():
        smooth = np.convolve(curve, np.full(WINDOW, 1 / WINDOW), mode="valid")
        ax.plot(np.arange(WINDOW, STEPS + 1), smooth, label=name, linewidth=2.5 if name == "undisturbed" else 1.2)
    ax.axvline(AT, color="black", linewidth=0.8, linestyle=":", label=f"step {AT}: the disturbance")
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.set(xlabel="step of a life", ylabel=f"speed (m/s), mean of {WINDOW} steps")
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    figure.savefig(path, dpi=150)


def main(arguments=None):
    """Live, tell, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rule", default="ant-hebbian", help="a ready-evolved rule")
    parser.add_argument("--lifetimes", type=int, default=5, help="in each condition")
    parser.add_argument("--seed", type=int, default=0, help="of resets and births")
    parser.add_argument("--picture", default="disturbed.png")
    options = parser.parse_args(arguments)

    policy = hg.load_pretrained(options.rule)
    network = hg.PlasticNetwork(policy.architecture, policy.genome)
    seeds, curves = lifetime_seeds(options.seed, options.lifetimes), {}
    print(f"{options.rule}, {options.lifetimes} lifetimes in each condition: speed in m/s")
    print(f"{'':36} {f'steps {AT - 200}-{AT}':>14} {f'steps {STEPS - 200}-{STEPS}':>14}")
    for name, (of_agent, of_env) in CONDITIONS.items():
        with of_env(gym.make(ENV)) as env:
            curves[name] = speeds(env, of_agent(network), seeds)
        print(f"{name:36} {curves[name][AT - 200 : AT].mean():14.2f} {curves[name][-200:].mean():14.2f}")
    draw(curves, options.picture)
    print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
