"""The compiled update: kept for the next process where that is safe, compiled anew where it is not."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hebbian_gym import PlasticNetwork, learning, register_rule
from hebbian_gym.architecture import Architecture, random_genome
from hebbian_gym.rules import RULES, get_rule

SCALE = 2.0


@pytest.fixture
def rules():
    """Rules of a test's own, forgotten afterwards."""
    before = dict(RULES)
    yield
    RULES.clear()
    RULES.update(before)


@pytest.fixture
def compile_anew():
    learning.compile_learning.cache_clear()
    yield
    learning.compile_learning.cache_clear()


def lived(rule):
    """Weights after a few steps."""
    architecture = Architecture((3, 4, 2), rule=rule)
    network = PlasticNetwork(architecture, random_genome(architecture, seed=1))
    network.reset(0)
    for observation in np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32):
        network.act(observation)
    return np.concatenate([layer.ravel() for layer in network.weights])


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.delta is not None])
def test_every_rule_of_ours_is_kept(name):
    assert learning._arithmetic(get_rule(name).delta) is not None


def test_another_process_finds_what_this_one_compiled():
    script = """if True:
        from test_learning import lived
        from hebbian_gym import learning
        from hebbian_gym.rules import get_rule
        lived("ABCD")
        print(sum(learning.compile_learning(get_rule("ABCD").delta, 5).stats.cache_hits.values()))
    """
    lived("ABCD")
    command = [sys.executable, "-c", script]
    told = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent, timeout=300
    ).stdout
    assert told.strip() == "1"


def test_what_is_kept_has_the_bits_of_what_is_not(compile_anew, monkeypatch):
    kept = lived("ABCD")
    learning.compile_learning.cache_clear()
    monkeypatch.setattr(learning, "_arithmetic", lambda delta: None)
    np.testing.assert_array_equal(lived("ABCD"), kept)


def test_a_formula_that_uses_more_than_its_arguments_follows_what_it_uses(rules):
    @register_rule("scaled")
    def scaled(pre, post, weight, A):
        return SCALE * A * pre * post

    factor = np.float32(3.0)

    @register_rule("closed")
    def closed(pre, post, weight, A):
        return factor * A * pre * post

    for name, expected in (("scaled", SCALE), ("closed", 3.0)):
        assert learning._arithmetic(get_rule(name).delta) is None
        register_rule(f"{name} by hand")(plain(expected))
        np.testing.assert_allclose(lived(name), lived(f"{name} by hand"), rtol=1e-6)


def plain(value):
    """A formula from text, of which there is no file."""
    namespace = {}
    exec(f"def formula(pre, post, weight, A):\n    return {value} * A * pre * post", namespace)
    assert learning._arithmetic(namespace["formula"]) is None
    return namespace["formula"]


def test_a_formula_whose_file_has_changed_is_not_taken_from_it(tmp_path, monkeypatch):
    file = tmp_path / "edited.py"
    file.write_text("def formula(pre, post, weight, A):\n    return A * pre * post\n")
    monkeypatch.syspath_prepend(tmp_path)
    import edited

    assert learning._arithmetic(edited.formula) is not None
    file.write_text("def formula(pre, post, weight, A):\n    return A * pre - post\n")
    assert learning._arithmetic(edited.formula) is None


def test_without_a_folder_to_write_to_it_compiles_all_the_same(compile_anew, monkeypatch):
    def full(*_, **__):
        raise OSError("no space")

    expected = lived("AD_eta")
    learning.compile_learning.cache_clear()
    monkeypatch.setattr(learning.Path, "exists", full)
    assert learning._kept("some text") is None
    monkeypatch.undo()
    monkeypatch.setattr(learning, "_kept", lambda text: None)
    np.testing.assert_array_equal(lived("AD_eta"), expected)
