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
def compile_anew():
    learning.compile_learning.cache_clear()
    yield
    learning.compile_learning.cache_clear()


def kept(delta, coefficients=1):
    """Whether what is compiled for a formula is kept for the next process."""
    return learning.compile_learning(delta, coefficients).stats.cache_path is not None


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
    assert kept(get_rule(name).delta, len(get_rule(name).coefficients))


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


def test_what_is_kept_has_the_bits_of_what_is_not(registry):
    formula = typed("A, B, C, eta, D", "eta * (A * (pre * post) + B * pre + C * post + D)")
    register_rule("ABCD, typed in")(formula)
    assert not kept(formula, 5)
    np.testing.assert_array_equal(lived("ABCD, typed in"), lived("ABCD"))


def test_a_formula_that_uses_more_than_its_arguments_follows_what_it_uses(registry):
    @register_rule("scaled")
    def scaled(pre, post, weight, A):
        return SCALE * A * pre * post

    factor = np.float32(3.0)

    @register_rule("closed")
    def closed(pre, post, weight, A):
        return factor * A * pre * post

    for name, expected in (("scaled", SCALE), ("closed", 3.0)):
        assert not kept(get_rule(name).delta)
        register_rule(f"{name} by hand")(typed("A", f"{expected} * A * pre * post"))
        np.testing.assert_allclose(lived(name), lived(f"{name} by hand"), rtol=1e-6)


def typed(coefficients, text):
    """A formula of which there is no file."""
    namespace = {}
    exec(f"def formula(pre, post, weight, {coefficients}):\n    return {text}", namespace)
    return namespace["formula"]


def test_a_formula_whose_file_has_changed_is_not_taken_from_it(compile_anew, tmp_path, monkeypatch):
    file = tmp_path / "edited.py"
    file.write_text("def formula(pre, post, weight, A):\n    return A * pre * post\n")
    monkeypatch.syspath_prepend(tmp_path)
    import edited

    assert kept(edited.formula)
    learning.compile_learning.cache_clear()
    file.write_text("def formula(pre, post, weight, A):\n    return A * pre - post\n")
    assert not kept(edited.formula)


def test_without_a_folder_to_write_to_it_compiles_all_the_same(compile_anew, monkeypatch):
    def full(*_, **__):
        raise OSError("no space")

    expected, delta = lived("AD_eta"), get_rule("AD_eta").delta
    assert kept(delta, 3)
    learning.compile_learning.cache_clear()
    for module in [name for name in sys.modules if name.startswith("hebbian_gym_learning_")]:
        monkeypatch.delitem(sys.modules, module)  # as in a new process
    monkeypatch.setattr(learning.Path, "exists", full)
    np.testing.assert_array_equal(lived("AD_eta"), expected)
    assert not kept(delta, 3)
