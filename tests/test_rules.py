"""Every rule, in both implementations, against a literal double loop over synapses."""

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hebbian_gym import RULES, Architecture, HebbianPolicy, PlasticNetwork, register_rule
from hebbian_gym.architecture import random_genome
from hebbian_gym.rules import get_rule

FORMULAS = {  # written from Najarro & Risi (2020), eq. 1 and figure 8: o_i, o_j and the coefficients by name
    "A": ("A", lambda i, j, h: h["A"] * i * j),
    "AD": ("A D", lambda i, j, h: h["A"] * i * j + h["D"]),
    "AD_eta": ("A eta D", lambda i, j, h: h["eta"] * (h["A"] * i * j + h["D"])),
    "ABC": ("A B C", lambda i, j, h: h["A"] * i * j + h["B"] * i + h["C"] * j),
    "ABC_eta": ("A B C eta", lambda i, j, h: h["eta"] * (h["A"] * i * j + h["B"] * i + h["C"] * j)),
    "ABCD_without_eta": ("A B C D", lambda i, j, h: h["A"] * i * j + h["B"] * i + h["C"] * j + h["D"]),
    "ABCD": ("A B C eta D", lambda i, j, h: h["eta"] * (h["A"] * i * j + h["B"] * i + h["C"] * j + h["D"])),
    "ABCD_D_out": ("A B C eta D", lambda i, j, h: h["eta"] * (h["A"] * i * j + h["B"] * i + h["C"] * j) + h["D"]),
    "ABCD_D_in_and_out": (
        "A B C eta D_in D_out",
        lambda i, j, h: h["eta"] * (h["A"] * i * j + h["B"] * i + h["C"] * j + h["D_in"]) + h["D_out"],
    ),
    "reward_modulated": (  # here without modulation: the modulator is 1; the rest is in test_modulation.py
        "reward_pre_post reward_post reward_pre reward_one pre_post post_only pre_only one eta",
        lambda i, j, h: h["eta"] * (
            h["reward_pre_post"] * i * j + h["reward_post"] * j + h["reward_pre"] * i + h["reward_one"]
            + h["pre_post"] * i * j + h["post_only"] * j + h["pre_only"] * i + h["one"]
        ),
    ),
    "static": ("", lambda i, j, h: 0.0),
}  # fmt: skip
PAPER_CODE_NAMES = {
    "AD_lr": "AD_eta",
    "ABC_lr": "ABC_eta",
    "ABCD_lr": "ABCD",
    "ABCD_lr_D_in": "ABCD",
    "ABCD_lr_D_out": "ABCD_D_out",
    "ABCD_lr_D_in_and_out": "ABCD_D_in_and_out",
}
RULE_NAMES = tuple(RULES)  # at import: before any test registers its own
SIZES = (4, 5, 3)


def double_loop(formula, names, genome, weights, observations):
    """Live through the observations in float64, synapse by synapse; the weights change in place."""
    for observation in observations:
        activity, gene = [list(observation)], 0
        for w in weights:
            sums = [sum(x * w[i][j] for i, x in enumerate(activity[-1])) for j in range(len(w[0]))]
            activity.append([math.tanh(s) for s in sums])
        for layer, w in enumerate(weights):
            n, m = len(w), len(w[0])
            for i in range(n):
                for j in range(m):
                    own = {name: genome[gene + k * n * m + i * m + j] for k, name in enumerate(names)}
                    w[i][j] += formula(activity[layer][i], activity[layer + 1][j], own)
            gene += len(names) * n * m


def numba_weights(architecture, genome, births, observations):
    network = PlasticNetwork(architecture, genome)
    for layer, weights in zip(network.weights, births, strict=True):
        layer[:] = weights
    for observation in observations:
        network.act(observation)
    return network.weights


