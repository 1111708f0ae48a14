"""The demo, with next to no evolution: everything it promises is there."""

import dataclasses
import json

from typer.testing import CliRunner

from hebbian_gym import demo
from hebbian_gym.cli import app

PICTURES = {"training.png", "weights.png", "seen.mp4", "unseen.mp4"}


def test_the_demo_evolves_tells_and_draws(tmp_path, monkeypatch):
    tiny = dataclasses.replace(demo.PRESET, generations=2, optimizer={**demo.PRESET.optimizer, "population_size": 2})
    monkeypatch.setattr(demo, "PRESET", tiny)
    monkeypatch.setattr(demo, "LIFETIMES", 2)
    folder = tmp_path / "demo"
    shown = CliRunner().invoke(app, ["demo", "--run-dir", str(folder), "--workers", "1"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert "UNSEEN" in shown.output
    table = json.loads((folder / "table.json").read_text())
    assert {name: set(bodies) for name, bodies in table.items()} == {
        "evolved now": set(demo.BODIES),
        "un-evolved": set(demo.BODIES),
        "ant-hebbian": set(demo.BODIES),
    }
    assert all(len(distances) == 2 for bodies in table.values() for distances in bodies.values())
    assert {path.name for path in folder.iterdir()} >= PICTURES

    again = CliRunner().invoke(app, ["demo", "--run-dir", str(folder)])
    assert isinstance(again.exception, FileExistsError)
