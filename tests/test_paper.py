"""The paper's tables and figures from ready-evolved rules: parts against others' code, wholes in miniature."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from helpers import assert_an_experiments_outcome
from matplotlib.figure import Figure
from scipy import stats

import hebbian_gym as hg
from hebbian_gym.analysis.lifetime import record_lifetime
from hebbian_gym.analysis.perturb import freeze
from hebbian_gym.analysis.responses import moving_mean, plot_curves, plot_frozen, plot_sums
from hebbian_gym.analysis.scores import plot_damages, plot_scores
from hebbian_gym.analysis.trajectory import principal_components, record_weights
from hebbian_gym.analysis.weights import draw_moments, plot_coefficients, plot_layer, plot_path, short
from hebbian_gym.experiments import EXPERIMENTS, Outcome, Settings, paper_lifetimes, paper_table, paper_weights
from hebbian_gym.experiments.paper_lives import NEVER, Lives, live
from hebbian_gym.pretrained import FOLDER
from hebbian_gym.task import lifetime_seeds

ANT = "AntUndamaged-v0"
NAMES = ("table1", "carracing", "fig1", "fig3", "fig4", "fig5", "fig6", "fig10")


# Parts


@pytest.mark.parametrize("shape", [(9, 40), (40, 9), (30, 5000)])
def test_principal_components_are_those_of_the_singular_value_decomposition(shape: tuple[int, int]) -> None:
    samples = np.random.default_rng(0).normal(size=shape).astype(np.float32) * np.arange(shape[1]) + 5
    coordinates, shares = principal_components(samples)
    u, s, _ = np.linalg.svd(samples.astype(np.float64) - samples.mean(axis=0, dtype=np.float64), full_matrices=False)
    np.testing.assert_allclose(np.abs(coordinates), np.abs(u[:, :3] * s[:3]), rtol=1e-6, atol=1e-6 * s[0])
    np.testing.assert_allclose(shares, s[:3] ** 2 / (s**2).sum(), rtol=1e-9)
    assert (coordinates[-1] >= 0).all()


def test_components_of_weights_that_never_change_are_zero() -> None:
    coordinates, shares = principal_components(np.ones((5, 7), np.float32))
    assert not coordinates.any()
    assert not shares.any()


def test_more_components_than_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="2 samples have at most 2 components, not 3"):
        principal_components(np.ones((2, 7), np.float32))


def test_moving_means_are_those_of_a_loop() -> None:
    values = np.random.default_rng(0).normal(size=(2, 9))
    expected = [[np.mean(row[max(i - 3, 0) : i + 1]) for i in range(9)] for row in values]
    np.testing.assert_allclose(moving_mean(values, 4), expected)


def test_a_path_is_straight_or_closed_or_between() -> None:
    line = np.outer(np.arange(50.0), [1, 2, 3])
    angle = np.linspace(0, 2 * np.pi, 50)
    circle = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    assert paper_weights.straightness(line) == pytest.approx(1.0)
    assert paper_weights.straightness(np.concatenate([line[:10], circle[:40]])) < 0.35
    assert paper_weights.straightness(np.concatenate([circle, circle, circle])[:138]) < 0.3
    assert paper_weights.straightness(np.zeros((50, 3))) == 0.0


def test_the_distance_from_the_normal_distribution_is_kolmogorov_and_smirnovs() -> None:
    values = np.random.default_rng(0).uniform(-1, 1, 500)
    told = paper_weights.distribution(values)
    normal = stats.kstest(values, "norm", args=(values.mean(), values.std()))
    assert told["distance_from_normal"] == pytest.approx(normal.statistic)
    assert told["skewness"] == pytest.approx(stats.skew(values))
    assert told["excess_kurtosis"] == pytest.approx(stats.kurtosis(values))
    assert np.sum(np.diff(told["edges"]) * told["density"]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("disturbed", "steps"),
    [
        ([5, 5, 5, 5, 5], 0), ([5, 1, 4, 5, 5], 3), ([5, 4.5, 1, 4.5, 5], 3), ([1, 5, 1, 5, 5], 3),
        ([1, 1, 1, 1, 1], None), ([1, 5, 5, 0, 1], None), ([1, 4, 5, 4, 5], None), ([5, 5, 5, 5, 1], None),
    ],
)  # fmt: skip
def test_recovery_is_back_for_a_while_after_the_deepest_loss(disturbed: list[float], steps: Any) -> None:
    speed = {"disturbed": {"mean": [9.0, *disturbed]}, "undisturbed": {"mean": [0.0, 5, 5, 5, 5, 5]}}
    assert paper_lifetimes.recovery(speed, after=1, hold=2) == steps


def test_random_coefficients_leave_the_encoder_as_it_is() -> None:
    policy = hg.load_pretrained("car-hebbian")
    end = policy.architecture.coefficient_genes
    drawn = paper_weights.randomised(policy.architecture, policy.genome, 1)
    np.testing.assert_array_equal(drawn[end:], policy.genome[end:])
    assert drawn[:end].min() < -0.999
    assert drawn[:end].max() > 0.999
    assert np.abs(drawn[:end]).max() <= 1.0


# Lifetimes


def test_lifetimes_are_those_that_evaluate_lives() -> None:
    policy = hg.load_pretrained("ant-hebbian")
    expected = hg.evaluate(policy, ANT, episodes=2, seed=5)
    lived = live(Lives("ant-hebbian", ANT, lifetime_seeds(5, 2)))
    np.testing.assert_allclose(lived["rewards"].sum(axis=1), expected.score)


def test_weights_are_compared_with_those_before_the_disturbance() -> None:
    at, many = 6, lifetime_seeds(0)
    lesion = {"at": at, "fraction": 0.5, "band": True}
    cut = live(Lives("ant-hebbian", ANT, many, "lesion", lesion, at, keep=(0, at, at + 3)))
    whole = live(Lives("ant-hebbian", ANT, many, "lesion", {**lesion, "at": NEVER}, at, keep=(0, at, at + 3)))
    mask = np.concatenate([layer.ravel() for layer in cut["masks"]])
    assert mask.mean() == 0.5
    for lived in (cut, whole):
        before, after = (
            np.concatenate([layer.ravel() for layer in lived["weights"][updates]])[mask].astype(np.float64)
            for updates in (at, at + 3)
        )
        assert lived["share"][0, 0] == lived["similarity"][0, 0] == pytest.approx(1.0)
        assert lived["share"][0, 3] == pytest.approx(before @ after / (before @ before))
        cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
        assert lived["similarity"][0, 3] == pytest.approx(cosine)
    np.testing.assert_array_equal(cut["rewards"][:, : at - 1], whole["rewards"][:, : at - 1])
    np.testing.assert_array_equal(cut["weights"][at][0], whole["weights"][at][0])
    assert cut["share"][0, 3] < whole["share"][0, 3] - 0.5


def test_recorded_weights_are_those_of_the_lifetime() -> None:
    policy = hg.HebbianPolicy.for_env("CartPole-v1", hidden=(4,))
    network = hg.PlasticNetwork(policy.architecture, policy.genome)
    with gym.make("CartPole-v1") as env:
        episode, weights = record_weights(env, network, 1, 2, every=3)
        assert weights.shape == (1 + episode.steps // 3, policy.architecture.synapses)
        network.reset(2)
        np.testing.assert_array_equal(weights[0], np.concatenate([layer.ravel() for layer in network.weights]))
        observation, _ = env.reset(seed=1)
        for _ in range(3):
            observation = env.step(network.act(observation))[0]
    np.testing.assert_array_equal(weights[1], np.concatenate([layer.ravel() for layer in network.weights]))


@pytest.mark.parametrize("record", [record_weights, record_lifetime])
@pytest.mark.parametrize(
    ("made_for", "env_id"),
    [("Pendulum-v1", "Acrobot-v1"), ("CartPole-v1", "Pendulum-v1"), ("FrozenLake-v1", "FrozenLake8x8-v1")],
)
def test_an_environment_of_another_shape_is_refused_with_the_cure(record: Any, made_for: str, env_id: str) -> None:
    policy = hg.HebbianPolicy.for_env(made_for, hidden=(2,))
    network = hg.PlasticNetwork(policy.architecture, policy.genome)
    with (
        gym.make(env_id) as env,
        pytest.raises(ValueError, match=f"(?s)but {env_id} has .*: choose an environment of the"),
    ):
        record(env, network)
    with gym.make(made_for) as env:
        record(env, network)


def test_an_agent_of_no_architecture_is_recorded_too() -> None:
    policy = hg.HebbianPolicy.for_env("CartPole-v1", hidden=(2,))
    with gym.make("CartPole-v1") as env:
        assert record_lifetime(env, freeze(policy, 2), weights_at=(-1, 1, 4)).rewards  # type: ignore[arg-type]


# Pictures


def test_a_layer_is_drawn_with_a_row_for_each_input_and_a_column_for_each_neuron() -> None:
    weights = np.arange(6.0).reshape(2, 3)
    for layer in (weights, weights.T):
        ax = Figure().subplots()
        image = plot_layer(ax, layer, 2.0)
        np.testing.assert_array_equal(image.get_array(), layer / 2)
        assert (ax.get_ylabel(), ax.get_xlabel()) == (f"{len(layer)} inputs", f"{len(layer.T)} neurons")
        assert image.norm.vmin == -image.norm.vmax


def test_moments_have_every_layer_and_one_colour_bar() -> None:
    layers = [np.ones((3, 4)), np.ones((4, 2))]
    figure = Figure(layout="constrained")
    draw_moments(figure, [{"title": title, "weights": layers, "scale": [1.0, 2.0]} for title in "AB"])
    assert sum(bool(ax.images) for ax in figure.axes) == 4
    assert [ax.get_ylabel() for ax in figure.axes].count("weight / rms of its layer") == 1
    assert [short(value) for value in (0.0577, 1.25, 12.3, 1402.0)] == ["0.058", "1.2", "12", "1,402"]


def test_a_path_begins_with_a_star() -> None:
    path = np.random.default_rng(0).normal(size=(10, 3))
    ax = Figure().add_subplot(projection="3d")
    plot_path(ax, path, "a")
    drawn = np.stack(ax.lines[0].get_data_3d(), axis=1)
    np.testing.assert_array_equal(drawn, path)
    assert ax.lines[2].get_marker() == "*"
    np.testing.assert_array_equal(np.ravel(ax.lines[2].get_data_3d()), path[0])


def test_coefficients_are_drawn_beside_their_normal_curves() -> None:
    values = np.random.default_rng(0).normal(2.0, 0.5, 400)
    ax = Figure().subplots()
    told = paper_weights.distribution(values)
    plot_coefficients(ax, {"A": told})
    np.testing.assert_array_equal(ax.patches[0].get_data().values, told["density"])
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(y, stats.norm.pdf(x, values.mean(), values.std()))


def test_curves_sums_and_freezing_are_drawn_as_they_are() -> None:
    ax = Figure().subplots()
    plot_curves(ax, {"a": {"mean": [1, 2], "sd": [0, 1]}, "b": {"mean": [3, 4], "sd": [1, 1]}}, first=7)
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[7, 1], [8, 2]], [[7, 3], [8, 4]]]
    assert sorted(ax.get_legend_handles_labels()[1]) == ["a", "b", "bands: sd"]
    ax = Figure().subplots()
    plot_sums(ax, {"a": [1, 2, 3]}, ["black"])
    assert ax.lines[0].get_ydata().tolist() == [0, 1, 3, 6]
    ax = Figure().subplots()
    plot_frozen(ax, [0, 5, 100], [[1, 3], [4, 4], [7, 9]], length=100)
    lines = {line.get_label(): line for line in ax.lines}
    assert lines["never frozen"].get_ydata() == [8, 8]
    assert ax.containers[0].lines[0].get_ydata().tolist() == [2, 4]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "5"]


def test_bars_and_the_map_show_the_means_and_whose_they_are() -> None:
    ax = Figure().subplots()
    scores = {"ours": {"x": [1.0, 3.0], "y": [5.0]}, "others": {"x": [4.0], "y": [6.0]}}
    plot_scores(ax, scores, {"ours": {"y": (9.0, 1.0)}}, dots=True)
    assert [patch.get_height() for patch in ax.patches] == [2, 5, 4, 6]
    labels = ax.get_legend_handles_labels()[1]
    assert sorted(labels) == ["Najarro & Risi (2020), theirs", "others", "ours"]
    drawn = np.concatenate([line.get_ydata() for line in ax.lines if line.get_marker() in ("D", ".")])
    assert sorted(drawn) == [1, 3, 4, 5, 6, 9]
    ax = Figure().subplots()
    image = plot_damages(ax, [[1.0, -2.0], [30.0, 4.0]], ["left_front", "b"], [0.0, 1.0], 30.0)
    assert image.get_array().tolist() == [[1, -2], [30, 4]]
    assert [text.get_text() for text in ax.texts] == ["1", "-2", "30", "4"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["left front", "b"]


# Wholes


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, progress: dict[str, list[float]]) -> dict[str, Outcome]:
    """All of them, tiny; fixed weights for the ant ship, too, and none for the car."""
    folder = tmp_path_factory.mktemp("pretrained")
    for name in ("ant-hebbian", "car-hebbian"):
        shutil.copy(FOLDER / f"{name}.npz", folder)
    shutil.copy(FOLDER / "ant-hebbian.npz", folder / "ant-hebbian-again.npz")  # shown once, under its first name
    hg.StaticPolicy.for_env(ANT, hidden=(4,), seed=1).save(folder / "ant-static.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hebbian_gym.pretrained.FOLDER", folder)
        patch.setitem(paper_table.BUDGETS, "quick", paper_table.Budget(2, 1, (0.0, 0.25, 1.0), 1))
        patch.setitem(paper_lifetimes.BUDGETS, "quick", paper_lifetimes.Budget(1, 2))
        patch.setattr(paper_lifetimes, "FREEZE_AFTER", (0, 30, paper_lifetimes.STEPS))
        patch.setitem(paper_weights.EVERY, "quick", {"ant-hebbian": 50, "car-hebbian": 50})
        return {name: EXPERIMENTS[name].run(Settings(progress=progress[name].append)) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_has_plain_data_a_picture_and_sentences(
    outcomes: dict[str, Outcome], progress: dict[str, list[float]], name: str, tmp_path: Path
) -> None:
    assert_an_experiments_outcome(outcomes[name], progress[name], tmp_path)


def test_the_table_has_every_rule_that_ships_on_every_body(outcomes: dict[str, Outcome]) -> None:
    data, summary = outcomes["table1"].data, " ".join(outcomes["table1"].summary)
    assert {name: rule["learns"] for name, rule in data["rules"].items()} == {"ant-hebbian": True, "ant-static": False}
    for rule in data["rules"].values():
        assert list(rule["distances"]) == list(paper_lifetimes.BODIES)
        assert all(len(found) == 2 for found in rule["distances"].values())
        assert np.shape(rule["map"]) == (4, 3)
        assert len({row[-1] for row in rule["map"]}) == 1  # a whole leg is a whole ant
    assert "the paper's 452 +- 95" in summary
    assert "the paper's 68 +- 56" in summary
    assert "solve those that evolution saw, and only those: does not hold here" in summary  # these never evolved
    assert "no ready-evolved fixed weights" not in summary


def test_to_a_rule_that_evolved_on_random_damage_no_body_is_new() -> None:
    def rule(saw: bool, learns: bool, *distances: float) -> dict[str, Any]:
        by_body = {body: [distance] for body, distance in zip(paper_lifetimes.BODIES, distances, strict=True)}
        return {"learns": learns, "saw_random_damage": saw, "distances": by_body, "map": [[150.0, 0.0, 0.0]] * 4}

    rules = {"two": rule(False, True, 500, 500, 50), "random": rule(True, True, 500, 500, 120)}
    data = {"budget": {"lives": 1, "mapped": 1, "fractions": [0.0, 0.25, 1.0]}, "legs": list(paper_table.LEGS)}
    told = paper_table._summarise_table({**data, "rules": rules})
    assert "two, left front leg short (unseen): 50 +- 0 (0.8 m), not solved; the paper's 452 +- 95" in told
    assert "random, left front leg short (seen among others): 120 +- 0 (2.0 m), solved" in told
    assert any(line.startswith("two solves 4 of the map's 7 unseen bodies") for line in told)
    assert any(
        line.startswith("random solves 4 of the map's 8 damaged bodies, of which evolution saw") for line in told
    )
    assert told[-2:] == [
        "the paper's rules solve all three bodies: does not hold here",
        "the paper supposes that rules evolved on random damage solve all: holds here",
    ]
    ax = paper_table.draw_table({**data, "rules": rules}).axes[0]
    ticks = [tick.get_text() for tick in ax.get_xticklabels()]
    assert ticks[1:] == ["right front leg short\n(seen)", "left front leg short\n(unseen, except by\nrandom)"]
    assert not any(line.get_marker() == "D" for line in ax.lines)  # neither is one that the paper's are drawn beside


def test_the_papers_numbers_are_drawn_beside_one_rule_of_each_kind(outcomes: dict[str, Outcome]) -> None:
    data = outcomes["table1"].data
    rules = {**data["rules"], "ant-hebbian-quick": data["rules"]["ant-hebbian"]}
    ax = paper_table.draw_table({**data, "rules": rules}).axes[0]
    drawn = [line.get_ydata().tolist() for line in ax.lines if line.get_marker() == "D"]
    assert drawn == [[1051, 1019, 452], [1604, 1431, 68]]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "Najarro & Risi (2020), theirs:\nplastic beside ant-hebbian, fixed beside ant-static" in labels
    assert ax.get_xticklabels()[2].get_text() == "left front leg short\n(unseen)"


def test_what_does_not_ship_is_told(outcomes: dict[str, Outcome]) -> None:
    assert list(outcomes["carracing"].data["rules"]) == ["car-hebbian"]
    told = " ".join(outcomes["carracing"].summary)
    assert "there are no ready-evolved fixed weights to compare with" in told
    assert "train --preset car-static" in told
    assert "the paper's 872 +- 11 (100 tracks, CarRacing-v0)" in told


def test_without_any_rule_for_an_environment_the_cure_is_told() -> None:
    with pytest.raises(ValueError, match="no ready-evolved rule for CartPole-v1 is installed: evolve one"):
        paper_table.shipped("CartPole-v1")


def test_damages_are_those_of_the_map() -> None:
    specs = paper_table.damages((0.0, 0.25, 1.0))
    assert len(specs) == 1 + 4 * 2
    assert specs["", 1.0].kwargs == {"damage": {}}
    assert specs["left_back", 0.25].kwargs == {"damage": {"left_back": 0.25}}
    assert gym.spec("AntDamaged-v0").kwargs == {}


def test_the_weights_of_figure_1_are_a_newborns_and_then_others(outcomes: dict[str, Outcome]) -> None:
    data = outcomes["fig1"].data
    first = [np.array(layer) for layer in data["moments"][0]["weights"]]
    assert [layer.shape for layer in first] == [(28, 128), (128, 64), (64, 8)]
    assert max(np.abs(layer).max() for layer in first) <= 0.1
    assert list(data["rewards"]) == list(paper_lifetimes.BODIES)
    assert all(len(rewards) == 1000 for rewards in data["rewards"].values())
    assert np.shape(outcomes["fig6"].data["moments"][2]["weights"][0]) == (648, 128)


def test_disturbed_speeds_are_the_undisturbed_until_then(outcomes: dict[str, Outcome]) -> None:
    for name, at in (("fig3", paper_lifetimes.SATURATED[0]), ("fig4", paper_lifetimes.LESION["at"])):
        disturbed, undisturbed = (curve["mean"] for curve in outcomes[name].data["speed"].values())
        assert len(disturbed) == len(undisturbed) == 1000
        assert disturbed[:at] == undisturbed[:at]
        assert disturbed[at:] != undisturbed[at:]
    data = outcomes["fig4"].data
    zeroed = [np.mean(np.array(layer) == 0) for layer in data["moments"][0]["weights"]]
    assert zeroed == pytest.approx([1 / 3] * 3, abs=0.01)
    assert len(outcomes["fig3"].data["scores"]) == 3


def test_paths_are_of_evolved_and_of_random_rules(outcomes: dict[str, Outcome]) -> None:
    panels = outcomes["fig5"].data["panels"]
    assert [(panel["rule"], panel["random"]) for panel in panels] == [
        ("car-hebbian", False), ("car-hebbian", True), ("ant-hebbian", False), ("ant-hebbian", True),
    ]  # fmt: skip
    for panel in panels[2:]:
        starts = [path[0] for path in panel["paths"].values()]
        assert len(starts) == 3
        assert starts[0] == starts[1] == starts[2]  # one birth
        assert np.shape(next(iter(panel["paths"].values()))) == (21, 3)
