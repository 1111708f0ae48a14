"""Ready-evolved policies: they load, act, and their cards say what they are."""

import json
import math

import gymnasium as gym
import numpy as np
import pytest

import hebbian_gym as hg
from hebbian_gym.checkpoint import load_policy
from hebbian_gym.machine import machine
from hebbian_gym.optimizers import Copies
from hebbian_gym.pretrained import FOLDER, pretrained_names, pretrained_path
from hebbian_gym.pretrained.publish import as_markdown, publish
from hebbian_gym.task import HELD_OUT

NAMES = pretrained_names()


def card(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def test_there_is_a_walker_and_a_driver():
    assert {"ant-hebbian", "car-hebbian"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_ready_evolved_policy_acts_in_its_environment(name):
    policy = hg.load_pretrained(name)
    assert policy.genome.size == card(name)["genes"]
    assert policy.env_spec is not None
    with gym.make(policy.env_spec, disable_env_checker=True) as env:
        observation, _ = env.reset(seed=0)
        policy.reset(seed=0)
        assert env.action_space.contains(policy.act(observation))


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_complete_and_its_text_is_made_of_its_data(name):
    told = card(name)
    assert told["name"] == name
    assert told["episodes"] == 100
    assert told["generation"] > 0
    assert told["env_steps"] > told["generation"] * told["config"]["preset"]["optimizer"]["population_size"]
    assert told["run"]["generations"] >= told["generation"]
    assert told["run"]["env_steps"] >= told["env_steps"]
    assert told["run"]["hours"] >= told["hours"]
    assert told["scores"]
    assert all(math.isfinite(score["mean"]) and score["sd"] > 0 for score in told["scores"])
    assert (FOLDER / f"{name}.md").read_text(encoding="utf-8") == as_markdown(told)


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_lives_the_held_out_lives_of_its_evolution_again(name):
    """Their mean is in its file. Chaos brings it back to the bit only where all is as on its card, else about."""
    (architecture, genome, meta), told, lives = load_policy(pretrained_path(name)), card(name), 10
    preset = told["config"]["preset"]
    task = hg.Task(preset["envs"], seed=told["config"]["seed"], **{**preset["task"], "births": "candidate"})
    with hg.SerialEvaluator(architecture) as evaluator:
        fitness = evaluator.evaluate(Copies(genome, lives), task, stream=HELD_OUT).fitness
    error = 1e-9 if told["machine"] == machine() else 4 * fitness.std() / math.sqrt(lives)
    assert fitness.mean() == pytest.approx(meta["about"]["held_out"], abs=error)
    assert meta["about"]["generation"] == told["generation"]


@pytest.mark.parametrize("name", NAMES)
def test_three_of_the_cards_lives_score_about_what_it_promises(name):
    told = card(name)
    score = told["scores"][0]
    lives = hg.evaluate(hg.load_pretrained(name), score["env"], episodes=3, seed=told["seed"])
    assert abs(lives.score.mean() - score["mean"]) < 3 * score["sd"] / math.sqrt(3)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'nobody': choose from ant-hebbian, "):
        pretrained_path("nobody")


def test_publishing_scores_a_run_on_bodies_that_evolution_did_not_see(tmp_path, monkeypatch):
    monkeypatch.setattr("hebbian_gym.pretrained.publish.EPISODES", 1)
    run = tmp_path / "run"
    run.mkdir()
    walker = hg.HebbianPolicy.for_env("AntUndamaged-v0", hidden=(2,))
    walker.genome = np.zeros_like(walker.genome)
    walker.save(run / "policy.npz", generation=2, held_out=0.0)
    preset = {"envs": ["AntUndamaged-v0"], "architecture": {}, "genome_scale": 1.0, "task": {}, "optimizer": {}}
    (run / "config.json").write_text(json.dumps({"preset": preset, "seed": 3}))
    rows = ["generation,fitness/mean,time/env_steps,time/seconds", "0,1.0,10,1800", "1,2.0,20,1800", "2,9.0,99,3600"]
    (run / "log.csv").write_text("\n".join(rows) + "\n")
    told = publish(run, "walker", workers=1, folder=tmp_path)
    assert (told["generation"], told["env_steps"], told["hours"]) == (2, 20, 1.0)
    assert [point["fitness"] for point in told["curve"]] == [1.0, 2.0, 9.0]
    assert told["run"] == {"generations": 3, "env_steps": 99, "hours": 2.0}
    seen = {score["env"]: score["seen"] for score in told["scores"]}
    assert len(seen) == 6
    assert [env for env in seen if seen[env]] == ["AntUndamaged-v0"]
    assert hg.HebbianPolicy.load(tmp_path / "walker.npz").genome.size == walker.genome.size
    assert "seed 3" in (tmp_path / "walker.md").read_text()

    preset["envs"] = ["AntDamagedRandom-v0"]  # which draws all the others
    (run / "config.json").write_text(json.dumps({"preset": preset, "seed": 3, "start": "other", "command": "made so"}))
    assert all(score["seen"] for score in publish(run, "walker", workers=1, folder=tmp_path)["scores"])
    assert "begun with the genome of other" in (text := (tmp_path / "walker.md").read_text())
    assert "`made so`" in text
