"""What a plastic network is made of, as data: sizes, rule, birth, squashing, stabilisers, and its genome's layout."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

from .births import INITIAL_WEIGHTS, random_weights
from .encoder import Conv, encoder_genes, encoder_kernels, encoder_shapes
from .registration import find_spec
from .rules import Rule, get_rule
from .spaces import as_stages, network_inputs, network_outputs

Array = NDArray[np.float32]

SQUASHES = ("tanh", "logistic", "raw", "step")
SHARINGS = ("synapse", "layer", "network")
MODULATIONS = ("none", "output", "reward")
NORMALIZATIONS = ("none", "max", "l2", "zscore", "clip")
_CHOICES = {
    "initial_weights": INITIAL_WEIGHTS,
    "sharing": SHARINGS,
    "modulation": MODULATIONS,
    "normalize": NORMALIZATIONS,
    "learn_from": ("squashed", "raw"),
}
_TYPES: dict[str, tuple[type, str]] = {
    "int": (Integral, "whole number"),
    "float": (Real, "number"),
    "str": (str, "name"),
}


@dataclass(frozen=True)
class Architecture:
    """A network of dense layers without bias, whose synapses change by a plasticity rule.

    Attributes:
        sizes: neurons of each layer, inputs first; with an encoder these are its features.
        rule: name of the rule, see :mod:`hebbian_gym.rules`; "module:name" imports one of your own wherever the network
            is made.
        outputs: for each output of the action how it is squashed: "tanh", "logistic", "raw" or "step" (1 where the
            weighted sum is above 0, else 0; without a gradient).
        low, high: bounds that squashed outputs are scaled to; empty for discrete actions (the largest output wins).
        observation_shape: of one observation, which is flattened; () for discrete ones.
        discrete_observations: their number if the observation is one integer (one-hot encoded), else 0.
        first_observation, first_action: where discrete ones start.
        action_shape: of one action, if it is not simply (outputs,).
        learn_from: "squashed" if the last layer's post-synaptic activity is the squashed output (the paper's Ant),
            "raw" if it is the weighted sum (the paper's car).
        initial_weights: distribution at birth, one of :data:`INITIAL_WEIGHTS`; "evolved" adds them to the genome.
        initial_scale: half-width of "uniform", standard deviation of "normal" and of "sparse".
        normalize: what is done to the weights after each update. "max": every layer is divided by its largest absolute
            weight (HAN's condition B). For each neuron's incoming weights: "l2": divided by their norm; "zscore": their
            mean is subtracted, then they are divided by their norm; "clip": to [-1, 1]. Where there would be a division
            by zero, weights stay as they are.
        update_every: learn only at every k-th step (HAN's conditions D and E).
        average_over: learn from activities averaged over so many steps (HAN's conditions C and E).
        encoder: stages of convolution before the first layer, evolved but not plastic; for pictures whose
            ``observation_shape`` is (channels, height, width).
        observation_scale: what observations are multiplied by (discrete ones are not).
        sharing: who has coefficients of its own: every "synapse" (the paper), every "layer", whose synapses share one
            set, or the "network", with one set in all.
        modulation: when an update happens, and with which modulator. "none": in every act, with 1. "output": in every
            act, with the tanh of the weighted sum of one more output neuron (the last of ``sizes[-1]``), which is no
            part of the action. "reward": not in the act, but when ``learn(modulator)`` is called with what came of it.
            The modulator goes into the formula of a rule that takes one; the change by any other rule is multiplied
            by it.

    Raises:
        ValueError: for a value outside these.
    """

    sizes: tuple[int, ...]
    rule: str = "ABCD"
    outputs: tuple[str, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    observation_shape: tuple[int, ...] = ()
    discrete_observations: int = 0
    first_observation: int = 0
    first_action: int = 0
    action_shape: tuple[int, ...] = ()
    learn_from: str = "squashed"
    initial_weights: str = "uniform"
    initial_scale: float = 0.1
    normalize: str = "none"
    update_every: int = 1
    average_over: int = 1
    encoder: tuple[Conv, ...] = ()
    observation_scale: float = 1.0
    sharing: str = "synapse"
    modulation: str = "none"

    def __post_init__(self) -> None:
        for field in fields(self):  # lists become tuples, so that a JSON round trip compares equal
            if isinstance(value := getattr(self, field.name), list):
                object.__setattr__(self, field.name, tuple(value))
        object.__setattr__(self, "encoder", as_stages(self.encoder))
        self._check_types()
        module, colon, _ = self.rule.rpartition(":")
        object.__setattr__(self, "rule", f"{module}{colon}{get_rule(self.rule).name}")  # an alias becomes the name
        self._check_choices()
        self._check_inputs()
        self._check_outputs()
        if self.update_every < 1 or self.average_over < 1:
            raise ValueError("update_every and average_over must be 1 or more")
        if not 0 < self.observation_scale < math.inf:
            raise ValueError(f"observation_scale must be a positive number, not {self.observation_scale}")

    def _check_types(self) -> None:
        for field in fields(self):
            if field.name == "encoder":
                continue
            type_, value = str(field.type), getattr(self, field.name)
            kind, told = _TYPES[type_.removeprefix("tuple[").removesuffix(", ...]")]
            if type_.startswith("tuple"):
                fits, told = isinstance(value, tuple) and all(isinstance(each, kind) for each in value), f"{told}s"
            else:
                fits, told = isinstance(value, kind), f"a {told}"
            if not fits:
                raise ValueError(f"{field.name} must be {told}, not {value!r}")

    def _check_choices(self) -> None:
        for name, choices in _CHOICES.items():
            if (value := getattr(self, name)) not in choices:
                raise ValueError(f"unknown {name} {value!r}: choose from {', '.join(choices)}")

    def _check_inputs(self) -> None:
        if len(self.sizes) < 2 or min(self.sizes) < 1:
            raise ValueError(f"sizes must be two or more positive numbers, inputs first, not {self.sizes}")
        if not self.observation_shape and not self.discrete_observations:
            object.__setattr__(self, "observation_shape", (self.sizes[0],))
        if self.encoder:
            self._check_encoder()
        elif math.prod(self.observation_shape) * (self.discrete_observations or 1) != self.sizes[0]:
            raise ValueError(f"{self.sizes[0]} inputs do not fit observations of shape {self.observation_shape}")

    def _check_outputs(self) -> None:
        size, besides = self.action_size, ""
        if self.modulation == "output":
            besides = " besides the one that modulates"
            if size < 1:
                raise ValueError(
                    'modulation "output" needs one more output than the action: sizes must end with 2 or more'
                )
        if not self.outputs:
            object.__setattr__(self, "outputs", ("tanh",) * size)
        if len(self.outputs) != size or not set(self.outputs) <= set(SQUASHES):
            raise ValueError(
                f"outputs must name one of {SQUASHES} for each of {size} outputs{besides}, not {self.outputs}"
            )
        if not len(self.low) == len(self.high) or (self.low and len(self.low) != size):
            raise ValueError(f"low and high must have a bound for each of {size} outputs{besides}, or none")

    def _check_encoder(self) -> None:
        if self.discrete_observations:
            raise ValueError("an encoder is for pictures: leave it out where observations are discrete")
        features = encoder_shapes(self.observation_shape, self.encoder)[-1]
        if math.prod(features) != self.sizes[0]:
            raise ValueError(
                f"the encoder's features have shape {features}: sizes must begin with {math.prod(features)} inputs, "
                f"not {self.sizes[0]}"
            )

    @classmethod
    def for_spaces(
        cls,
        observation: gym.Space[Any],
        action: gym.Space[Any],
        hidden: Sequence[int] | int = (128, 64),
        **options: Any,
    ) -> Architecture:
        """The network that fits an environment's spaces.

        Args:
            observation: as :func:`~hebbian_gym.spaces.network_inputs` takes it.
            action: as :func:`~hebbian_gym.spaces.network_outputs` takes it.
            hidden: sizes of the hidden layers; a number for one layer.
            options: any other attribute; ``outputs`` replaces the squashing that would be chosen.

        Raises:
            ValueError: for an option that there is not, and as the class does.
        """
        known = ["hidden", *(field.name for field in fields(cls) if field.name != "sizes")]
        if unknown := [name for name in options if name not in known]:
            raise ValueError(f"a network has no option {', '.join(unknown)}: choose from {', '.join(known)}")
        inputs, seen = network_inputs(observation, options.get("encoder", ()))
        outputs, done = network_outputs(action)
        outputs += options.get("modulation") == "output"
        between = tuple(hidden) if isinstance(hidden, Iterable) else (hidden,)
        if not all(isinstance(size, Integral) for size in between):
            raise ValueError(f"hidden must be the size of each hidden layer, such as [128, 64], not {hidden!r}")
        return cls((inputs, *between, outputs), **{**seen, **done, **options})

    @property
    def action_size(self) -> int:
        """How many outputs make the action; one more, if there is one, modulates."""
        return self.sizes[-1] - (self.modulation == "output")

    @property
    def squashes(self) -> tuple[str, ...]:
        """How each neuron of the last layer is squashed: those of the action, then the one that modulates, if any."""
        return self.outputs + ("tanh",) * (self.sizes[-1] - self.action_size)

    @property
    def discrete_actions(self) -> bool:
        return not self.low

    @property
    def plasticity(self) -> Rule:
        return get_rule(self.rule)

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:
        """(inputs, outputs) of each layer."""
        return tuple(zip(self.sizes[:-1], self.sizes[1:], strict=True))

    @property
    def synapses(self) -> int:
        return sum(n * m for n, m in self.layers)

    @property
    def coefficient_genes(self) -> int:
        sets = {"synapse": self.synapses, "layer": len(self.layers), "network": 1}[self.sharing]
        return sets * len(self.plasticity.coefficients)

    @property
    def encoder_genes(self) -> int:
        return encoder_genes(self.observation_shape[0], self.encoder) if self.encoder else 0

    @property
    def genome_size(self) -> int:
        """How many genes evolve.

        Coefficients layer by layer, each as (coefficient, input, output), or where they are shared one of each for a
        layer or for the network; then the encoder's kernels stage by stage, each as (filter, channel, row, column);
        then the initial weights, if evolved.
        """
        birth = self.synapses if self.initial_weights == "evolved" else 0
        return self.coefficient_genes + self.encoder_genes + birth

    def split(self, genome: Any) -> tuple[list[Any], list[Any]]:
        """Views of genomes (numpy or torch, shape (..., genome_size)); the encoder's part is in :meth:`kernels`.

        Returns:
            For each layer its coefficients, shape (..., k, inputs, outputs), or (..., k, 1, 1) where a layer or the
            network shares one set; and its evolved initial weights, shape (..., inputs, outputs), if there are any.
        """
        k, several = len(self.plasticity.coefficients), genome.shape[:-1]
        coefficients, initial, start, birth = [], [], 0, self.coefficient_genes + self.encoder_genes
        for n, m in self.layers:
            shape = (k, n, m) if self.sharing == "synapse" else (k, 1, 1)
            end = start + math.prod(shape)
            coefficients.append(genome[..., start:end].reshape(*several, *shape))
            start = 0 if self.sharing == "network" else end  # the network's one set is every layer's
            if self.initial_weights == "evolved":
                initial.append(genome[..., birth : birth + n * m].reshape(*several, n, m))
                birth += n * m
        return coefficients, initial

    def kernels(self, genome: Any) -> list[Any]:
        """Views of genomes (numpy or torch): the encoder's kernels.

        Returns:
            For each stage shape (..., filters, channels, kernel, kernel), the first axes those of the genomes.
        """
        if not self.encoder:
            return []
        return encoder_kernels(genome[..., self.coefficient_genes :], self.observation_shape[0], self.encoder)

    def check_genome(self, genome: Any) -> Array:
        """The genome as float32, or ValueError if it has not genome_size genes."""
        checked = np.ascontiguousarray(genome, dtype=np.float32)
        if checked.shape != (self.genome_size,):
            encoder = f" after an encoder of {self.encoder_genes} genes" if self.encoder else ""
            sets = "" if self.sharing == "synapse" else f", coefficients shared by a {self.sharing}"
            raise ValueError(
                f"this network needs a genome of {self.genome_size} genes (rule {self.rule}, layers "
                f"{'-'.join(map(str, self.sizes))}{sets}{encoder}), not an array of shape {np.shape(genome)}"
            )
        return checked

    def birth(self, rng: np.random.Generator, genome: Array | None = None) -> list[Array]:
        """A newborn's weights, one array of shape (inputs, outputs) for each layer."""
        if self.initial_weights == "evolved":
            if genome is None:
                raise ValueError("evolved initial weights are part of the genome: give it")
            return [weights.copy() for weights in self.split(genome)[1]]
        return [random_weights(self.initial_weights, self.initial_scale, n, m, rng) for n, m in self.layers]

    def to_json(self) -> dict[str, Any]:
        """As plain data, from which ``Architecture(**data)`` makes an equal one."""
        data = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return data | {"encoder": [list(stage) for stage in self.encoder]}


def architecture_for(env: str | EnvSpec | gym.Env[Any, Any], **options: Any) -> tuple[Architecture, EnvSpec | None]:
    """The architecture that fits an environment, and its spec.

    Args:
        env: an ID, an EnvSpec or an environment, whose spec is given without its render mode.
        options: of :meth:`Architecture.for_spaces`.

    Raises:
        ValueError: if the environment does not know an argument of its spec, or for options as there.
    """
    if not isinstance(env, str | EnvSpec | gym.Env):
        raise ValueError(f"give an ID, an EnvSpec or an environment, one of those in a vector environment, not {env}")
    if isinstance(env, gym.Env):
        spec = find_spec(env) if env.spec is not None else None
        return Architecture.for_spaces(env.observation_space, env.action_space, **options), spec
    try:
        made = gym.make(env, disable_env_checker=True)
    except TypeError as error:
        raise ValueError(f"{env if isinstance(env, str) else env.id} could not be made: {error}") from error
    made.close()
    return Architecture.for_spaces(made.observation_space, made.action_space, **options), made.spec


def random_genome(architecture: Architecture, seed: int | tuple[int, ...] = 0, scale: float = 1.0) -> Array:
    """A genome to start evolution from.

    Args:
        architecture: whose.
        seed: to draw from; numpy's default_rng takes it.
        scale: coefficients are U(-scale, scale); evolved initial weights U(-0.1, 0.1) (initial_scale); kernels of the
            encoder U(-1, 1) / sqrt(fan-in), whatever the scale.

    Raises:
        ValueError: for a scale that is not positive.
    """
    if not 0 < scale < math.inf:
        raise ValueError(f"scale must be a positive number, not {scale}")
    rng = np.random.default_rng(seed)
    coefficients = architecture.coefficient_genes
    genome = rng.uniform(-scale, scale, architecture.genome_size - architecture.encoder_genes).astype(np.float32)
    if architecture.initial_weights == "evolved":
        genome[coefficients:] *= np.float32(architecture.initial_scale / scale)
    if architecture.encoder:  # drawn last, so that the other genes are those of the same network without an encoder
        kernels = rng.uniform(-1, 1, architecture.encoder_genes).astype(np.float32)
        genome = np.concatenate([genome[:coefficients], kernels, genome[coefficients:]])
        for kernel in architecture.kernels(genome):
            kernel /= np.float32(math.sqrt(kernel[0].size))
    return genome
