"""The command line."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from gymnasium.error import Error as GymnasiumError
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from gymnasium.envs.registration import EnvSpec

    from .evaluation import Evaluation
    from .presets import Preset

METRES = 0.0165  # per unit of progress: the ant's time step, s
CORES = os.cpu_count() or 1
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


@app.command()
def envs(json_file: Json = None) -> None:
    """List the environments."""
    import gymnasium as gym

    from .registration import ENVIRONMENTS

    table = Table("ID", "arguments", "steps", title="environments", title_justify="left")
    for id_ in ENVIRONMENTS:
        spec = gym.spec(id_)
        table.add_row(id_, json.dumps(spec.kwargs), str(spec.max_episode_steps))
    console.print(table)
    console.print('make one with  gymnasium.make("hebbian_gym:AntUndamaged-v0")', highlight=False, markup=False)
    if json_file:
        _write_json(json_file, [json.loads(gym.spec(id_).to_json()) for id_ in ENVIRONMENTS])


@app.command()
def train(
    preset: Annotated[
        str | None, typer.Option(help="Settings to begin with; `hebbian-gym presets` lists them. Default: ant-hebbian.")
    ] = None,
    generations: Annotated[int | None, typer.Option(help="In all, those before a resume included.", min=1)] = None,
    run_dir: Annotated[Path | None, typer.Option(help="Folder for checkpoints, logs, the best policy.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this folder.")] = None,
    env: Annotated[list[str] | None, typer.Option(help="Evolve on these instead; repeat for several.")] = None,
    start: Annotated[
        str | None, typer.Option(help="Begin with this policy's genome: a file, or the name of a ready-evolved one.")
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="Evolve by this one instead; `hebbian-gym optimizers` lists them.")
    ] = None,
    optimizer_kwargs: Annotated[
        str | None, typer.Option(help="Its options, as JSON, such as '{\"sigma\": 0.05}'.")
    ] = None,
    population: Annotated[int | None, typer.Option(help="Candidates of a generation.")] = None,
    seed: Seed = 0,
    workers: Workers = CORES,
    ray_address: Annotated[
        str | None, typer.Option(help='Let the workers live on this Ray cluster; "auto" finds the one that runs here.')
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds after which a worker that is still at one candidate is replaced.")
    ] = 600.0,
    checkpoint_every: Annotated[int, typer.Option(help="Generations between checkpoints.", min=1)] = 5,
    held_out_every: Annotated[int, typer.Option(help="Generations between held-out evaluations.", min=1)] = 10,
    score: Annotated[
        int, typer.Option(help="At the end, score the best mean over so many lifetimes, without early stop.", min=0)
    ] = 100,
    tensorboard: Annotated[bool, typer.Option(help="Also write TensorBoard events into the folder.")] = False,
) -> None:
    """Evolve learning rules.

    Ctrl-C stops cleanly; --resume DIR goes on, bit for bit.
    """
    from .presets import Preset, get_preset

    if resume is not None:
        config = _read_config(resume)
        chosen, seed, run_dir = Preset(**config["preset"]), config["seed"], resume
    else:
        preset = preset or ("hebbian" if env else "ant-hebbian")
        chosen = get_preset(preset)
        chosen = dataclasses.replace(chosen, envs=tuple(env) if env else chosen.envs)
        chosen = chosen.evolved_by(optimizer, population, **_json_object("--optimizer-kwargs", optimizer_kwargs))
        run_dir = run_dir or Path("runs") / preset
    if generations is not None:
        chosen = dataclasses.replace(chosen, generations=generations)
    evaluator = {"workers": workers, "timeout": timeout, "ray_address": ray_address}
    _train(chosen, seed, run_dir, resume is not None, evaluator, checkpoint_every, held_out_every, start, tensorboard)
    if score and (run_dir / "policy.npz").exists():
        _score(str(run_dir / "policy.npz"), [_body(name, None, "", {}) for name in chosen.envs], score, 1, workers)


def _train(
    preset: Preset, seed: int, run_dir: Path, resume: bool, evaluator: dict[str, Any], checkpoint_every: int,
    held_out_every: int, start: str | None = None, tensorboard: bool = False,
) -> None:  # fmt: skip
    from .callbacks import Callback, TensorBoard
    from .checkpoint import held, load_policy
    from .evaluation import make_evaluator
    from .progress import TrainingProgress
    from .training import CHECKPOINT, train

    policy, optimizer, task = preset.make(seed, None if start is None else load_policy(_file(start))[1])
    with held(run_dir), make_evaluator(policy.architecture, **evaluator) as judge:
        if not resume and not (run_dir / CHECKPOINT).exists():
            _write_json(run_dir / CONFIG, {"preset": dataclasses.asdict(preset), "seed": seed, "start": start})
        callbacks: list[Callback] = [TensorBoard(run_dir / "tensorboard")] if tensorboard else []
        try:
            with TrainingProgress(console, preset.generations, len(optimizer.ask())) as progress:
                run = train(
                    policy, optimizer, task, preset.generations, evaluator=judge, run_dir=run_dir, resume=resume,
                    checkpoint_every=checkpoint_every, held_out_every=held_out_every,
                    callbacks=[*callbacks, progress], done=progress.candidate,
                )  # fmt: skip
        except KeyboardInterrupt:
            cure = f"Go on with  hebbian-gym train --resume {run_dir}"
            cure = cure if optimizer.generation else "Nothing to resume yet."
            console.print(f"stopped after {optimizer.generation} generations; only the running one is lost. {cure}",
                          highlight=False)  # fmt: skip
            raise typer.Exit(130) from None
    held_out = f", {run.best[1]:.1f} on held-out births" if run.best else ""
    console.print(
        f"{optimizer.generation} generations; best mean genome{held_out}: {run_dir / 'policy.npz'}", highlight=False
    )


@app.command()
def optimizers() -> None:
    """List the optimisers that `train --optimizer` takes."""
    from .optimizers import get_optimizer, optimizer_names

    for name in optimizer_names():
        about = (get_optimizer(name).__doc__ or "").strip().partition("\n")[0]
        console.print(f"[bold]{name}[/bold]: {about}", highlight=False)


@app.command()
def presets() -> None:
    """List the settings that `train --preset` takes."""
    from .presets import PRESETS

    for name, preset in PRESETS.items():
        size = preset.optimizer["population_size"]
        console.print(f"[bold]{name}[/bold]: {preset.about}", highlight=False)
        console.print(
            f"    {', '.join(preset.envs) or '--env'}; {preset.generations} generations of {size}", highlight=False
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
    from .checkpoint import load_policy

    _, _, meta = load_policy(_file(policy))
    names: list[str | None] = [*env] if env else [None]
    bodies = [_body(name, env_kwargs, policy, meta) for name in names]
    results = _score(policy, bodies, episodes, seed, workers)
    if json_file:
        data = {
            name: {key: getattr(result, key).tolist() for key in ("score", "distance", "steps")}
            for name, result in results.items()
        }
        _write_json(json_file, {"policy": policy, "seed": seed, "episodes": episodes, "results": data})


def _score(policy: str, bodies: list[EnvSpec], episodes: int, seed: int, workers: int) -> dict[str, Evaluation]:
    """Let a policy live on each of these, and print a table."""
    import numpy as np

    from .checkpoint import load_policy
    from .evaluation import evaluate
    from .presets import Seed as Evolved
    from .progress import Counter

    architecture, genome, _ = load_policy(_file(policy))
    results = {}
    what = f"{episodes} lifetimes on each of {len(bodies)}"
    with Counter(console, what, episodes * len(bodies), "lifetimes") as count:
        for body in bodies:
            results[body.id] = evaluate(Evolved(architecture, genome), body, episodes, seed, workers, done=count)
    table = Table(title=f"{policy}: mean +- sd over {episodes} lifetimes", title_justify="left")
    for name in ("environment", "score", "distance (progress)", "distance (m)", "steps"):
        table.add_column(name, overflow="fold")
    for name, result in results.items():
        distances = result.distance, result.distance * METRES
        known = [
            _spread(d, digits) if np.isfinite(d).all() else "-" for d, digits in zip(distances, (0, 1), strict=True)
        ]
        table.add_row(name, _spread(result.score), *known, f"{result.steps.mean():.0f}")
    console.print(table)
    return results


def _spread(values: Any, digits: int = 0) -> str:
    return f"{values.mean():.{digits}f} +- {values.std():.{digits}f}"


@app.command()
def record(
    policy: Policy,
    env: Annotated[str | None, typer.Option(help="Body; default the policy's own.")] = None,
    env_kwargs: EnvKwargs = None,
    out: Annotated[Path, typer.Option(help="Film to write, .mp4 or .gif.")] = Path("lifetime.mp4"),
    seed: Seed = 1,
) -> None:
    """Film one lifetime, the weights of every layer beside it."""
    from .analysis.video import film
    from .checkpoint import load_policy
    from .network import PlasticNetwork
    from .progress import Counter

    architecture, genome, meta = load_policy(_file(policy))
    body = _body(env, env_kwargs, policy, meta)
    with Counter(console, f"filming {out}", body.max_episode_steps, "steps") as count:
        life = film(body, PlasticNetwork(architecture, genome), out, seed, seed, count)
    assert life.episode is not None
    console.print(f"{out}: {life.episode.steps} steps, score {life.episode.score:.1f}", highlight=False)


@app.command()
def reproduce(
    name: Annotated[str | None, typer.Argument(help="Which experiment; without a name they are listed.")] = None,
    budget: Annotated[str, typer.Option(help="quick: minutes; full: what the documents report.")] = "quick",
    out: Annotated[Path, typer.Option(help="Folder for the picture and its data.")] = Path("runs/reproduce"),
    seed: Seed = 0,
    workers: Workers = CORES,
) -> None:
    """Run an experiment: a picture, the data behind it, and what it came to."""
    from .experiments import EXPERIMENTS, Settings, reproduce
    from .progress import Fraction

    if name is None:
        for each, experiment in EXPERIMENTS.items():
            console.print(f"[bold]{each}[/bold]: {experiment.about}", highlight=False)
        return
    with Fraction(console, name) as progress:
        outcome = reproduce(name, out, Settings(budget, workers, seed, progress))
    if budget == "quick":
        console.print("budget quick: fewer seeds and generations than the documents report")
    for sentence in outcome.summary:
        console.print(sentence, highlight=False)
    console.print(f"{out / name}.png, {out / name}.json", highlight=False)


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Which lines; all by default.")] = None,
    repetitions: Annotated[int, typer.Option(help="Interleaved repetitions of each measurement.", min=1)] = 5,
    json_file: Json = None,
) -> None:
    """Measure our speed against a peer's, side by side."""
    from . import bench

    measurements = bench.run(names, repetitions, progress=lambda name: console.print(f"measuring {name} ..."))
    console.print(bench.as_table(measurements))
    if json_file:
        _write_json(json_file, [measurement.to_json() for measurement in measurements])


