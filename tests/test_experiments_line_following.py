"""The line follower's experiments, shrunk to seconds: whether their data are complete and their pictures drawn."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import assert_an_experiments_outcome
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hebbian_gym.experiments import (
    EXPERIMENTS,
    Outcome,
    Settings,
    line_following,
    line_following_lives,
    line_following_plots,
    reproduce,
)
from hebbian_gym.experiments.common import in_parallel, sign_test
from hebbian_gym.experiments.line_following_acceptance import paired_test
from hebbian_gym.experiments.line_following_lives import EVERY, REFLEX, RULES, TRACKS, WATCHED, Budget, Life, live

NAMES = ("line-following-success", "line-following-error", "line-following-weights")
RUNS: dict[str, Callable[[Settings], Outcome]] = {
    name: getattr(line_following, name.rsplit("-", 1)[1]) for name in NAMES
}
TINY = Budget(seeds=2, pairs=2, rates=(1e-3, 1.0), limit=420, horizon=150)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(line_following_lives.BUDGETS, "quick", TINY)


@pytest.fixture(scope="module")
def outcomes(progress: dict[str, list[float]]) -> dict[str, Outcome]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(line_following_lives.BUDGETS, "quick", TINY)
        return {name: run(Settings(progress=progress[name].append)) for name, run in RUNS.items()}


def axes() -> Axes:
    return Figure().subplots()


def lines(ax: Axes) -> dict[str, np.ndarray]:
    """What is drawn, by its entry in the legend."""
    found = {}
    for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
        found[label] = (handle[0] if isinstance(handle, tuple) else handle).get_xydata()
    return found


# Data


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_has_plain_data_a_picture_and_sentences(
    outcomes: dict[str, Outcome], progress: dict[str, list[float]], name: str, tmp_path: Path
) -> None:
    assert_an_experiments_outcome(outcomes[name], progress[name], tmp_path)
    assert len(set(progress[name])) == len(progress[name])  # it reaches the end once
    data = outcomes[name].data
    assert list(data["tracks"]) == list(TRACKS)
    assert data["seeds"] == 2


def test_success_has_every_rule_rate_and_seed(outcomes: dict[str, Outcome]) -> None:
    data = outcomes[NAMES[0]].data
    for entry in data["tracks"].values():
        assert list(entry["rules"]) == [REFLEX, *RULES]
        for rule, result in entry["rules"].items():
            rates = 1 if rule == REFLEX else 2
            assert np.shape(result["integral"]) == np.shape(result["steps"]) == (rates, 2)
            for steps, share in zip(result["steps"], result["success_rate"], strict=True):
                assert share == np.mean([step is not None for step in steps])
                assert all(200 <= step <= 220 for step in steps if step is not None)
    assert data["tracks"]["bean"]["rules"]["PaM"]["success_rate"][0] == 1.0
    assert data["tracks"]["bean"]["rules"]["BP"]["best_rate"] == 1.0


def test_acceptance_tests_are_named_and_judged(outcomes: dict[str, Outcome]) -> None:
    tests = outcomes[NAMES[0]].data["acceptance"] | outcomes[NAMES[2]].data["acceptance"]
    assert sorted(tests) == ["B-T4", "B-T5", "B-T6", "B-T7"]
    assert tests["B-T4"]["holds"] is True
    assert tests["B-T6"]["holds"] is False  # two seeds are not twenty
    assert len(tests["B-T6"]["pairs"]) == 4  # two tracks; best and common rate
    for pair in tests["B-T6"]["pairs"] + tests["B-T7"]["pairs"]:
        difference = np.subtract(pair["first"]["steps"], pair["second"]["steps"])
        assert pair["steps"]["median_difference"] == np.median(difference)
        assert 0.0 <= pair["integral"]["p"] <= 1.0
    told = " ".join(outcomes[NAMES[0]].summary + outcomes[NAMES[2]].summary)
    assert all(name in told for name in tests)


def test_error_has_a_curve_for_every_rule_and_the_reflex(outcomes: dict[str, Outcome]) -> None:
    data = outcomes[NAMES[1]].data
    for entry in data["tracks"].values():
        assert list(entry["rules"]) == [REFLEX, *RULES]
        for result in entry["rules"].values():
            for which in ("best", "common"):
                curve = result[which]
                assert len(curve["mean"]) == len(data["steps"]) == TINY.horizon // EVERY
                assert np.all(np.less_equal(curve["low"], curve["high"]))
        assert entry["rules"]["BP"]["best"]["integral"] < entry["rules"][REFLEX]["best"]["integral"]


def test_weights_have_every_layer(outcomes: dict[str, Outcome]) -> None:
    data = outcomes[NAMES[2]].data
    for entry in data["tracks"].values():
        assert list(entry["rules"]) == list(WATCHED)
        for result in entry["rules"].values():
            assert np.shape(result["distances"]) == (TINY.horizon // EVERY, 11)
            assert np.all(np.array(result["distances"][-1]) > 0.0)
            assert len(result["ratio"]) == TINY.horizon // EVERY
            assert np.shape(result["spread"]["all_layers"]) == (2, 2)


def test_a_lifetime_is_told_as_it_was() -> None:
    watched = live(Life("bean", "PaM", 1e-3, 1, 200, 200, watch=True))
    assert {
        k: v for k, v in live(Life("bean", "PaM", 1e-3, 1, 200, 200)).items() if k not in ("distances", "ratios")
    } == {k: v for k, v in watched.items() if k not in ("distances", "ratios")}
    assert watched["success"] == -1
    assert watched["integral"] == pytest.approx(0.03 * 200 * watched["curve"][-1])  # the window is the whole life
    assert np.all(np.array(watched["distances"])[-1] > 0.0)
    longer = live(Life("bean", "PaM", 1e-3, 1, 700, 200))
    assert 200 < longer["success"] <= 300
    assert longer["integral"] == watched["integral"]


def test_birth_and_noise_are_other_numbers_and_the_same_for_every_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(
        line_following_lives, "run_episode", lambda env, driver, *seeds_and_notes: told.append(seeds_and_notes[:2])
    )
    for rule, seed in (("PaM", 1), ("BP", 1), ("BP", 2)):
        live(Life("bean", rule, 1e-3, seed, 200, 200))
    assert told[0] == told[1]
    assert len({*told[0], *told[2]}) == 4


def test_a_network_whose_weights_run_away_leaves_it_to_the_reflex() -> None:
    life = live(Life("bean", "SaR-min", 1e308, 0, 300, 300))
    assert life["success"] == -1
    assert math.isfinite(life["integral"])


# Statistics


def test_the_sign_test_counts_coins() -> None:
    assert sign_test(0, 0) == 1.0
    assert sign_test(3, 3) == 1.0
    assert sign_test(0, 5) == sign_test(5, 0) == 2 / 32
    assert sign_test(1, 5) == 2 * 7 / 64
    assert sign_test(1, 5, one_sided=True) == 7 / 64
    assert sign_test(5, 1, one_sided=True) == 63 / 64


def test_pairs_are_compared_by_the_sign_test() -> None:
    same = paired_test([1, 2, 3], [1, 2, 3])
    assert (same["equal"], same["p"]) == (3, 1.0)
    assert paired_test([1, 2, 3], [1, 2, 4])["p"] == 1.0  # one pair alone says nothing, whatever the ties
    less = paired_test(list(range(8)), [k * k + 1 for k in range(8)])
    assert (less["below"], less["above"], less["equal"], less["p"]) == (8, 0, 0, 2 / 2**8)
    assert less["mean_difference"] < 0.0


# Workers, files, progress


@pytest.mark.parametrize("name", NAMES[2:])
def test_the_number_of_workers_does_not_matter(outcomes: dict[str, Outcome], name: str) -> None:
    told: list[float] = []
    outcome = RUNS[name](Settings(workers=2, progress=told.append))
    assert outcome.data == outcomes[name].data
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_reproduce_writes_picture_and_data(
    outcomes: dict[str, Outcome], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in NAMES:
        monkeypatch.setattr(line_following, name.rsplit("-", 1)[1], lambda settings, name=name: outcomes[name])
        reproduce(name, tmp_path, Settings())
        written = json.loads((tmp_path / f"{name}.json").read_text())
        assert written["experiment"] == name
        assert written["data"] == outcomes[name].data
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_that_cannot_be_made_is_told_before_anything_runs(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(line_following, "success", lambda settings: pytest.fail("it ran"))
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        reproduce("line-following-success", tmp_path / "file", Settings())


def _touch(path: Path) -> None:
    if path.name == "0":
        raise ValueError("job 0 failed")
    time.sleep(0.2)
    path.touch()


def test_a_job_that_fails_is_told_before_all_others_have_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="job 0 failed"):
        in_parallel(_touch, [tmp_path / str(job) for job in range(60)], Settings(workers=2))
    assert len(list(tmp_path.iterdir())) < 59


def test_an_unknown_name_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown experiment 'line-following'.*line-following-success"):
        reproduce("line-following", tmp_path, Settings())
    assert all(name in EXPERIMENTS for name in NAMES)


# Figures, from the data as they are read from a file


@pytest.fixture(scope="module")
def read(outcomes: dict[str, Outcome]) -> dict[str, Any]:
    return {name: json.loads(json.dumps(outcome.data)) for name, outcome in outcomes.items()}


@pytest.mark.parametrize("track", TRACKS)
def test_success_is_drawn_with_failures_above(read: dict[str, Any], track: str) -> None:
    ax, data = axes(), read[NAMES[0]]
    line_following_plots.plot_success(ax, data, track)
    drawn = lines(ax)
    assert list(drawn) == [REFLEX, *RULES]
    failed = drawn[REFLEX][0, 1]  # it always does
    assert failed > TINY.limit
    steps = data["tracks"][track]["rules"]["PaM"]["steps"]
    assert any(None in same for same in steps)
    for (_, height), same in zip(drawn["PaM"], steps, strict=True):
        assert height in [failed if step is None else step for step in same]
    assert ax.get_xlabel() == "learning rate"
    assert "failed" in [label.get_text() for label in ax.get_yticklabels()]


def test_the_integral_is_drawn(read: dict[str, Any]) -> None:
    ax, data = axes(), read[NAMES[0]]
    line_following_plots.plot_integral(ax, data, "bent")
    drawn = lines(ax)["BP"][:, 1]
    for height, same in zip(drawn, data["tracks"]["bent"]["rules"]["BP"]["integral"], strict=True):
        assert min(same) <= height <= max(same)
    assert "units" in ax.get_ylabel()


@pytest.mark.parametrize("which", ["best", "common"])
def test_the_error_is_drawn(read: dict[str, Any], which: str) -> None:
    ax, data = axes(), read[NAMES[1]]
    line_following_plots.plot_error(ax, data, "bean", which)
    drawn = lines(ax)
    assert list(drawn) == [REFLEX, *RULES]
    assert drawn["SaR"][:, 1].tolist() == data["tracks"]["bean"]["rules"]["SaR"][which]["mean"]


def test_distances_and_the_ratio_are_drawn(read: dict[str, Any]) -> None:
    data = read[NAMES[2]]
    for rule in WATCHED:
        ax = axes()
        line_following_plots.plot_distances(ax, data, rule)
        assert len(lines(ax)) == 11
        assert lines(ax)["layer 11"][:, 1].tolist() == [
            row[-1] for row in data["tracks"]["bean"]["rules"][rule]["distances"]
        ]
    for track in TRACKS:
        rules = data["tracks"][track]["rules"]
        ax = axes()
        line_following_plots.plot_ratio(ax, data, track)
        for line, rule in zip(lines(ax).values(), WATCHED, strict=True):
            assert line[:, 1].tolist() == [ratio for ratio in rules[rule]["ratio"] if ratio is not None]
        ax = axes()
        line_following_plots.plot_spread(ax, data, track)
        for rule, line in lines(ax).items():
            assert line[:, 1].tolist() == np.median(rules[rule]["spread"]["unboosted_layers"], axis=1).tolist()