def torch_weights(architecture, genome, births, observations):
    policy = HebbianPolicy(architecture, genome)
    lifetimes = policy.birth(1, 0)
    for layer, weights in zip(lifetimes.weights, births, strict=True):
        layer[:] = torch.from_numpy(weights)
    for observation in observations:
        _, lifetimes = policy(torch.from_numpy(observation[None]), lifetimes)
    return [layer[0].detach().numpy() for layer in lifetimes.weights]


def assert_equals_double_loop(run, rule, names, formula):
    architecture = Architecture(SIZES, rule=rule)
    rng = np.random.default_rng(0)
    births = architecture.birth(rng)
    observations = rng.standard_normal((3, SIZES[0])).astype(np.float32)
    genome = random_genome(architecture, seed=1)
    expected = [layer.astype(float).tolist() for layer in births]
    double_loop(formula, names, genome.astype(float), expected, observations.astype(float).tolist())
    for ours, loops in zip(run(architecture, genome, births, observations), expected, strict=True):
        np.testing.assert_allclose(ours, loops, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("run", [numba_weights, torch_weights])
def test_a_rule_equals_a_double_loop_over_synapses(run, rule):
    names, formula = FORMULAS[rule]
    assert_equals_double_loop(run, rule, names.split(), formula)


@pytest.mark.parametrize("rule", FORMULAS)
def test_coefficients_and_their_order(rule):
    assert " ".join(get_rule(rule).coefficients) == FORMULAS[rule][0]


@pytest.mark.parametrize(("alias", "name"), PAPER_CODE_NAMES.items())
def test_names_of_the_papers_code_are_aliases(alias, name):
    assert get_rule(alias) is RULES[name]
    assert Architecture(SIZES, rule=alias) == Architecture(SIZES, rule=name)


def test_an_unknown_rule_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown rule 'hebb': choose from A, AD, .*\"my_module:hebb\""):
        Architecture(SIZES, rule="hebb")


@pytest.mark.parametrize("names", [("ABCD",), ("AD_lr",), ("mine", "ABC"), ("mine", "ABC_lr")])
def test_a_name_or_alias_is_taken_once(registry, names):
    with pytest.raises(ValueError, match=f"{names[-1]!r} is already registered"):
        register_rule(*names)(lambda pre, post, weight, A: A)
    assert "mine" not in RULES


@pytest.mark.parametrize(
    "formula",
    [
        lambda pre, post, A: A * pre * post,
        lambda post, pre, weight, A: A * pre * post,
        lambda pre, post, weight, *rates: 0.0,
        lambda pre, post, weight, *, rate: 0.0,
        lambda pre, post, weight, **rates: 0.0,
    ],
)
def test_a_formula_with_another_signature_is_refused(registry, formula):
    with pytest.raises(ValueError, match=r"pre, post, weight"):
        register_rule("mine")(formula)
    assert "mine" not in RULES


@pytest.mark.parametrize(
    "formula",
    [
        lambda pre, post, weight, A, modulator: A * modulator,
        lambda pre, post, weight, A, B, modulator, C: A * modulator,
    ],
)
def test_a_modulator_anywhere_else_is_refused(registry, formula):
    with pytest.raises(ValueError, match=r"'mine' must have its modulator directly after the weight"):
        register_rule("mine")(formula)
    assert "mine" not in RULES


def test_a_modulator_is_no_coefficient(registry):
    @register_rule("gated")
    def gated(pre, post, weight, modulator, gain):
        return gain * modulator * modulator * pre * post

    assert (get_rule("gated").coefficients, get_rule("gated").modulated) == (("gain",), True)
    assert not get_rule("ABCD").modulated
    network = PlasticNetwork(Architecture((1, 1), rule="gated", modulation="reward"), np.array([0.5], np.float32))
    network.weights[0][:] = 0.3
    network.act(np.ones(1))
    network.learn(3)
    np.testing.assert_allclose(network.weights[0], 0.3 + 0.5 * 9 * math.tanh(0.3), rtol=1e-5)


