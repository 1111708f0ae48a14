"""The paper's figures on training: runs against training's own loop, cards, verdicts, wholes in miniature."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from helpers import assert_an_experiments_outcome

import hebbian_gym as hg
from hebbian_gym.architecture import random_genome
from hebbian_gym.evaluator import Job, SerialEvaluator
from hebbian_gym.experiments import EXPERIMENTS, Outcome, Settings, paper_shipped, paper_training
from hebbian_gym.experiments.paper_shipped import Births, distances, summarise_births, summarise_training
from hebbian_gym.experiments.paper_training import Budget, Completed, Evolution, evolve, judge_births, judge_versions
from hebbian_gym.optimizers.base import MirroredPopulation
from hebbian_gym.presets import PRESETS, Preset
from hebbian_gym.pretrained import FOLDER
from hebbian_gym.task import lifetime_seeds

ANT, CAR = "AntUndamaged-v0", "CarRacingPreprocessed-v0"
NAMES = ("fig7", "fig8", "fig9", "init")
TINY = Preset(
    "a pole", ("CartPole-v1",), 9, {"hidden": (3,)}, task={"births": "pair"}, optimizer={"population_size": 200}
)


# Runs


@pytest.mark.parametrize("at", [0, 2, 5])
def test_completed_candidates_are_the_others_with_the_fixed_genes_put_in(at: int) -> None:
    others = MirroredPopulation(np.zeros(5, np.float32), 1.0, (3,), 4)
    fixed = np.array([7, 8], np.float32)
    completed = Completed(others, fixed, at)
    assert len(completed) == 4
    for index in range(4):
        np.testing.assert_array_equal(completed[index], np.insert(others[index], at, fixed))
        assert completed[index].dtype == np.float32
        assert completed.pair(index) == index // 2


@pytest.mark.parametrize("changes", [{}, {"initial_weights": "evolved"}])
def test_a_run_is_that_of_train_with_the_preset(monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]) -> None:
    monkeypatch.setitem(PRESETS, "pole", TINY)
    policy = hg.HebbianPolicy.for_env("CartPole-v1", hidden=(3,), **changes)
    policy.genome = random_genome(policy.architecture, seed=4)
    fitness, steps = [], []

    def follow(run: Any) -> None:
        fitness.append(run.metrics["fitness/mean"])
        steps.append(run.env_steps)

    optimizer, task = hg.OpenAIES(policy.genome, 6, seed=4), hg.Task("CartPole-v1", seed=4)
    run = hg.train(policy, optimizer, task, 5, held_out_every=5, held_out_episodes=3, callbacks=[follow])
    found = evolve(Evolution("pole", Budget(1, 6, 5, None, 3), 4, changes))
    assert found["fitness"] == fitness
    assert found["env_steps"] == steps
    assert found["held_out"] == run.metrics["held_out/fitness"]
    assert found["seed"] == 4


def test_no_generation_begins_after_the_last_env_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "pole", TINY)
    unlimited = evolve(Evolution("pole", Budget(1, 4, 6, None, 1), 0))["env_steps"]
    for limit, generations in ((unlimited[2], 3), (unlimited[2] + 1, 4), (1, 1), (10**9, 6)):
        limited = evolve(Evolution("pole", Budget(1, 4, 6, limit, 1), 0))["env_steps"]
        assert limited == unlimited[:generations]


def test_fixed_kernels_are_the_same_for_all_versions_and_candidates_and_do_not_evolve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernels: list[np.ndarray] = []
    rest: dict[str, list[np.ndarray]] = {}

    class Blind(SerialEvaluator):
        """Sees genomes, not the environment."""

        def prepare(self, task: hg.Task) -> None:
            pass

        def candidate(self, job: Job, index: int) -> Any:
            genome = self._architecture.check_genome(job.population[index])
            kernels.append(np.concatenate([kernel.ravel() for kernel in self._architecture.kernels(genome)]))
            rest[version].append(genome)
            return [[hg.Episode(float(genome[0] + genome[-1]), np.nan, 1)]]

    monkeypatch.setattr(paper_training, "SerialEvaluator", Blind)
    for version in ("A", "AD", "fixed weights"):
        rest[version] = []
        preset, changes = paper_training.VERSIONS[version]
        evolve(Evolution(preset, Budget(1, 2, 2, None, 1), 3, changes, fixed_encoder=True))
    assert len(kernels) == 3 * (2 * 2 + 1)
    for each in kernels:
        np.testing.assert_array_equal(each, kernels[0])
    assert kernels[0].std() > 0.01
    for genomes in rest.values():
        assert (np.ptp(genomes, axis=0) > 0).sum() == genomes[0].size - kernels[0].size  # all others do


def test_a_run_can_be_sent_to_a_worker() -> None:
    preset, changes = paper_training.VERSIONS["AD"]
    job = Evolution(preset, paper_training.VERSION_BUDGETS["quick"], 0, changes, True)
    assert pickle.loads(pickle.dumps(job)) == job


def test_versions_have_the_coefficients_that_their_names_say() -> None:
    rules = {name: hg.RULES[changes["rule"]] for name, (_, changes) in paper_training.VERSIONS.items() if changes}
    assert {name: set(rule.coefficients) for name, rule in rules.items()} == {
        "A": {"A"}, "AD": set("AD"), "ABC": set("ABC"), "ABCD": set("ABCD"), "ABCD + eta": {*"ABCD", "eta"},
    }  # fmt: skip


# Verdicts


def some(held_out: float, end: float = 0.0) -> list[dict[str, Any]]:
    return [{"held_out": held_out, "fitness": [0.0] * 9 + [end] * 5}]


@pytest.mark.parametrize(
    ("a", "others", "quick", "said"),
    [
        (50, 850, True, r"mean genome\) holds here$"),
        (850, 850, False, "does not hold here: A solves it, too"),
        (850, 50, True, "does not hold here: A solves it, too"),
        (50, 50, True, "cannot be told at this budget, at which AD, fixed weights do not reach that either"),
        (50, 50, False, "does not hold here for AD, fixed weights"),
    ],
)
def test_the_verdict_on_versions(a: float, others: float, quick: bool, said: str) -> None:
    runs = {"A": some(a, 1), "AD": some(others, 3), "fixed weights": some(others, 2)}
    verdict, order = judge_versions(runs, quick)
    assert re.search(said, verdict)
    assert "AD, fixed weights, A; A is the last, and with one run each" in order


@pytest.mark.parametrize(
    ("drawn", "evolved", "said"),
    [
        ((5, 9), (10, 11), r"does not hold here: .* above all others \(by chance in 1 of 6 such"),
        ((5, 9), (1, 2), r"holds here: .* below all others \(by chance in 1 of 6"),
        ((5, 9), (1, 6), "holds here: the ends of the runs overlap"),
        ((5, 5), (5, 5), "holds here: the ends of the runs overlap"),
    ],
)
def test_the_verdict_on_births(drawn: tuple[float, ...], evolved: tuple[float, ...], said: str) -> None:
    runs = {"random": [some(0, end)[0] for end in drawn], "co-evolved": [some(0, end)[0] for end in evolved]}
    assert re.search(said, judge_births(runs, quick=False))
    assert judge_births(runs, quick=True) == judge_births(runs, quick=False) + ", as far as this budget can tell"


def a_rule(learns: bool, fitness: list[float], start: str | None = None) -> dict[str, Any]:
    generations = [1 + 5 * index for index in range(len(fitness))]
    about = {"envs": ["Pole-v0"], "env_steps": 1000, "population": 10, "seed": 0}
    return {**about, "learns": learns, "fitness": fitness, "generation": generations, "start": start}


@pytest.mark.parametrize(
    ("fixed", "said"),
    [
        (
            a_rule(False, [0, 30, 60]),
            r"\(30\) is passed by plastic in generation 11 and fixed in generation 6; .* holds",
        ),
        (
            a_rule(False, [40, 50, 60]),
            r"\(30\) is passed by plastic in generation 11 and fixed in generation 1; .* does not",
        ),
        (a_rule(False, [40, 50, 60], "another"), "is not seen: it takes one of each"),
        (a_rule(True, [0, 30, 60]), "is not seen: it takes one of each"),
    ],
)
def test_speeds_are_compared_at_half_of_what_the_best_of_both_reach(fixed: dict[str, Any], said: str) -> None:
    rules = {"plastic": a_rule(True, [0, 10, 40, 90]), "slower": a_rule(True, [0, 0, 0, 30]), "fixed": fixed}
    summary = summarise_training({"rules": rules, "lacking": ["bare"]})
    assert any(re.search(said, line) for line in summary), summary
    assert summary[-1].startswith("bare has no training curve on its card: publish its run anew")
    assert any("begun with the genome of another" in line for line in summary) == (fixed["start"] == "another")


# Cards


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rules that ship: one, for the ant, without a card."""
    shutil.copy(FOLDER / "ant-hebbian.npz", tmp_path)
    monkeypatch.setattr("hebbian_gym.pretrained.FOLDER", tmp_path)
    return tmp_path


