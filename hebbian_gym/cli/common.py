"""What all commands share: the app, its options, files and tables."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from .. import __version__
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


def _tell_version(wanted: bool) -> None:
    if wanted:
        console.print(f"hebbian-gym {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _any_command(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None: ...


EXAMPLES = {  # of what options that are JSON take
    "--env-kwargs": '{"damage": {"left_back": 0.5}}',
    "--architecture": '{"rule": "ABC", "hidden": [8]}',
    "--optimizer-kwargs": '{"sigma": 0.05}',
}

Policy = Annotated[
    str,
    typer.Argument(help="A policy's file, such as runs/ant-hebbian/policy.npz, or the name of a ready-evolved one."),
]
Workers = Annotated[int, typer.Option(help="Worker processes.", min=1)]
Json = Annotated[Path | None, typer.Option("--json", help="Write the figures to this file, for scripts.")]
EnvKwargs = Annotated[
    str | None,
    typer.Option(help=f"Arguments of the environments, as JSON, such as '{EXAMPLES['--env-kwargs']}'."),
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
    lives = counted(episodes, "lifetime")
    what = lives if len(bodies) == 1 else f"{lives} on each of {len(bodies)} environments"
    with Counter(console, what, episodes * len(bodies), "lifetimes") as count:
        for body in bodies:
            results[body.id] = evaluate(Individual(architecture, genome), body, episodes, seed, workers, done=count)
    rows = [("environment", "score", "distance (progress)", "distance (m)", "steps")]
    for body in bodies:
        result = results[body.id]
        lived = np.isfinite(result.fitness)
        distance = result.distance[lived]
        metres = metres_per_progress(body) * distance
        told = (_spread(result.score[lived]), _spread(distance), _spread(metres, 1))
        rows.append((_label(body), *told, f"{result.steps[lived].mean():.0f}"))
    console.print(f"{policy}: mean +- sd over {lives}", highlight=False, markup=False)
    table = Table()
    known = [column for column in zip(*rows, strict=True) if set(column[1:]) != {"-"}]
    for name, *_ in known:
        table.add_column(name, overflow="fold")
    for row in zip(*(column[1:] for column in known), strict=True):
        table.add_row(*row)
    console.print(table)
    for name, result in results.items():
        if result.errors:
            console.print(f"{name}: {result.losses.replace('candidates', 'lifetimes')}", style="red", highlight=False)
    return results


def counted(number: int, what: str) -> str:
    """1 lifetime, 2 lifetimes."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _label(spec: EnvSpec) -> str:
    """Its ID, and the arguments that are not the registered ones."""
    from gymnasium.envs.registration import registry

    from ..checkpoint import as_saved

    registered = as_saved(registry[spec.id].kwargs) if spec.id in registry else {}
    others = {
        name: value
        for name, value in as_saved(spec.kwargs).items()
        if name not in registered or registered[name] != value
    }
    return f"{spec.id} {json.dumps(others)}" if others else spec.id


def _spread(values: Any, digits: int = 0) -> str:
    """Mean and standard deviation, to so many decimals or more where the mean is small; "-" if they are not known."""
    size = abs(values.mean())
    if not size < math.inf:
        return "-"
    digits = max(digits, 3 if size < 1 else 2 if size < 10 else 0)
    return f"{values.mean():.{digits}f} +- {values.std():.{digits}f}"


def find_body(env: str | None, kwargs: str | None, policy: str, meta: dict[str, Any]) -> EnvSpec:
    """The environment of that name, or the policy's own, with these arguments."""
    from gymnasium.envs.registration import EnvSpec

    from ..registration import find_spec

    if env is None and not meta["env"]:
        raise ValueError(f"{policy} does not say which environment it is for: name one with --env")
    spec = EnvSpec.from_json(meta["env"]) if env is None else find_spec(env)
    spec.kwargs = {**spec.kwargs, **json_object("--env-kwargs", kwargs)}
    return spec


def json_object(option: str, text: str | None) -> dict[str, Any]:
    """What the user wrote as JSON."""
    try:
        return dict(json.loads(text or "{}"))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{option} must be a JSON object, such as {EXAMPLES[option]}, not {text}") from error


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
