"""The convolutional front end: its features are torch's, it evolves with the rules, and it fits spaces of pixels."""

import copy
import hashlib
import json
import pickle

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch.nn.functional import conv2d, max_pool2d

from hebbian_gym import Architecture, HebbianPolicy, PlasticNetwork
from hebbian_gym.architecture import random_genome
from hebbian_gym.encoder import Conv, encoder_genes, encoder_kernels, encoder_shapes

PAPER = (Conv(6, 3, 1, 2), Conv(8, 5, 2, 2))
SMALL = (Conv(3, 3, 1, 2), Conv(2, 2, 2))
PIXELS = Box(0, 1, (3, 84, 84))
STEERING = Box(np.array([-1, 0, 0], np.float32), np.array([1, 1, 1], np.float32))  # tanh, logistic, logistic
CAR = {"normalize": "max", "learn_from": "raw"}


def make(shape=(3, 14, 12), encoder=SMALL, hidden=(5,), dtype=np.float32, **options):
    """A small car's architecture, and a genome mild enough for some steps."""
    space = Box(0, 255 if dtype == np.uint8 else 1, shape, dtype)
    architecture = Architecture.for_spaces(space, STEERING, hidden=hidden, encoder=encoder, **{**CAR, **options})
    return architecture, random_genome(architecture, seed=1, scale=0.3)


def newborn(architecture, genome, seed=0):
    network = PlasticNetwork(architecture, genome)
    network.reset(seed)
    return network


def pictures(shape, n, seed=0):
    return np.random.default_rng(seed).random((n, *shape), np.float32)


WAITING = {"modulation": "reward"}  # such a network keeps its activities for when it is rewarded


def features(network, picture):
    """What the first layer of a waiting numba network sees."""
    network.act(picture)
    _, _, activities = network.state
    return activities[0, : network.architecture.sizes[0]]


def reference(picture, kernels, encoder):
    """The definition, in torch's float64: convolution, tanh, maximum."""
    x = torch.as_tensor(np.asarray(picture, np.float64))[None]
    for conv, kernel in zip(encoder, kernels, strict=True):
        x = max_pool2d(torch.tanh(conv2d(x, torch.as_tensor(kernel.astype(np.float64)), stride=conv.stride)), conv.pool)
    return x.flatten().numpy()


# Sizes


def test_the_papers_car_has_648_features_1362_kernel_genes_and_458002_in_all():
    architecture = Architecture.for_spaces(PIXELS, STEERING, encoder=PAPER)
    assert architecture.sizes == (648, 128, 64, 3)
    assert encoder_shapes((3, 84, 84), PAPER) == [(6, 41, 41), (8, 9, 9)]
    assert encoder_genes(3, PAPER) == architecture.encoder_genes == 1_362
    assert architecture.genome_size == 458_002
    assert architecture.outputs == ("tanh", "logistic", "logistic")


def test_the_encoder_lies_between_coefficients_and_evolved_weights():
    architecture = Architecture(
        (4, 2), rule="A", encoder=[(1, 2)], observation_shape=(3, 3, 3), initial_weights="evolved"
    )
    genome = np.arange(architecture.genome_size)
    coefficients, initial = architecture.split(genome)
    (kernels,) = architecture.kernels(genome)
    np.testing.assert_array_equal(coefficients[0].ravel(), np.arange(8))
    np.testing.assert_array_equal(kernels, np.arange(8, 20).reshape(1, 3, 2, 2))
    np.testing.assert_array_equal(initial[0].ravel(), np.arange(20, 28))
    network = newborn(architecture, genome)
    np.testing.assert_array_equal(network.weights[0].ravel(), np.arange(20, 28))


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_kernels_are_views_of_the_genes_stage_by_stage(kind):
    genes = kind(np.arange(encoder_genes(3, SMALL)))
    first, second = encoder_kernels(genes, 3, SMALL)
    assert (tuple(first.shape), tuple(second.shape)) == ((3, 3, 3, 3), (2, 3, 2, 2))
    assert (first[1, 2, 0, 1], second[0, 0, 0, 0], second[1, 2, 1, 1]) == (27 + 18 + 1, 81, 81 + 23)
    first[0, 0, 0, 0] = -1
    assert genes[0] == -1


# Features