@pytest.mark.parametrize("run", [numba_weights, torch_weights])
def test_a_rule_of_ones_own_runs_in_both_implementations(registry, run):
    @register_rule("bounded")
    def bounded(pre, post, weight, gain, decay):
        return gain * pre * post * (1 - weight * weight) - decay * weight

    architecture = Architecture((2, 1), rule="bounded")
    genome = np.array([0.5, -0.25, 0.1, 0.2], np.float32)  # gain of both synapses, then decay of both
    births = [np.array([[0.3], [-0.6]], np.float32)]
    pre = np.array([1.0, -2.0], np.float32)
    post = math.tanh(0.3 + 1.2)
    expected = [
        0.3 + 0.5 * 1.0 * post * (1 - 0.3**2) - 0.1 * 0.3,
        -0.6 - 0.25 * -2.0 * post * (1 - 0.6**2) + 0.2 * 0.6,
    ]
    (ours,) = run(architecture, genome, births, pre[None])
    np.testing.assert_allclose(ours[:, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("run", [numba_weights, torch_weights])
def test_a_rule_may_have_nothing_to_evolve(registry, run):
    @register_rule("hebb")
    def hebb(pre, post, weight):
        return 0.5 * pre * post

    (ours,) = run(Architecture((1, 1), rule="hebb"), np.zeros(0), [np.array([[0.3]], np.float32)], np.ones((1, 1), "f"))
    np.testing.assert_allclose(ours, 0.3 + 0.5 * math.tanh(0.3), rtol=1e-5)


def test_the_example_of_a_rule_of_ones_own_learns():
    script = Path(__file__).parents[1] / "examples" / "own_rule.py"
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    before, after = (float(re.search(rf"{when}\D*(\d+)", result.stdout)[1]) for when in ("before", "after"))
    assert after > 2 * before, result.stdout


def cell(factor):
    """A notebook's cell, run with this factor in it."""

    def mine(pre, post, weight, a):
        return factor * a * pre

    return register_rule("mine_again")(mine)


def test_a_cell_that_is_run_again_replaces_its_own_rule(registry):
    assert get_rule(cell(1).__name__ + "_again").delta(1.0, 1.0, 0.0, 3.0) == 3.0
    cell(2)
    assert get_rule("mine_again").delta(1.0, 1.0, 0.0, 3.0) == 6.0
    with pytest.raises(ValueError, match="'mine_again' is already registered"):
        register_rule("mine_again")(lambda pre, post, weight, a: a)


def test_a_default_which_evolution_would_ignore_is_refused(registry):
    with pytest.raises(ValueError, match="decay of rule 'leak' would be evolved"):

        @register_rule("leak")
        def leak(pre, post, weight, a, decay=0.1):
            return a * pre - decay * weight


def test_a_rule_that_names_its_module_is_imported_from_there_also_by_workers_and_files(tmp_path):
    (tmp_path / "my_rules.py").write_text(
        "import hebbian_gym as hg\n\n@hg.register_rule('borne', 'worn')\n"
        "def borne(pre, post, weight, a):\n    return a * pre\n"
    )
    script = """
import hebbian_gym as hg
if __name__ == "__main__":
    policy = hg.HebbianPolicy.for_env("CartPole-v1", rule="my_rules:worn", hidden=())
    assert policy.architecture.rule == "my_rules:borne"
    policy.save("policy.npz")
    print(*hg.evaluate(policy, "CartPole-v1", 2, workers=2).score)
"""
    again = """
import hebbian_gym as hg
print(*hg.evaluate(hg.HebbianPolicy.load("policy.npz"), "CartPole-v1", 2).score)
"""
    for name, text in (("script.py", script), ("again.py", again)):
        (tmp_path / name).write_text(text)
    told = [
        subprocess.run([sys.executable, name], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=True)
        for name in ("script.py", "again.py")
    ]
    assert told[0].stdout == told[1].stdout != ""


def test_a_rule_without_a_name_says_how_to_give_one():
    with pytest.raises(TypeError, match=r'a rule needs a name: @register_rule\("mine"\)'):

        @register_rule
        def mine(pre, post, weight, a):
            return a * pre
