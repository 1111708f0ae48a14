"""The examples that no other test runs: each for real, briefly. own_rule, other_optimizers and ppo: see their parts."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import gymnasium as gym
import imageio.v3 as imageio
import numpy as np
import pytest

import hebbian_gym as hg
from hebbian_gym.task import lifetime_seeds
from hebbian_gym.testing import check_optimizer

EXAMPLES = Path(__file__).parents[1] / "examples"
FILES = sorted(EXAMPLES.glob("*.py"))


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> ModuleType:
    """An example as a module, in an empty folder."""
    spec = importlib.util.spec_from_file_location(request.param, EXAMPLES / f"{request.param}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, request.param, module)
    monkeypatch.chdir(tmp_path)
    spec.loader.exec_module(module)
    return module


def of(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("example", [name], indirect=True)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_is_short_and_says_what_it_shows_and_how_it_is_run(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert f"python examples/{file.name}" in text.split('"""')[1]
    assert 'if __name__ == "__main__":' in text


@of("lifetime")
def test_a_lifetime_is_told_and_drawn(example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    example.main(["--seed", "3", "--picture", "ant.png"])
    text = capsys.readouterr().out
    rows = [[float(cell) for cell in line.split()] for line in text.splitlines() if re.match(r"\s+\d+00 ", line)]
    policy = hg.load_pretrained("ant-hebbian")
    with gym.make("AntUndamaged-v0") as env:
        network = hg.PlasticNetwork(policy.architecture, policy.genome)
        episode = hg.run_episode(env, network, *lifetime_seeds(3)[0])
    assert [row[0] for row in rows] == list(range(100, episode.steps + 1, 100))
    assert sum(100 * row[1] for row in rows) == pytest.approx(episode.score, abs=5 + 0.5 * len(rows))
    last = [np.sqrt(np.mean(layer.astype(float) ** 2)) for layer in network.weights]
    assert rows[-1][2:5] == pytest.approx(last, abs=0.01)
    assert f"score {episode.score:.0f}" in text
    assert imageio.imread("ant.png").shape[0] > 100


@of("disturbed")
def test_disturbances_are_told_and_drawn(example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    example.main(["--lifetimes", "2"])
    text = capsys.readouterr().out
    numbers = {
        line[:36].strip(): line[36:].split() for line in text.splitlines() if line[:36].strip() in example.CONDITIONS
    }
    assert numbers.keys() == example.CONDITIONS.keys()
    assert len({before for before, _ in numbers.values()}) == 1  # until then nothing differs
    assert len({after for _, after in numbers.values()}) > 2
    assert imageio.imread("disturbed.png").shape[0] > 100


@of("car")
def test_the_car_drives_and_is_pictured(
    example: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 120
    monkeypatch.setattr(gym.spec(example.ENV), "max_episode_steps", steps)
    example.main(["--seed", "1"])
    text = capsys.readouterr().out
    policy = hg.load_pretrained("car-hebbian")
    with gym.make(example.ENV) as env:
        episode = hg.run_episode(env, hg.PlasticNetwork(policy.architecture, policy.genome), *lifetime_seeds(1)[0])
    assert f"{steps} steps, score {episode.score:.1f}" in text
    assert "step   50: score" in text
    picture = imageio.imread("car.png")
    assert picture.shape[0] % example.ROWS == 0
    first, last = np.split(picture, example.ROWS)[:: example.ROWS - 1]
    assert (first != last).any()


@of("lifetime")
def test_a_film_can_be_made_of_it(
    example: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gym.spec("AntDamagedLeftBack-v0"), "max_episode_steps", 12)
    example.main(["--env", "AntDamagedLeftBack-v0", "--film", "ant.gif"])
    assert "film: ant.gif" in capsys.readouterr().out
    assert len(imageio.imread("ant.gif", index=None)) == 4  # of steps 0, 3, 6 and 9
    assert Path("lifetime.png").exists()


@of("evolve_and_damage")
def test_evolution_goes_on_where_it_stopped(
    example: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for body in (*example.SEEN, *example.UNSEEN):
        monkeypatch.setattr(gym.spec(body), "max_episode_steps", 30)
    tiny = ["--population", "4", "--episodes", "1", "--workers", "1"]
    example.main([*tiny, "--generations", "1", "--run-dir", "run"])
    assert "generation 1 of 1: population mean" in capsys.readouterr().out
    example.main([*tiny, "--generations", "2", "--run-dir", "run"])
    resumed = capsys.readouterr().out
    assert "generation 1 of 2" not in resumed
    example.main([*tiny, "--generations", "2"])
    straight = capsys.readouterr().out
    lines = [text.partition("mean distance")[2] for text in (resumed, straight)]
    assert lines[0] == lines[1]
    assert f"{2 * 4 * 2 * 30} env-steps of evolution" in lines[0]
    table = {line[:28].strip(): line[28:].split() for line in lines[0].splitlines()}
    assert table[""] == ["seen", "seen", "unseen"]
    for name in ("random rule", "after 2 generations", "ready-evolved ant-hebbian"):
        assert len(table[name]) == 3
        assert np.isfinite([float(cell) for cell in table[name]]).all()


@of("own_optimizer")
def test_the_optimiser_of_ones_own_passes_the_check_and_learns(
    example: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    example.main(["--generations", "6"])
    text = capsys.readouterr().out
    assert "nothing wrong" in text
    before, after = (float(re.search(rf"{when}\D*(\d+)", text)[1]) for when in ("before evolution", "after"))
    assert after > 2 * before


@of("own_optimizer")
def test_the_check_would_find_an_optimiser_that_minimises(example: ModuleType) -> None:
    class Wrong(example.CommaES):
        def tell(self, fitness):
            return super().tell(-np.asarray(fitness))

    with pytest.raises(AssertionError, match="it must maximise"):
        check_optimizer(Wrong)


@of("gymnasium_loop")
def test_the_loops_of_one_and_of_several_live_the_same_lives(example: ModuleType) -> None:
    policy = hg.HebbianPolicy.for_env("CartPole-v1", hidden=(4,), seed=5)
    rng = np.random.default_rng(2)
    with gym.make("CartPole-v1") as env:
        expected = [run_alone(env, policy, 2 + number, rng)[0] for number in range(6)]
    assert example.one(policy, "CartPole-v1", seed=2) == expected[0]
    np.testing.assert_array_equal(example.several(policy, "CartPole-v1", 6, seed=2), expected)
    assert len(set(expected)) > 1


def run_alone(env, policy, reset, births):
    """Score and steps of a newborn drawn from a generator; reset None goes on with the environment's own randomness."""
    network = hg.PlasticNetwork(policy.architecture, policy.genome)
    observation, _ = env.reset(seed=reset)
    network.reset(births)
    score, steps, over = 0.0, 0, False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(network.act(observation))
        score, steps, over = score + reward, steps + 1, terminated or truncated
    return score, steps


@of("gymnasium_loop")
def test_a_newborn_takes_over_where_an_environment_resets_itself(example: ModuleType) -> None:
    policy, n, steps, seed = hg.HebbianPolicy.for_env("CartPole-v1", hidden=(4,), seed=5), 3, 120, 2
    ended = example.on_and_on(policy, "CartPole-v1", n, steps, seed)
    births = np.random.default_rng(seed)
    envs = [gym.make("CartPole-v1") for _ in range(n)]
    now, networks, scores, expected = [], [], [0.0] * n, []
    for number, env in enumerate(envs):
        now.append(env.reset(seed=seed + number)[0])
        networks.append(hg.PlasticNetwork(policy.architecture, policy.genome))
        networks[number].reset(births)
    for step in range(1, steps + 1):
        newborn = []
        for number, env in enumerate(envs):
            now[number], reward, terminated, truncated, _ = env.step(networks[number].act(now[number]))
            scores[number] += reward
            if terminated or truncated:
                expected.append((step, number, scores[number]))
                now[number], scores[number] = env.reset()[0], 0.0
                newborn.append(number)
        for number in newborn:
            networks[number].reset(births)
    assert ended == expected
    assert {number for _, number, _ in ended} == set(range(n))
    assert len(ended) > 2 * n


@of("gymnasium_loop")
def test_all_three_loops_are_told(
    example: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for body in ("AntUndamaged-v0", example.DAMAGED):
        monkeypatch.setattr(gym.spec(body), "max_episode_steps", 20)
    example.main(["--envs", "2", "--steps", "45"])
    text = capsys.readouterr().out
    assert "one lifetime in AntUndamaged-v0: score" in text
    assert re.search(r"2 at once: scores -?\d+, -?\d+\n", text)
    ends = [int(step) for step in re.findall(r"step +(\d+): ant \d ends", text)]
    assert ends == [20, 20, 40, 40]