def test_without_any_curve_the_cure_is_told(folder: Path) -> None:
    for card in (None, {}, {"curve": []}):
        if card is not None:
            (folder / "ant-hebbian.json").write_text(json.dumps(card))
        with pytest.raises(
            ValueError, match=r"no ready-evolved rule has a training curve .*hebbian_gym\.pretrained\.publish"
        ):
            EXPERIMENTS["fig7"].run(Settings())


def test_curves_are_those_of_the_cards_and_what_lacks_one_is_told(folder: Path) -> None:
    card = json.loads((FOLDER / "ant-hebbian.json").read_text())
    card["curve"] = [{"generation": 1, "fitness": -1.0}, {"generation": 4, "fitness": 7.0}]
    (folder / "ant-hebbian.json").write_text(json.dumps(card))
    shutil.copy(FOLDER / "car-hebbian.npz", folder)
    hg.StaticPolicy.for_env(ANT, hidden=(4,)).save(folder / "ant-static.npz")
    card["config"]["start"] = "ant-hebbian"
    (folder / "ant-static.json").write_text(json.dumps(card))
    outcome = EXPERIMENTS["fig7"].run(Settings())
    assert outcome.data["lacking"] == ["car-hebbian"]
    assert [rule["learns"] for rule in outcome.data["rules"].values()] == [True, False]
    (ax,) = outcome.figure.axes
    assert ax.get_title() == "AntUndamaged-v0 and\nAntDamagedRightFront-v0"
    drawn = {line.get_label(): line for line in ax.lines if not str(line.get_label()).startswith("_")}
    assert list(drawn) == ["ant-hebbian (plastic)", "ant-static (fixed, begun with ant-hebbian)"]
    for line in drawn.values():
        assert line.get_xydata().tolist() == [[1, -1], [4, 7]]
    assert "-1 in generation 1, 7 in generation 4" in " ".join(outcome.summary)


