"""What all commands share: the app, its options, files and tables."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ..machine import usable_cores
from ..pretrained import find_policy

if TYPE_CHECKING:
    from gymnasium.envs.registration import EnvSpec

    from ..evaluator import Evaluation

CORES = usable_cores()
CONFIG = "config.json"

app = typer.Typer(
    help="Networks that are born random and learn to act within one lifetime, by rules that evolution found.",
    no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False,
)  # fmt: skip
console = Console()

Policy = Annotated[
    str,
    typer.Argument(help="A policy's file, such as runs/ant-hebbian/policy.npz, or the name of a ready-evolved one."),
]
Workers = Annotated[int, typer.Option(help="Worker processes.", min=1)]
Json = Annotated[Path | None, typer.Option("--json", help="Write the figures to this file, for scripts.")]
EnvKwargs = Annotated[
    str | None,
    typer.Option(help='Arguments of the environments, as JSON, such as \'{"damage": {"left_back": 0.5}}\'.'),
]
Seed = Annotated[int, typer.Option(help="All randomness derives from it.", min=0)]


def score_policy(policy: str, bodies: list[EnvSpec], episodes: int, seed: int, workers: int) -> dict[str, Evaluation]:
    """Let a policy live on each of these, and print a table."""
    import numpy as np

    from ..checkpoint import load_policy
    from ..evaluation import Individual, evaluate
    from ..progress import Counter
    from ..registration import metres_per_progress

    architecture, genome, _ = load_policy(find_policy(policy))
    results = {}
    what = f"{episodes} lifetimes on each of {len(bodies)}"
    with Counter(console, what, episodes * len(bodies), "lifetimes") as count:
        for body in bodies:
            results[body.id] = evaluate(Individual(architecture, genome), body, episodes, seed, workers, done=count)
    table = Table(title=f"{policy}: mean +- sd over {episodes} lifetimes", title_justify="left")
    for name in ("environment", "score", "distance (progress)", "distance (m)", "steps"):
        table.add_column(name, overflow="fold")
    for body in bodies:
        result = results[body.id]
        lived = np.isfinite(result.fitness)
        distance = result.distance[lived]
        metres = metres_per_progress(body) * distance
        told = (_spread(result.score[lived]), _spread(distance), _spread(metres, 1))
        table.add_row(body.id, *told, f"{result.steps[lived].mean():.0f}")
    console.print(table)
    for name, result in results.items():
        if result.errors:
            console.print(f"{name}: {result.losses.replace('candidates', 'lifetimes')}", style="red", highlight=False)
    return results


def _spread(values: Any, digits: int = 0) -> str:
    """Mean and standard deviation, to so many decimals or more where the mean is small; "-" if they are not known."""
    size = abs(values.mean())
    if not size < math.inf:
        return "-"
    digits = max(digits, 3 if size < 1 else 2 if size < 10 else 0)
    return f"{values.mean():.{digits}f} +- {values.std():.{digits}f}"


def find_body(env: str | None, kwargs: str | None, policy: str, meta: dict[str, Any]) -> EnvSpec:
    """The environment of that name, or the policy's own, with these arguments."""
    import copy

    from gymnasium.envs.registration import EnvSpec

    from ..registration import find_spec

    if env is None and not meta["env"]:
        raise ValueError(f"{policy} does not say which environment it is for: name one with --env")
    spec = copy.deepcopy(EnvSpec.from_json(meta["env"]) if env is None else find_spec(env))
    spec.kwargs = {**spec.kwargs, **json_object("--env-kwargs", kwargs)}
    return spec


def json_object(option: str, text: str | None) -> dict[str, Any]:
    """What the user wrote as JSON."""
    try:
        return dict(json.loads(text or "{}"))
    except (TypeError, ValueError) as error:
        raise ValueError(f'{option} must be a JSON object, such as {{"early_stop": true}}, not {text}') from error


def read_config(folder: Path) -> dict[str, Any]:
    """The settings that a run began with."""
    path = folder / CONFIG
    if not path.is_file() and (folder / "checkpoint.npz").is_file():
        raise FileNotFoundError(
            f"{folder} holds a run of a script (there is no {path}): go on there, train(resume=True)"
        )
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no run that can be resumed (there is no {path})")
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config
