"""Commands that take a policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import __version__
from ..plain import write_json
from ..pretrained import find_policy
from .common import (
    CORES,
    EnvKwargs,
    Json,
    Policy,
    Seed,
    Workers,
    app,
    console,
    find_body,
    score_policy,
)


@app.command()
def evaluate(
    policy: Policy,
    env: Annotated[
        list[str] | None, typer.Option(help="Bodies; repeat for several. Default: the policy's own.")
    ] = None,
    env_kwargs: EnvKwargs = None,
    episodes: Annotated[int, typer.Option(help="Lifetimes on each.", min=1)] = 100,
    seed: Seed = 1,
    workers: Workers = CORES,
    json_file: Json = None,
) -> None:
    """Let a policy live many lifetimes and report its scores.

    Births and resets are ones that evolution never uses, and there is no early stop.
    """
    from ..checkpoint import as_saved, load_policy

    _, _, meta = load_policy(find_policy(policy))
    names: list[str | None] = [*env] if env else [None]
    bodies = [find_body(name, env_kwargs, policy, meta) for name in names]
    results = score_policy(policy, bodies, episodes, seed, workers)
    if json_file:
        data = {
            name: {key: getattr(result, key).tolist() for key in ("score", "distance", "steps")}
            for name, result in results.items()
        }
        about = {"hebbian_gym": __version__, "policy": policy, "seed": seed, "episodes": episodes}
        kwargs = {body.id: as_saved(body.kwargs) for body in bodies}
        write_json(json_file, {**about, "env_kwargs": kwargs, "results": data})


@app.command()
def record(
    policy: Policy,
    env: Annotated[str | None, typer.Option(help="Body; default the policy's own.")] = None,
    env_kwargs: EnvKwargs = None,
    out: Annotated[Path, typer.Option(help="Film to write, .mp4 or .gif.")] = Path("lifetime.mp4"),
    seed: Seed = 1,
) -> None:
    """Film one lifetime, the first that `evaluate` has with this seed; beside it the weights of every layer."""
    from ..analysis.video import film
    from ..checkpoint import load_policy
    from ..network import PlasticNetwork
    from ..progress import Counter
    from ..task import lifetime_seeds

    architecture, genome, meta = load_policy(find_policy(policy))
    body = find_body(env, env_kwargs, policy, meta)
    with Counter(console, f"filming {out}", body.max_episode_steps, "steps") as count:
        life = film(body, PlasticNetwork(architecture, genome), out, *lifetime_seeds(seed)[0], count)
    assert life.episode is not None
    console.print(f"{out}: {life.episode.steps} steps, score {life.episode.score:.1f}", highlight=False)