# Births


@pytest.mark.parametrize(
    ("distribution", "birth", "sd"),
    [
        (paper_shipped.OWN, {}, 0.1 / np.sqrt(3)),
        ("N(0, 0.1), if that is the sd", {"initial_weights": "normal", "initial_scale": 0.1}, 0.1),
        ("N(0, 0.1), if that is the variance", {"initial_weights": "normal", "initial_scale": 0.1**0.5}, 0.1**0.5),
        ("U(-1, 1)", {"initial_weights": "uniform", "initial_scale": 1.0}, 1 / np.sqrt(3)),
        ("all zero", {"initial_weights": "zeros"}, 0.0),
    ],
)
def test_lifetimes_are_those_of_networks_born_so(
    monkeypatch: pytest.MonkeyPatch, distribution: str, birth: dict[str, Any], sd: float
) -> None:
    monkeypatch.setattr(gym.spec(ANT), "max_episode_steps", 40)
    policy = hg.load_pretrained("ant-hebbian")
    network = hg.PlasticNetwork(replace(policy.architecture, **birth), policy.genome)
    network.reset(0)
    assert np.concatenate([layer.ravel() for layer in network.weights]).std() == pytest.approx(sd, rel=0.03)
    with gym.make(ANT) as env:
        expected = [hg.run_episode(env, network, *pair).score for pair in lifetime_seeds(7, 2)]
    assert distances(Births("ant-hebbian", distribution, ANT, 2, 7)) == pytest.approx(expected)


