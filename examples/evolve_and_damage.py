"""Evolve on two bodies, test on a third: ``python examples/evolve_and_damage.py``.

The rules evolve on the whole ant and on one with a short right front leg. Then lifetimes are lived on these and on the
ant with a short left front leg, which evolution never saw. The default is small, a minute or so: after it an
ant struggles forward a little at best, and on the unseen leg anything may be. Walking takes a hundred generations of
200 candidates or more: the ready-evolved rule is scored beside it. To go on with a run instead of starting anew:

    python examples/evolve_and_damage.py --population 200 --generations 50 --run-dir runs/two-bodies
    python examples/evolve_and_damage.py --population 200 --generations 100 --run-dir runs/two-bodies
"""

import argparse
from pathlib import Path

import hebbian_gym as hg

SEEN = ("AntUndamaged-v0", "AntDamagedRightFront-v0")
UNSEEN = ("AntDamagedLeftFront-v0",)


def progress(run):
    """Called after each generation."""
    fitness, best = run.metrics["fitness/mean"], run.metrics["fitness/max"]
    print(
        f"generation {run.optimizer.generation} of {run.generations}: population mean {fitness:.1f}, best {best:.1f}, "
        f"{run.env_steps:,} env-steps so far",
        flush=True,
    )


def distances(policy, options):
    """Mean distance on each body (progress units), in lifetimes that evolution never uses."""
    found = (hg.evaluate(policy, body, options.episodes) for body in (*SEEN, *UNSEEN))
    return [float(lives.distance.mean()) for lives in found]


def main(arguments=None):
    """Evolve, then live on all three bodies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generations", type=int, default=10, help="in all, those before a resume included")
    parser.add_argument("--population", type=int, default=40)
    parser.add_argument("--episodes", type=int, default=5, help="on each body, in the test")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--run-dir", help="keep the run here, and go on with the one that is there")
    options = parser.parse_args(arguments)

    policy = hg.HebbianPolicy.for_env(SEEN[0])
    policy.genome = 0.5 * policy.genome  # from U(-1, 1) to U(-0.5, 0.5), which climbs faster
    scores = {"random rule": distances(policy, options)}

    optimizer = hg.OpenAIES(policy.genome, options.population, sigma=0.1, learning_rate=0.1, shaping="zscore")
    task = hg.Task(SEEN, early_stop=True)
    there = options.run_dir is not None and (Path(options.run_dir) / "checkpoint.npz").exists()
    run = hg.train(
        policy, optimizer, task, options.generations, workers=options.workers, run_dir=options.run_dir, resume=there,
        callbacks=[progress],
    )  # fmt: skip

    scores[f"after {optimizer.generation} generations"] = distances(policy, options)
    scores["ready-evolved ant-hebbian"] = distances(hg.load_pretrained("ant-hebbian"), options)
    print(f"\nmean distance of {options.episodes} lifetimes, progress units; {run.env_steps:,} env-steps of evolution")
    print(f"{'':28}" + "".join(f"{body.removesuffix('-v0'):>24}" for body in (*SEEN, *UNSEEN)))
    print(f"{'':28}" + "".join(f"{what:>24}" for what in ["seen"] * len(SEEN) + ["unseen"] * len(UNSEEN)))
    for name, found in scores.items():
        print(f"{name:28}" + "".join(f"{distance:24.0f}" for distance in found))


if __name__ == "__main__":  # workers import this file, too
    main()