@st.composite
def stacks(draw):
    """A picture's shape and an encoder that fits it."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)))
    stage = st.builds(Conv, st.integers(1, 5), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
    encoder = tuple(draw(st.lists(stage, min_size=1, max_size=3)))
    try:
        encoder_shapes(shape, encoder)
    except ValueError:
        assume(False)
    return shape, encoder


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(stacks(), st.integers(0, 2**32 - 1))
def test_numba_computes_the_features_of_any_stack_as_torch_does(stack, seed):
    shape, encoder = stack
    architecture, _ = make(shape, encoder, hidden=(), **WAITING)
    network = PlasticNetwork(architecture, random_genome(architecture, seed))
    for picture in 2 * pictures(shape, 2, seed) - 1:
        expected = reference(picture, architecture.kernels(network.genome), encoder)
        np.testing.assert_allclose(features(network, picture), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "encoder"),
    [
        ((3, 84, 84), PAPER),
        ((1, 3, 3000), (Conv(3, 2, 1, 2),)),  # a row alone is more than a block of sums
        ((1, 3000, 3), (Conv(3, 2, 1, 2),)),
        ((2, 9, 9), (Conv(2, 2, 5),)),  # pixels between the kernels are skipped
        ((4, 84, 84), (Conv(32, 8, 4), Conv(64, 4, 2), Conv(64, 3))),
        ((1, 1, 1), (Conv(1, 1),)),
    ],
)
def test_numba_computes_the_features_as_torch_does(shape, encoder):
    architecture, genome = make(shape, encoder, hidden=(), **WAITING)
    network = PlasticNetwork(architecture, genome)
    for picture in pictures(shape, 2):
        expected = reference(picture, architecture.kernels(genome), encoder)
        np.testing.assert_allclose(features(network, picture), expected, rtol=0, atol=1e-5)


def test_the_same_picture_gives_the_same_bits_fresh_or_used():
    architecture, genome = make((3, 84, 84), PAPER, **WAITING)
    first, second = pictures((3, 84, 84), 2)
    used = newborn(architecture, genome)
    expected = features(used, first)
    features(used, second)
    np.testing.assert_array_equal(features(used, first), expected)
    np.testing.assert_array_equal(features(newborn(architecture, genome), first), expected)


def test_a_picture_is_left_as_it_was_and_may_be_read_only_and_anywhere_in_memory():
    network = newborn(*make(**WAITING))
    picture = pictures((3, 14, 12), 1)[0]
    before = picture.copy()
    expected = features(network, picture)
    np.testing.assert_array_equal(picture, before)
    picture.flags.writeable = False
    transposed = np.ascontiguousarray(picture.transpose(1, 2, 0)).transpose(2, 0, 1)
    for same in (picture, transposed, picture[:, ::-1].copy()[:, ::-1], picture.astype(np.float64), picture.tolist()):
        np.testing.assert_array_equal(features(network, same), expected)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_a_copy_of_a_network_with_an_encoder_acts_as_the_original(duplicate):
    network = newborn(*make())
    twin = duplicate(network)
    for picture in pictures((3, 14, 12), 3):
        np.testing.assert_array_equal(twin.act(picture), network.act(picture))


# A life on pixels


@pytest.mark.parametrize("options", [CAR, {"normalize": "none", "average_over": 3, "initial_weights": "evolved"}])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize(("shape", "encoder"), [((3, 14, 12), SMALL), ((3, 84, 84), PAPER)])
def test_torch_and_numba_live_the_same_life_on_pixels(shape, encoder, dtype, options):
    architecture, genome = make(shape, encoder, (8, 4), dtype, **options)
    assert architecture.outputs == ("tanh", "logistic", "logistic")
    network, policy = newborn(architecture, genome, seed=3), HebbianPolicy(architecture, genome)
    policy.reset(seed=3)
    seen = pictures((2, *shape), 20)
    if dtype == np.uint8:
        seen = (255 * seen).astype(np.uint8)
    before = [weights.copy() for weights in network.weights]
    for observations in seen:
        action = network.act(observations[0])
        np.testing.assert_allclose(action, policy.act(observations)[0], rtol=1e-3, atol=1e-4)
    for ours, theirs, newborns in zip(network.weights, policy.weights, before, strict=True):
        np.testing.assert_allclose(ours, theirs[0], rtol=1e-3, atol=1e-4)
        assert not np.allclose(ours, newborns, atol=1e-3)


def test_acting_predicting_and_the_network_alone_are_the_same_life():
    architecture, genome = make()
    policy, network = HebbianPolicy(architecture, genome), newborn(architecture, genome, 2)
    policy.reset(seed=2)
    seen = pictures((3, 14, 12), 5)
    expected = [network.act(picture) for picture in seen]
    np.testing.assert_array_equal([policy.act(picture) for picture in seen], expected)
    policy.reset(seed=2)
    state, actions = None, []
    for picture in seen:
        action, state = policy.predict(picture[None], state)
        actions.append(action[0])
    np.testing.assert_array_equal(actions, expected)


def test_bytes_are_observed_as_floats_from_zero_to_one():
    architecture, genome = make(dtype=np.uint8, **WAITING)
    floats, _ = make(**WAITING)
    assert (architecture.observation_scale, floats.observation_scale) == (1 / 255, 1.0)
    network, other = newborn(architecture, genome), newborn(floats, genome)
    for picture in np.random.default_rng(0).integers(256, size=(5, 3, 14, 12), dtype=np.uint8):
        expected = features(other, picture / np.float32(255))
        np.testing.assert_allclose(features(network, picture), expected, rtol=1e-5, atol=1e-6)


def test_a_scale_of_ones_own_is_kept_and_small_counts_are_not_scaled():
    space = Box(0, 255, (3, 14, 12), np.uint8)
    assert Architecture.for_spaces(space, STEERING, encoder=SMALL, observation_scale=1.0).observation_scale == 1
    assert Architecture.for_spaces(space, STEERING).observation_scale == 1 / 255
    assert Architecture.for_spaces(Box(0, 5, (4,), np.uint8), STEERING).observation_scale == 1


def test_the_scale_is_a_factor_without_an_encoder_too():
    plain, scaled = (Architecture((3, 4, 2), observation_scale=scale, **CAR) for scale in (1.0, 0.25))
    genome = random_genome(plain)
    observations = np.random.default_rng(0).standard_normal((6, 2, 3)).astype(np.float32)
    lives = []
    for architecture, factor in ((plain, 0.25), (scaled, 1)):
        network, policy = newborn(architecture, genome), HebbianPolicy(architecture, genome)
        policy.reset(seed=0)
        for observation in observations:
            action = network.act(factor * observation[0])
            assert policy.act(factor * observation)[0] == action
        lives.append(np.concatenate([layer.ravel() for layer in network.weights]))
    np.testing.assert_array_equal(*lives)


# Gradients


def test_the_gradient_reaches_the_encoders_genes_and_is_that_of_finite_differences():
    architecture, genome = make((1, 8, 7), (Conv(2, 3, 1, 2), Conv(2, 2)), hidden=(3,), normalize="none")
    policy = HebbianPolicy(architecture, genome).double()
    seen = torch.as_tensor(pictures((2, 1, 8, 7), 3).astype(np.float64))
    start = policy.birth(2, 0)

    def live():
        """Squares of the actions over three steps of acting and learning."""
        lifetimes, total = start, torch.zeros((), dtype=torch.float64)
        for observations in seen:
            actions, lifetimes = policy(observations, lifetimes)
            total = total + (actions**2).sum()
        return total

    live().backward()
    first = architecture.coefficient_genes
    checked = range(first, first + architecture.encoder_genes)
    differences = []
    for gene in checked:
        values = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                policy.genes[gene] += step
                values.append(live().item())
                policy.genes[gene] -= step
        differences.append((values[0] - values[1]) / 2e-6)
    gradient = policy.genes.grad[checked.start : checked.stop].numpy()
    np.testing.assert_allclose(gradient, differences, rtol=1e-5, atol=1e-7)
    assert (gradient != 0).all()


# The first genome


@pytest.mark.parametrize(
    ("options", "scale", "digest"),
    [
        ({}, 1.0, "47e7cb53a387c18d"),
        ({}, 0.5, "2b68ec83a1eac6e2"),
        ({"initial_weights": "evolved"}, 1.0, "988cd3609200563a"),
        ({"initial_weights": "evolved"}, 0.5, "3ecc1473c5f5450e"),
        ({"rule": "static", "initial_weights": "evolved"}, 0.5, "479597574963d779"),
    ],
)
def test_genomes_without_an_encoder_are_those_of_before_there_were_encoders(options, scale, digest):
    genome = random_genome(Architecture((5, 4, 3), **options), 7, scale)
    assert hashlib.sha256(genome.tobytes()).hexdigest()[:16] == digest


@pytest.mark.parametrize("initial_weights", ["uniform", "evolved"])
def test_kernels_begin_uniform_by_their_fan_in_whatever_the_scale_and_beside_the_same_other_genes(initial_weights):
    architecture, _ = make((3, 84, 84), PAPER, initial_weights=initial_weights)
    genome, milder = random_genome(architecture, 2), random_genome(architecture, 2, scale=0.1)
    kernels = zip(architecture.kernels(genome), architecture.kernels(milder), (27, 150), strict=True)
    for kernel, same, fan_in in kernels:
        assert 0.95 < np.abs(kernel).max() * fan_in**0.5 < 1.0001
        assert np.std(kernel) == pytest.approx((3 * fan_in) ** -0.5, rel=0.1)
        np.testing.assert_array_equal(kernel, same)
    plain = Architecture(architecture.sizes, initial_weights=initial_weights)
    first = architecture.coefficient_genes
    others = np.delete(genome, slice(first, first + architecture.encoder_genes))
    np.testing.assert_array_equal(others, random_genome(plain, 2))
    assert genome.dtype == np.float32


# Data, files, bad input


def test_an_architecture_with_an_encoder_survives_json_and_hashes():
    architecture, _ = make(dtype=np.uint8)
    again = Architecture(**json.loads(json.dumps(architecture.to_json())))
    assert again == architecture
    assert hash(again) == hash(architecture)
    assert again.encoder == SMALL
    assert all(type(stage) is Conv for stage in again.encoder)


def test_an_architecture_of_before_there_were_encoders_is_read_as_one_without():
    architecture = Architecture((5, 4, 3))
    data = architecture.to_json()
    assert (data.pop("encoder"), data.pop("observation_scale")) == ([], 1.0)
    assert Architecture(**data) == architecture


def test_stages_may_be_given_as_plain_numbers():
    assert make(encoder=[[3, 3, 1, 2], (2, 2, 2)])[0] == make()[0]


def test_a_policy_with_an_encoder_is_saved_and_loaded(tmp_path):
    architecture, genome = make(dtype=np.uint8)
    policy = HebbianPolicy(architecture, genome)
    policy.save(tmp_path / "car.npz")
    loaded = HebbianPolicy.load(tmp_path / "car.npz")
    assert loaded.architecture == architecture
    for each in (policy, loaded):
        each.reset(seed=1)
    for picture in np.random.default_rng(0).integers(256, size=(5, 3, 14, 12), dtype=np.uint8):
        np.testing.assert_array_equal(loaded.act(picture), policy.act(picture))


@pytest.mark.parametrize(
    ("shape", "encoder", "sentence"),
    [
        ((84, 84), PAPER, r"channels first, not \(84, 84\): wrap the environment"),
        ((1, 3, 84, 84), PAPER, "channels first"),
        ((84, 84, 3), PAPER, r"stage 1 .*does not fit the 84 x 3 pixels .* transpose observations"),
        ((3, 84, 84), (*PAPER, Conv(4, 10)), r"stage 3 .*kernel=10.* does not fit the 9 x 9 pixels .* smaller kernel"),
        ((3, 84, 84), (Conv(4, 3, 1, 83),), "stage 1 .*does not fit the 84 x 84 pixels"),
        ((3, 84, 84), (Conv(0, 3),), "stage 1 .*filters=0.*positive numbers"),
        ((3, 84, 84), (Conv(4, 3), Conv(4, 3, 0)), "stage 2 .*stride=0.*positive numbers"),
        ((3, 84, 84), (Conv(4, 3, 1, -2),), "stage 1 .*pool=-2.*positive numbers"),
    ],
)
def test_an_encoder_that_does_not_fit_is_refused_with_the_cure(shape, encoder, sentence):
    with pytest.raises(ValueError, match=sentence):
        Architecture.for_spaces(Box(0, 1, shape), STEERING, encoder=encoder)
    with pytest.raises(ValueError, match=sentence):
        Architecture((648, 3), observation_shape=shape, encoder=encoder)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"observation_shape": (3, 84, 84)}, r"\(8, 9, 9\): sizes must begin with 648 inputs, not 5"),
        ({"discrete_observations": 5}, "leave it out where observations are discrete"),
        ({}, r"channels first, not \(5,\)"),
    ],
)
def test_an_encoder_with_other_sizes_is_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        Architecture((5, 3), encoder=PAPER, **options)


def test_an_encoder_for_discrete_observations_is_refused():
    with pytest.raises(ValueError, match="leave it out where observations are discrete"):
        Architecture.for_spaces(Discrete(5), STEERING, encoder=PAPER)


@pytest.mark.parametrize("scale", [0, -1, np.inf, np.nan])
def test_an_impossible_scale_is_refused(scale):
    with pytest.raises(ValueError, match="observation_scale must be a positive number"):
        Architecture((5, 3), observation_scale=scale)


@pytest.mark.parametrize("shape", [(3, 12, 14), (14, 12, 3), (504,), (3, 14)])
def test_a_picture_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"pictures of shape \(3, 14, 12\) \(channels, height, width\), not"):
        newborn(*make()).act(np.zeros(shape, np.float32))


def test_a_genome_without_the_encoders_genes_is_refused_with_their_number():
    architecture, genome = make()
    with pytest.raises(ValueError, match="after an encoder of 105 genes"):
        PlasticNetwork(architecture, genome[:-105])