def test_comparable_is_no_more_than_one_standard_deviation_below() -> None:
    own = {"x": [8.0, 12.0], "y": [8.0, 12.0], "z": [8.0, 12.0]}  # 10 +- 2
    other = {"x": [8.0], "y": [7.9], "z": [99.0]}
    data = {"lives": 2, "births": {"r": "uniform"}, "rules": {"r": {paper_shipped.OWN: own, "other": other}}}
    assert summarise_births(data)[-1].endswith("the paper's (comparable) holds on 2 of 3 bodies")


def test_without_a_plastic_ant_the_cure_is_told(folder: Path) -> None:
    (folder / "ant-hebbian.npz").unlink()
    hg.StaticPolicy.for_env(ANT, hidden=(4,)).save(folder / "ant-static.npz")
    with pytest.raises(ValueError, match="no ready-evolved ant with plastic weights is installed: evolve one"):
        EXPERIMENTS["init"].run(Settings())


# Wholes


@pytest.fixture(scope="module")
def outcomes(progress: dict[str, list[float]]) -> dict[str, Outcome]:
    """All of them, tiny."""
    with pytest.MonkeyPatch.context() as patch:
        for body in (CAR, *paper_shipped.BODIES.values()):
            patch.setattr(gym.spec(body), "max_episode_steps", 50)
        patch.setitem(paper_training.VERSION_BUDGETS, "quick", Budget(1, 4, 2, None, 1))
        patch.setitem(paper_training.BIRTH_BUDGETS, "quick", Budget(2, 4, 2, None, 1))
        patch.setitem(paper_shipped.LIVES, "quick", 2)
        return {name: EXPERIMENTS[name].run(Settings(seed=1, progress=progress[name].append)) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_has_plain_data_a_picture_and_sentences(
    outcomes: dict[str, Outcome], progress: dict[str, list[float]], name: str, tmp_path: Path
) -> None:
    assert_an_experiments_outcome(outcomes[name], progress[name], tmp_path)
    axes = outcomes[name].figure.axes
    assert axes[0].get_ylabel()
    for ax in axes:
        assert ax.get_xlabel() or ax.get_title()
        assert len(ax.get_legend_handles_labels()[1]) > 0


def test_each_condition_has_its_runs_and_its_curve(outcomes: dict[str, Outcome]) -> None:
    for name, conditions, runs, most in (
        ("fig8", paper_training.VERSIONS, 1, 6 * 3 * 300 * 200 * 50),
        ("fig9", paper_training.BIRTHS, 2, 2 * 3 * 300 * 500 * 2 * 50),
    ):
        data, summary = outcomes[name].data, " ".join(outcomes[name].summary)
        assert list(data["runs"]) == list(conditions)
        for each in data["runs"].values():
            assert [run["seed"] for run in each] == list(range(1000, 1000 + runs))
            assert all(len(run["fitness"]) == 2 for run in each)
        assert "this is not the paper's budget" in summary
        assert f"up to {most:,} env-steps" in summary
        (ax,) = outcomes[name].figure.axes
        for (condition, each), line in zip(
            data["runs"].items(), ax.lines[:: 1 if runs == 1 else 1 + runs], strict=False
        ):
            assert str(line.get_label()).startswith(condition)
            np.testing.assert_allclose(line.get_ydata(), np.mean([run["fitness"] for run in each], axis=0))


def test_the_full_budget_does_not_say_that_it_is_not_the_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(paper_training.BIRTH_BUDGETS, "full", Budget(1, 2, 1, None, 1))
    for body in PRESETS["ant-hebbian"].envs:
        monkeypatch.setattr(gym.spec(body), "max_episode_steps", 20)
    summary = " ".join(EXPERIMENTS["fig9"].run(Settings("full")).summary)
    assert "not the paper's budget" not in summary
    assert "not the paper's (by ranks)" in summary


def test_births_are_of_all_distributions_on_all_bodies(outcomes: dict[str, Outcome]) -> None:
    data = outcomes["init"].data
    for by_distribution in data["rules"].values():
        assert list(by_distribution) == list(paper_shipped.DISTRIBUTIONS)
        for bodies in by_distribution.values():
            assert {body: len(found) for body, found in bodies.items()} == dict.fromkeys(paper_shipped.BODIES, 2)
    assert data["births"]["ant-hebbian"] == "uniform, scale 0.1"
