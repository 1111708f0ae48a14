"""All optimisers by the same check; that check against optimisers that sin; names, and those of other packages."""

import dataclasses
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from optimizing import candidates

from hebbian_gym import GeneticAlgorithm, OpenAIES
from hebbian_gym.optimizers import get_optimizer, make_optimizer, optimizer_names
from hebbian_gym.optimizers.registry import OPTIMIZERS
from hebbian_gym.presets import get_preset
from hebbian_gym.testing import check_optimizer

OPTIONS = {  # a step size that fits the check's sphere, where the default is for networks
    "openai-es": [
        {"population_size": 20, "learning_rate": 0.02},
        {"population_size": 20, "learning_rate": 0.02, "shaping": "zscore"},
        {"population_size": 20, "learning_rate": 0.03, "optimizer": "adam"},
        {"population_size": 20, "learning_rate": 0.03, "optimizer": "clipup"},
    ],
    "pgpe": [{"population_size": 20}],
    "cma-es": [{"covariance": "separable"}, {"covariance": "vkd"}],
}


@pytest.mark.parametrize(
    ("name", "options"), [(name, options) for name in OPTIMIZERS for options in OPTIONS.get(name, [{}])]
)
def test_every_optimizer_keeps_the_protocol(name, options):
    check_optimizer(get_optimizer(name), **options)


def test_a_full_covariance_keeps_all_but_linear_memory():
    check_optimizer(get_optimizer("cma-es"), covariance="full", linear_memory=False)


class Sinner(OpenAIES):
    """As it should be; each subclass commits one sin."""

    def __init__(self, genome, seed=0):
        super().__init__(genome, 20, learning_rate=0.02, seed=seed)


class Minimizer(Sinner):
    def tell(self, fitness):
        return super().tell(-np.asarray(fitness))


class Restless(Sinner):
    asked = 0

    def ask(self):
        self.asked += 1
        self.seed = (self.seed + self.asked) % 1000
        return super().ask()


class Global(Sinner):
    def tell(self, fitness):
        np.random.random()  # noqa: NPY002  # the sin
        return super().tell(fitness)


class Seedless(Sinner):
    def __init__(self, genome, seed=0):
        super().__init__(genome, seed=7)


class ZeroFiller(Sinner):
    """Counts a lost candidate as the best of all where fitness is negative."""

    def tell(self, fitness):
        return super().tell(np.nan_to_num(fitness, nan=0.0))


class Forgetful(Sinner):
    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.generation = 0


class Unstorable(Sinner):
    def state_dict(self):
        return {**super().state_dict(), "rng": np.random.default_rng(0)}


class Anything(Sinner):
    def load_state_dict(self, state):
        genes = self._mean.size
        super().load_state_dict({**state, "mean": np.resize(state["mean"], genes)})


class Double(Sinner):
    @property
    def mean(self):
        return super().mean.astype(np.float64)


class Quadratic(Sinner):
    def tell(self, fitness):
        np.ones((self._mean.size, self._mean.size), np.uint8)
        return super().tell(fitness)


class InPlace(Sinner):
    def tell(self, fitness):
        before = self._mean
        metrics = super().tell(fitness)
        before[:] = self._mean
        return metrics


def test_the_sinners_would_be_good_without_their_sins():
    check_optimizer(Sinner)


class Plain:
    """No sin: train() takes plain arrays, too."""

    def __init__(self, genome, seed=0):
        self._sinless = Sinner(genome, seed)

    def __getattr__(self, name):
        return getattr(self._sinless, name)

    def ask(self):
        return candidates(self._sinless)


def test_candidates_may_be_a_plain_array():
    check_optimizer(Plain)


class Silent(Sinner):
    def ask(self):
        return None


