"""Plasticity rules: how a synapse changes from the activity of its two neurons.

A rule is one formula, ``delta(pre, post, weight, *coefficients)``, in plain arithmetic. The numba network calls it for
each synapse, the torch policy calls it once on whole tensors. Its coefficients are its parameters' names, and every
synapse evolves its own, unless the architecture has them shared.

A formula may take one more input, ``delta(pre, post, weight, modulator, *coefficients)``: the modulatory signal of the
moment, such as a reward, see ``modulation`` of :class:`~hebbian_gym.Architecture`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Formula = Callable[..., Any]
_INPUTS = ("pre", "post", "weight")
_MODULATOR = "modulator"


@dataclass(frozen=True)
class Rule:
    """A named plasticity rule.

    Attributes:
        name: what it is registered under.
        coefficients: names of the numbers that each synapse evolves, in the order of the genome.
        delta: ``delta(pre, post, weight, *coefficients)``, the change of a weight in one update; None for weights that
            do not change.
        modulated: the formula takes the modulatory signal after the weight,
            ``delta(pre, post, weight, modulator, *coefficients)``.
    """

    name: str
    coefficients: tuple[str, ...]
    delta: Formula | None
    modulated: bool = False


RULES: dict[str, Rule] = {}
ALIASES: dict[str, str] = {}


def register_rule(name: str, *aliases: str) -> Callable[[Formula], Formula]:
    """Decorator that makes a formula a rule.

    Args:
        name: what ``rule=`` takes.
        aliases: other names for it.

    Raises:
        TypeError: without a name.
        ValueError: if a name is taken by another formula (of another module or name: a cell or module that is run again
            replaces its own), the formula's first parameters are not pre, post, weight, its modulator is not the next
            one, or a parameter has a default.

    Example:
        >>> @register_rule("decay")
        ... def decay(pre, post, weight, A, rate):
        ...     return A * pre * post - rate * weight
        >>> get_rule("decay").coefficients
        ('A', 'rate')
    """
    if not isinstance(name, str):
        raise TypeError('a rule needs a name: @register_rule("mine")')

    def register(delta: Formula) -> Formula:
        signature = inspect.signature(delta)
        parameters = tuple(signature.parameters)
        plain = all(p.kind is p.POSITIONAL_OR_KEYWORD for p in signature.parameters.values())
        if parameters[:3] != _INPUTS or not plain:
            raise ValueError(
                f"the formula of rule {name!r} must be (pre, post, weight, *its coefficients by name), not {signature}"
            )
        modulated = _MODULATOR in parameters
        if modulated and parameters.index(_MODULATOR) != len(_INPUTS):
            raise ValueError(
                f"the formula of rule {name!r} must have its modulator directly after the weight (pre, post, weight, "
                f"modulator, *its coefficients by name), not {signature}"
            )
        if defaults := [p.name for p in signature.parameters.values() if p.default is not p.empty]:
            raise ValueError(
                f"{', '.join(defaults)} of rule {name!r} would be evolved, whatever the default: write a constant into "
                "the formula's body"
            )
        for taken in (name, *aliases):
            if (taken in RULES or taken in ALIASES) and not _is_again(delta, get_rule(taken).delta):
                raise ValueError(f"a rule named {taken!r} is already registered; choose another name")
        RULES[name] = Rule(name, parameters[len(_INPUTS) + modulated :], delta, modulated)
        ALIASES.update(dict.fromkeys(aliases, name))
        return delta

    return register


def _is_again(delta: Formula, known: Formula | None) -> bool:
    """Whether a formula is a known one whose cell or module was run again."""
    homes = [(getattr(each, "__module__", None), getattr(each, "__qualname__", None)) for each in (delta, known)]
    return homes[0] == homes[1] and homes[0][1] != "<lambda>"


def get_rule(name: str) -> Rule:
    """The rule of that name or alias.

    As an environment's ID, it may name the module that registers it, which is then imported: "my_rules:oja".

    Raises:
        ValueError: if there is none.
    """
    module, _, known = name.rpartition(":")
    if module:
        importlib.import_module(module)
    try:
        return RULES[ALIASES.get(known, known)]
    except KeyError:
        raise ValueError(
            f"unknown rule {name!r}: choose from {', '.join(RULES)}; or register_rule your own, and name its module, "
            f'from which files and worker processes have it: "my_module:{known}"'
        ) from None


# The nine of Najarro & Risi (2020), eq. 1 and its restrictions (figure 8). Aliases are the names in the paper's code,
# but for the four coefficients without a learning rate, which that code calls ABCD: here ABCD is the paper's eq. 1.


@register_rule("A")
def _a(pre, post, weight, A):  # type: ignore[no-untyped-def]
    return A * (pre * post)


@register_rule("AD")
def _ad(pre, post, weight, A, D):  # type: ignore[no-untyped-def]
    return A * (pre * post) + D


@register_rule("AD_eta", "AD_lr")
def _ad_eta(pre, post, weight, A, eta, D):  # type: ignore[no-untyped-def]
    return eta * (A * (pre * post) + D)


@register_rule("ABC")
def _abc(pre, post, weight, A, B, C):  # type: ignore[no-untyped-def]
    return A * (pre * post) + B * pre + C * post


@register_rule("ABC_eta", "ABC_lr")
def _abc_eta(pre, post, weight, A, B, C, eta):  # type: ignore[no-untyped-def]
    return eta * (A * (pre * post) + B * pre + C * post)


@register_rule("ABCD_without_eta")
def _abcd_without_eta(pre, post, weight, A, B, C, D):  # type: ignore[no-untyped-def]
    return A * (pre * post) + B * pre + C * post + D


@register_rule("ABCD", "ABCD_eta", "ABCD_lr", "ABCD_lr_D_in")
def _abcd(pre, post, weight, A, B, C, eta, D):  # type: ignore[no-untyped-def]
    return eta * (A * (pre * post) + B * pre + C * post + D)


@register_rule("ABCD_D_out", "ABCD_lr_D_out")
def _abcd_d_out(pre, post, weight, A, B, C, eta, D):  # type: ignore[no-untyped-def]
    return eta * (A * (pre * post) + B * pre + C * post) + D


@register_rule("ABCD_D_in_and_out", "ABCD_lr_D_in_and_out")
def _abcd_d_in_and_out(pre, post, weight, A, B, C, eta, D_in, D_out):  # type: ignore[no-untyped-def]
    return eta * (A * (pre * post) + B * pre + C * post + D_in) + D_out


# The rule of foraging agents, Giannakakis, Khajehabdollahi & Levina (2023), arXiv 2303.06734. The paper's abstract says
# that evolved plasticity rules are studied in foraging agents, that of its successor (2024, arXiv 2403.13649) that they
# are "simple reward-modulated plasticity rules". The equation itself is recalled, not read: eight terms, four of them
# times the reward, and a learning rate. Which number is which term was not found, hence names; their order is ours.
# With reward_pre = 1, pre_post = -1 and the rest 0 it is the delta rule, eta * pre * (modulator - post): plain algebra.


@register_rule("reward_modulated")
def _reward_modulated(  # type: ignore[no-untyped-def]
    pre, post, weight, modulator,
    reward_pre_post, reward_post, reward_pre, reward_one, pre_post, post_only, pre_only, one, eta,
):  # fmt: skip
    both = pre * post
    return eta * (
        modulator * (reward_pre_post * both + reward_post * post + reward_pre * pre + reward_one)
        + (pre_post * both + post_only * post + pre_only * pre + one)
    )


RULES["static"] = Rule("static", (), None)  # with evolved initial weights: an ordinary network