@app.command()
def demo(
    run_dir: Annotated[Path, typer.Option(help="Folder for the run, the table and the pictures.")] = Path("runs/demo"),
    workers: Workers = CORES,
) -> None:
    """The main job in a few minutes: evolve, then walk on a body never seen.

    Evolves learning rules on the whole ant and on the one with a short right front leg, then lets the result live on
    those and on the ant with a short left front leg, next to a rule that has not evolved.
    """
    from . import demo

    if (run_dir / "checkpoint.npz").exists():
        raise FileExistsError(f"{run_dir} already holds a run: remove it, or choose another folder with --run-dir")
    _train(demo.PRESET, demo.SEED, run_dir, False, {"workers": workers}, 5, demo.HELD_OUT_EVERY)
    demo.show(console, run_dir, workers)


def _file(policy: str) -> Path:
    """The file of a policy that is given by its path or, if there is no such file, by its name."""
    from .pretrained import pretrained_path

    is_path = Path(policy).exists() or Path(policy).suffix
    return Path(policy) if is_path else pretrained_path(policy)


def _body(env: str | None, kwargs: str | None, policy: str, meta: dict[str, Any]) -> EnvSpec:
    """The environment of that name, or the policy's own, with these arguments."""
    import copy

    import gymnasium as gym
    from gymnasium.envs.registration import EnvSpec

    if env is None and not meta["env"]:
        raise ValueError(f"{policy} does not say which environment it is for: name one with --env")
    spec = copy.deepcopy(EnvSpec.from_json(meta["env"]) if env is None else gym.spec(env))
    spec.kwargs = {**spec.kwargs, **_json_object("--env-kwargs", kwargs)}
    return spec


def _json_object(option: str, text: str | None) -> dict[str, Any]:
    """What the user wrote as JSON."""
    try:
        return dict(json.loads(text or "{}"))
    except (TypeError, ValueError) as error:
        raise ValueError(f'{option} must be a JSON object, such as {{"early_stop": true}}, not {text}') from error


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no run that can be resumed (there is no {path})")
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config


def _write_json(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; errors that a user can cure are one sentence, not a traceback."""
    signal.signal(signal.SIGTERM, _interrupt)  # stop as cleanly as on Ctrl-C
    try:
        app()
    except (ValueError, OSError, ImportError, RuntimeError, GymnasiumError) as error:
        Console(stderr=True).print(f"hebbian-gym: {error}", style="red", highlight=False, markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