@pytest.mark.parametrize(
    ("sinner", "sentence"),
    [
        (Minimizer, "must maximise"),
        (Silent, r"ask\(\) must return a Population or an array of shape \(candidates, genes\), not None"),
        (Restless, r"same candidates until tell\(\)"),
        (Global, "numpy's global random state"),
        (Seedless, "another seed must give other candidates"),
        (ZeroFiller, "refuse all NaN|fitnesses that are NaN"),
        (Forgetful, "goes on at generation 4, not 0"),
        (Unstorable, "arrays and plain data"),
        (Anything, "another number of genes"),
        (Double, "mean is float32"),
        (Quadratic, "memory must be linear"),
        (InPlace, r"tell\(\) must not change what was asked"),
    ],
)
def test_a_sin_is_found(sinner, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_optimizer(sinner)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("shape", [(9,), (11,), (10, 1), ()])
def test_every_candidate_needs_a_fitness(name, shape):
    optimizer = make_optimizer(name, np.zeros(5), population_size=10)
    with pytest.raises(ValueError, match="10 candidates need as many fitnesses"):
        optimizer.tell(np.zeros(shape))


@pytest.mark.parametrize(("ours", "theirs"), [*itertools.permutations(OPTIMIZERS, 2)])
def test_a_state_of_another_algorithm_is_refused(ours, theirs):
    state = make_optimizer(theirs, np.zeros(5), population_size=10).state_dict()
    with pytest.raises(ValueError, match="the saved optimizer was made with other settings: algorithm"):
        make_optimizer(ours, np.zeros(5), population_size=10).load_state_dict(state)


# Names


def test_an_unknown_optimizer_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown optimizer 'cmaes': choose from openai-es, .*, genetic"):
        get_optimizer("cmaes")


def test_an_option_that_it_does_not_have_is_refused():
    options = "population_size, sigma, learning_rate, sigma_learning_rate"
    with pytest.raises(ValueError, match=f"snes could not be made: .*'learning_rat'; its options are {options}$"):
        make_optimizer("snes", np.zeros(3), learning_rat=0.1)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_are_made_by_name_with_their_options(name):
    optimizer = make_optimizer(name, np.zeros(5), 3, population_size=8)
    assert len(optimizer.ask()) == 8
    assert type(optimizer) is get_optimizer(name)


def test_a_preset_is_evolved_by_another_optimizer():
    preset = get_preset("hebbian").evolved_by("genetic", None, {"mutation_sd": 0.3})
    assert (preset.algorithm, preset.optimizer) == ("genetic", {"population_size": 100, "mutation_sd": 0.3})
    same = get_preset("hebbian").evolved_by(None, 40, {"sigma": 0.2})
    assert same.optimizer == {**get_preset("hebbian").optimizer, "population_size": 40, "sigma": 0.2}
    made = dataclasses.replace(preset, envs=("CartPole-v1",)).make()[1]
    assert isinstance(made, GeneticAlgorithm)


@pytest.fixture
def plug_in(tmp_path):
    """Another package, installed in a folder of its own, with an optimiser under our entry-point group."""
    (tmp_path / "walker.py").write_text(
        "from hebbian_gym import OpenAIES\n\n"
        "class Walker(OpenAIES):\n"
        '    """Walks by itself."""\n\n'
        "def broken(*_, **__):\n    raise TypeError('never made')\n"
    )
    about = tmp_path / "walker-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: walker\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[hebbian_gym.optimizers]\nwalker = walker:Walker\nsnes = walker:broken\n")
    return tmp_path


def test_an_optimizer_of_another_package_is_found_by_its_entry_point(plug_in, monkeypatch):
    monkeypatch.syspath_prepend(str(plug_in))
    assert optimizer_names() == [*OPTIMIZERS, "walker"]
    assert type(make_optimizer("walker", np.zeros(3), population_size=4)).__name__ == "Walker"
    assert get_optimizer("snes").__module__ == "hebbian_gym.optimizers.snes"  # ours cannot be replaced
    assert get_optimizer("walker:Walker") is get_optimizer("walker")
    with pytest.raises(ValueError, match="there is no Stroller in the module walker"):
        get_optimizer("walker:Stroller")


def test_an_optimizer_of_another_package_appears_on_the_command_line(plug_in, tmp_path):
    def run(*arguments):
        command = [sys.executable, "-c", "from hebbian_gym.cli import main; main()", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(plug_in), "COLUMNS": "200"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
        return done.returncode, done.stdout + done.stderr

    status, listed = run("optimizers")
    assert status == 0
    assert "walker: Walks by itself." in listed
    assert all(name in listed for name in OPTIMIZERS)
    assert '{"sigma": 0.1, "learning_rate": 1.0, "sigma_learning_rate": null}' in listed
    train = [
        "train",
        "--env",
        "CartPole-v1",
        "--population",
        "4",
        "--generations",
        "1",
        "--workers",
        "1",
        "--score",
        "0",
    ]
    folder = tmp_path / "run"
    status, told = run(*train, "--optimizer", "walker", "--run-dir", str(folder))
    assert status == 0, told
    own = [*train[:3], "--optimizer", "walker:Walker", *train[3:], "--run-dir", str(tmp_path / "own")]
    assert run(*own)[0] == 0
    resume = ["--resume", str(tmp_path / "own"), "--generations", "2", "--workers", "1", "--score", "0"]
    status, told = run("train", *resume)
    assert status == 0, told
    status, told = run(*train, "--optimizer", "stroller", "--run-dir", str(tmp_path / "none"))
    assert (status, "unknown optimizer 'stroller': choose from openai-es," in told) == (2, True)
    assert not (tmp_path / "none").exists()
    status, told = run(*train, "--optimizer-kwargs", '{"sigma": 0}', "--run-dir", str(tmp_path / "none"))
    assert (status, "sigma and learning_rate must be positive" in told) == (2, True)
    assert not (tmp_path / "none").exists()
