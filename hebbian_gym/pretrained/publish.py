"""Make a ready-evolved policy of a run: the file, and a card with how it came about and what it scores.

python -m hebbian_gym.pretrained.publish runs/car-hebbian car-hebbian
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..checkpoint import load_policy, save_policy
from ..evaluation import Individual, evaluate
from ..logs import read_rows
from ..machine import machine
from ..presets import ANT_BODIES, CAR, RANDOM_ANT
from ..registration import metres_per_progress
from . import FOLDER

EPISODES, SEED = 100, 1


@dataclass(frozen=True)
class Trial:
    """What a policy is scored on.

    Attributes:
        what: in words.
        env: ID.
        part_of: ID of an environment that draws such bodies among others.
    """

    what: str
    env: str
    part_of: str | None = None


ANT_TRIALS = (
    Trial("undamaged", "AntUndamaged-v0", part_of=RANDOM_ANT),
    Trial("right front leg short", "AntDamagedRightFront-v0", part_of=RANDOM_ANT),
    Trial("left front leg short", "AntDamagedLeftFront-v0", part_of=RANDOM_ANT),
    Trial("left back leg short", "AntDamagedLeftBack-v0", part_of=RANDOM_ANT),
    Trial("right back leg short", "AntDamagedRightBack-v0", part_of=RANDOM_ANT),
    Trial("a random leg, a random fraction of it left", RANDOM_ANT),
)
CAR_TRIALS = (Trial("random tracks, CarRacing-v3's rules", CAR),)
TRIALS = {**dict.fromkeys((*ANT_BODIES, RANDOM_ANT), ANT_TRIALS), CAR: CAR_TRIALS}
"""By the environment that a run was on."""


def publish(run_dir: Path, name: str, workers: int, folder: Path = FOLDER) -> dict[str, Any]:
    """Score a run's best mean genome and write its file and its card.

    Args:
        run_dir: of a run made by ``hebbian-gym train``.
        name: of the ready-evolved policy.
        workers: processes.
        folder: where to.

    Returns:
        The card.

    Raises:
        ValueError: if it is not known on what to score a run on its environments.
    """
    config = json.loads((run_dir / "config.json").read_text(encoding="utf-8"))
    envs = config["preset"]["envs"]
    if envs[0] not in TRIALS:
        raise ValueError(f"it is not known on what to score a run on {envs[0]}: add it to TRIALS")
    architecture, genome, meta = load_policy(run_dir / "policy.npz")
    card = {
        "name": name,
        **_history(run_dir, meta["about"]["generation"]),
        "config": config,
        "hebbian_gym": __version__,
        "machine": machine(),
    }
    card["genes"], card["episodes"], card["seed"] = len(genome), EPISODES, SEED
    card["scores"] = []
    for trial in TRIALS[envs[0]]:
        scores = evaluate(Individual(architecture, genome), trial.env, EPISODES, SEED, workers).score
        seen = trial.env in envs or trial.part_of in envs
        told = {"what": trial.what, "env": trial.env, "seen": seen}
        card["scores"].append({**told, "mean": float(scores.mean()), "sd": float(scores.std())})
    save_policy(folder / f"{name}.npz", architecture, genome, meta["env"], **meta["about"])
    (folder / f"{name}.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (folder / f"{name}.md").write_text(as_markdown(card), encoding="utf-8")
    return card


def _history(run_dir: Path, generation: int) -> dict[str, Any]:
    """What the run's log tells of the genome of a generation, and of the whole run."""
    rows = read_rows(run_dir / "log.csv")
    before = [row for row in rows if int(row["generation"]) < generation]
    whole = {"generations": len(rows), "env_steps": int(rows[-1]["time/env_steps"]), "hours": _hours(rows)}
    every = max(1, len(rows) // 20)
    curve = [{"generation": int(row["generation"]) + 1, "fitness": float(row["fitness/mean"])} for row in rows[::every]]
    return {
        "generation": generation,
        "env_steps": int(before[-1]["time/env_steps"]),
        "hours": _hours(before),
        "run": whole,
        "curve": curve,
    }


def _hours(rows: list[dict[str, str]]) -> float:
    return round(sum(float(row["time/seconds"]) for row in rows) / 3600, 2)


def as_markdown(card: dict[str, Any]) -> str:
    """A card to be read."""
    config, run = card["config"], card["run"]
    preset, start, command = config["preset"], config.get("start"), config.get("command")
    begun = f", begun with the genome of {start}" if start else ""
    goes_on = f"`hebbian-gym train --resume RUN_DIR --generations {run['generations']}` takes it to its end"
    made = f"Begun by `{command}`; {goes_on}. " if command else ""
    metres = not any(math.isnan(metres_per_progress(score["env"])) for score in card["scores"])
    rows = [
        f"| {score['what']} ({'seen' if score['seen'] else 'unseen'}) | {round(score['mean'])} +- {score['sd']:.0f} |"
        f" {round(score['mean'] * metres_per_progress(score['env']), 1) + 0.0} m |"  # + 0: no minus before a zero
        if metres
        else f"| {score['what']} | {round(score['mean'])} +- {score['sd']:.0f} |"
        for score in card["scores"]
    ]
    head = ["| on | score | distance |", "|---|---|---|"] if metres else ["| on | score |", "|---|---|"]
    curve = ", ".join(f"{point['generation']}: {point['fitness']:.0f}" for point in card["curve"])
    settings = {key: preset[key] for key in ("architecture", "genome_scale", "task", "optimizer")}
    table = "\n".join([*head, *rows])
    return f"""# {card["name"]}

The mean genome ({card["genes"]:,} genes) of generation {card["generation"]}, the one that did best on held-out births,
of one run on {" and ".join(preset["envs"])}, seed {config["seed"]}{begun}:
{card["env_steps"]:,} env-steps, {card["hours"]:.1f} hours of wall time.
The whole run had {run["generations"]} generations, {run["env_steps"]:,} env-steps.

{table}

Mean and standard deviation over {card["episodes"]} lifetimes whose births and resets evolution never used
(seed {card["seed"]}), without early stop.

Population mean in evolution, with early stop, by generation: {curve}.

{made}Settings: `{json.dumps(settings)}`.

hebbian-gym {card["hebbian_gym"]}, {card["machine"]}.
"""


def main() -> None:
    """Publish a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("name")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    print(as_markdown(publish(arguments.run_dir, arguments.name, arguments.workers)))


if __name__ == "__main__":
    main()
