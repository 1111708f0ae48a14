"""Many lifetimes at once in torch, as functions: on CPU or CUDA, differentiable through the plasticity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from .architecture import Architecture
from .encoder import Conv
from .rules import Rule
from .spaces import action_scaling


@dataclass(frozen=True)
class Lifetimes:
    """The state of n lifetimes in torch.

    Attributes:
        weights: for each layer a tensor of shape (n, inputs, outputs).
        age: steps lived.
        history: activities of the last steps, newest last, each of shape (n, neurons); for ``average_over``, and for
            the update still to come with ``modulation="reward"``.
    """

    weights: tuple[Tensor, ...]
    age: int = 0
    history: tuple[Tensor, ...] = ()


def encode(pictures: Tensor, kernels: Sequence[Tensor], encoder: Sequence[Conv]) -> Tensor:
    """An encoder's features, differentiably.

    Args:
        pictures: shape (n, channels, height, width).
        kernels: for each stage shape (filters, channels, kernel, kernel), or with one more axis in front where each
            picture has kernels of its own.
        encoder: the stages.

    Returns:
        Shape (n, features), channel first.
    """
    for conv, kernel in zip(encoder, kernels, strict=True):
        if kernel.ndim == 5:  # all pictures as channels of one, in a group each
            together, kernels_of_all = pictures.flatten(0, 1)[None], kernel.flatten(0, 1)
            convolved = nn.functional.conv2d(together, kernels_of_all, stride=conv.stride, groups=len(pictures))
            convolved = convolved.unflatten(1, kernel.shape[:2])[0]
        else:
            convolved = nn.functional.conv2d(pictures, kernel, stride=conv.stride)
        pictures = torch.tanh(nn.functional.max_pool2d(convolved, conv.pool))  # tanh last: the same, with fewer tanhs
    return pictures.flatten(1)


def birth_batch(architecture: Architecture, genes: Tensor, rngs: Sequence[np.random.Generator | int]) -> Lifetimes:
    """A newborn from each of n generators or seeds: the one that a PlasticNetwork would be.

    Args:
        architecture: of all.
        genes: shape (genes,), or (n, genes) for a genome each.
        rngs: n of them; one that is there several times goes on from newborn to newborn.

    Raises:
        ValueError: if there is another number of them than of genomes.
    """
    if genes.ndim == 2 and len(rngs) != len(genes):
        raise ValueError(f"{len(genes)} genomes need {len(genes)} seeds of births, one each, not {len(rngs)}")
    if architecture.initial_weights == "evolved":
        initial = architecture.split(genes)[1]
        # Copies: whoever changes a lifetime's weights must not change the genome
        return Lifetimes(tuple(weights.expand(len(rngs), *weights.shape[-2:]).clone() for weights in initial))
    births = [architecture.birth(np.random.default_rng(rng)) for rng in rngs]
    layers = (np.stack(layer) for layer in zip(*births, strict=True))
    return Lifetimes(tuple(torch.from_numpy(layer).to(genes) for layer in layers))


def act_batch(
    architecture: Architecture, genes: Tensor, observations: Tensor, lifetimes: Lifetimes, learning: bool = True
) -> tuple[Tensor, Lifetimes]:
    """Act, then learn, n lifetimes at once, differentiably. With ``modulation="reward"`` learning is left for later.

    Args:
        architecture: of all.
        genes: shape (genes,), or (n, genes) for a genome each: a whole population at once.
        observations: shape (n, ...), flattened; or (n,) integers for discrete observations; or with an encoder
            pictures, shape (n, channels, height, width).
        lifetimes: as they are before.
        learning: False for weights that stay as they were; lifetimes go on in all else.

    Returns:
        Actions, shape (n, action_size), or (n,) for discrete actions; and the lifetimes after the update.
    """
    activities = [_observe(architecture, genes, observations)]
    for weights in lifetimes.weights:
        raw = torch.bmm(activities[-1][:, None], weights)[:, 0]  # (n, 1, inputs) (n, inputs, outputs)
        activities.append(torch.tanh(raw))
    squashed = _squash(architecture, raw)
    activities[-1] = raw if architecture.learn_from == "raw" else squashed
    history = (*lifetimes.history, torch.cat(activities, 1))[-architecture.average_over :]
    awaits = architecture.modulation == "reward"
    lived = Lifetimes(lifetimes.weights, lifetimes.age + 1, history)
    if learning and not awaits:
        lived = _update(architecture, genes, lived, squashed[:, -1] if architecture.modulation == "output" else None)
    if not awaits and architecture.average_over == 1:
        lived = replace(lived, history=())
    return _actions(architecture, raw, squashed), lived


def learn_batch(architecture: Architecture, genes: Tensor, lifetimes: Lifetimes, modulator: Tensor) -> Lifetimes:
    """The update of n lifetimes with ``modulation="reward"``, differentiably; any others stay as they are.

    Args:
        architecture: of all.
        genes: as in :func:`act_batch`.
        lifetimes: after their last act.
        modulator: shape (n,), the signal that came of each one's action; NaN for no update.
    """
    if architecture.modulation != "reward" or not lifetimes.history:
        return lifetimes
    if modulator.shape != (n := len(lifetimes.weights[0]),):
        raise ValueError(f"{n} lifetimes need {n} modulators, not shape {tuple(modulator.shape)}")
    modulator = modulator.to(genes)
    told = ~modulator.isnan()
    learned = _update(architecture, genes, lifetimes, modulator.where(told, 0.0)).weights
    weights = (new.where(told[:, None, None], old) for new, old in zip(learned, lifetimes.weights, strict=True))
    return replace(lifetimes, weights=tuple(weights))


def _observe(architecture: Architecture, genes: Tensor, observations: Tensor) -> Tensor:
    """The first layer's activity, shape (n, inputs)."""
    if architecture.discrete_observations:
        index = observations.long() - architecture.first_observation
        return nn.functional.one_hot(index, architecture.sizes[0]).to(genes.dtype)
    activity = observations.reshape(len(observations), -1).to(genes.dtype) * architecture.observation_scale
    if activity.shape[1] != (inputs := math.prod(architecture.observation_shape)):
        raise ValueError(f"this network observes {inputs} numbers each, not shape {tuple(observations.shape)}")
    if architecture.encoder:
        pictures = activity.reshape(-1, *architecture.observation_shape)
        return encode(pictures, architecture.kernels(genes), architecture.encoder)
    return activity


