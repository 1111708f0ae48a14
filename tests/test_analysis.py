"""Records and pictures of a lifetime: what is drawn is what happened."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from matplotlib.figure import Figure

import hebbian_gym as hg
from hebbian_gym.analysis import record_lifetime
from hebbian_gym.analysis.plots import colour, lifetime_figure, plot_training, read_log
from hebbian_gym.analysis.video import compose, film


@pytest.fixture
def network():
    architecture = hg.HebbianPolicy.for_env("CartPole-v1", hidden=(6, 5)).architecture
    genome = np.random.default_rng(0).uniform(-0.1, 0.1, architecture.genome_size).astype(np.float32)
    return hg.PlasticNetwork(architecture, genome)


def test_a_recorded_lifetime_is_the_one_that_was_lived(network):
    with gym.make("CartPole-v1") as env:
        life = record_lifetime(env, network, 3, 4, weights_at=(-1, 0, 5))
        again = hg.run_episode(env, network, 3, 4)
    assert sum(life.rewards) == life.episode.score == again.score
    assert len(life.rewards) == again.steps
    network.reset(4)
    for layer, born in zip(network.weights, life.weights[-1], strict=True):
        np.testing.assert_array_equal(layer, born)
    assert not np.array_equal(life.weights[0][0], life.weights[5][0])


def test_the_lifetime_figure_has_every_layer_at_every_moment(network):
    with gym.make("CartPole-v1") as env:
        life = record_lifetime(env, network, weights_at=(-1, 2))
    figure = lifetime_figure(life, "a title")
    pictures = [ax.images[0].get_array() for ax in figure.axes if ax.images]
    assert len(pictures) == 2 * 3
    layer = life.weights[-1][0]
    drawn = layer / np.sqrt(np.mean(np.square(layer, dtype=np.float64)))
    np.testing.assert_allclose(pictures[0], drawn, rtol=0.01)  # to three digits
    (legend,) = (legend for part in figure.subfigs for legend in part.legends)
    assert [text.get_text() for text in legend.get_texts()] == ["of a step", "mean of the last 20 steps"]


def test_the_training_curve_is_the_log(tmp_path):
    (tmp_path / "log.csv").write_text(
        "generation,fitness/mean,fitness/max,held_out/fitness\n0,1.0,2.0,\n1,3.0,4.0,5.0\n", encoding="utf-8"
    )
    ax = Figure().subplots()
    plot_training(ax, read_log(tmp_path / "log.csv"))
    lines = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert lines["population mean"] == [[1, 1], [2, 3]]
    assert lines["mean genome, held out"] == [[2, 5]]


def test_colours_are_white_at_zero_and_opposite_at_the_ends():
    negative, zero, positive = colour(np.array([-1.0, 0.0, 1.0], np.float32), 1.0).astype(int)
    assert zero.min() > 240
    assert negative[2] > negative[0]
    assert positive[0] > positive[2]


def test_a_composed_frame_keeps_the_environments_picture(network):
    network.reset(0)
    picture = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    life = record_lifetime(gym.make("CartPole-v1"), network)
    frame = compose(picture, np.zeros(4, np.float32), network, life)
    np.testing.assert_array_equal(frame[:120, :160], picture)
    assert frame.shape[1] > 160


def test_a_film_needs_a_known_ending(network, tmp_path):
    with pytest.raises(ValueError, match=r"\.mp4 or \.gif"):
        film("CartPole-v1", network, tmp_path / "film.txt")


def test_a_lifetime_without_weights_and_one_without_hidden_layers() -> None:
    with gym.make("CartPole-v1") as env:
        policy = hg.HebbianPolicy.for_env(env, hidden=())
        network = hg.PlasticNetwork(policy.architecture, policy.genome)
        assert lifetime_figure(record_lifetime(env, network, weights_at=(-1,))).axes[0].images
        with pytest.raises(ValueError, match="record it with weights_at"):
            lifetime_figure(record_lifetime(env, network))


def test_a_film_of_an_environment_with_an_unknown_argument_is_refused(network, tmp_path):
    spec = gym.spec("CartPole-v1")
    spec = EnvSpec.from_json(spec.to_json())
    spec.kwargs = {"nonsense": 1}
    with pytest.raises(ValueError, match="could not be made"):
        film(spec, network, tmp_path / "film.gif")


def test_a_log_with_words_is_read_but_for_them(tmp_path):
    (tmp_path / "log.csv").write_text("generation,note,flag,x\n0,hi,True,\n1,,False,2\n", encoding="utf-8")
    log = read_log(tmp_path / "log.csv")
    assert log.keys() == {"generation", "x"}
    np.testing.assert_array_equal(log["x"], [np.nan, 2])


def test_pictures_need_an_environment_that_draws_them(network, tmp_path):
    with gym.make("CartPole-v1") as env, pytest.raises(ValueError, match='render_mode="rgb_array"'):
        record_lifetime(env, network, frame_every=2)
    policy = hg.HebbianPolicy.for_env("FoodValuation-v0", hidden=())
    with pytest.raises(ValueError, match="no film of FoodValuation-v0: it has no render mode rgb_array"):
        film("FoodValuation-v0", hg.PlasticNetwork(policy.architecture, policy.genome), tmp_path / "film.gif")


def test_the_films_curve_falls_where_rewards_are_negative(network):
    with gym.make("CartPole-v1") as env:
        life = record_lifetime(env, network)
    for reward, lower_end in ((1.0, 0), (-1.0, -1)):
        life.rewards = [reward] * 1000
        frame = compose(np.zeros((60, 300, 3), np.uint8), np.zeros(4, np.float32), network, life)
        line = np.argwhere((frame[80:] < 200).any(axis=2))  # below the picture, and below the number of the step
        left_to_right = line[np.argsort(line[:, 1], kind="stable")]
        assert left_to_right[lower_end, 0] > left_to_right[-1 - lower_end, 0] + 20  # rows are counted from above