def _step(raw: Tensor) -> Tensor:
    return torch.relu(torch.sign(raw))  # 1 above 0, else 0; its gradient is 0


_SQUASH = {"tanh": torch.tanh, "logistic": torch.sigmoid, "raw": lambda x: x, "step": _step}


def _squash(architecture: Architecture, raw: Tensor) -> Tensor:
    kinds = architecture.squashes
    if len(set(kinds)) == 1:
        return _SQUASH[kinds[0]](raw)
    return torch.stack([_SQUASH[kind](column) for kind, column in zip(kinds, raw.unbind(1), strict=True)], 1)


def _actions(architecture: Architecture, raw: Tensor, squashed: Tensor) -> Tensor:
    size = architecture.action_size  # beyond is the output that modulates
    if architecture.discrete_actions:
        return raw[:, :size].argmax(1) + architecture.first_action
    offset, scale, low, high = _action_scaling(architecture, squashed.dtype, squashed.device)
    actions = (offset + scale * squashed[:, :size]).clamp(low, high)
    return actions.reshape(-1, *architecture.action_shape) if architecture.action_shape else actions


@lru_cache(maxsize=64)
def _action_scaling(architecture: Architecture, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # a tensor made in that mode could not be used outside it
        return torch.from_numpy(np.stack(action_scaling(architecture))).to(device, dtype)


def _update(architecture: Architecture, genes: Tensor, lifetimes: Lifetimes, modulator: Tensor | None) -> Lifetimes:
    """Learn from the activities in ``history``, averaged; modulator: shape (n,), None for 1."""
    rule, history = architecture.plasticity, lifetimes.history
    if rule.delta is None or lifetimes.age % architecture.update_every:
        return lifetimes
    averaged = torch.stack(history).mean(0) if len(history) > 1 else history[0]
    activities = averaged.split(list(architecture.sizes), 1)
    signal = 1.0 if modulator is None else modulator[:, None, None]
    learned = []
    for layer, (w, c) in enumerate(zip(lifetimes.weights, architecture.split(genes)[0], strict=True)):
        # (n, inputs, 1) and (n, 1, outputs) against coefficients of (inputs, outputs), (1, 1), (n, inputs, outputs) ..
        pre, post = activities[layer][:, :, None], activities[layer + 1][:, None, :]
        inputs = (pre, post, w, signal) if rule.modulated else (pre, post, w)
        change = _change(rule, *inputs, *c.unbind(-3))
        if not rule.modulated and modulator is not None:
            change = signal * change
        learned.append(_normalize(w + change, architecture.normalize))
    return replace(lifetimes, weights=tuple(learned))


def _change(rule: Rule, *arguments: Tensor | float) -> Tensor:
    """What a rule's formula says, for whole tensors."""
    assert rule.delta is not None
    try:
        change: Tensor = rule.delta(*arguments)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"rule {rule.name} cannot be computed for n lifetimes at once ({error}): its formula must be arithmetic "
            "that holds for whole tensors; if, and functions of math or numpy, are for one lifetime at a time"
        ) from error
    return change


def _normalize(weights: Tensor, how: str) -> Tensor:
    """Weights (n, inputs, outputs) normalized as the architecture says."""
    if how == "max":
        largest = weights.abs().amax((1, 2), keepdim=True)
        return weights / torch.where(largest > 0, largest, torch.ones_like(largest))
    if how == "clip":
        return weights.clamp(-1, 1)
    if how in ("l2", "zscore"):
        centred = weights
        if how == "zscore":  # in float64 the mean of equal weights is that weight exactly, and their norm then zero
            centred = weights - weights.double().mean(1, keepdim=True).to(weights)
        squares = centred.square().sum(1, keepdim=True)
        divisible = squares > 0
        norm = torch.where(divisible, squares, torch.ones_like(squares)).sqrt()  # no gradient through sqrt(0)
        return torch.where(divisible, centred / norm, weights)
    return weights
