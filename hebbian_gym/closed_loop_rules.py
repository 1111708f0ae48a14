"""Rules of closed-loop learning: which products of signals change a weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SIGNALS = ("backward", "local", "error", "relevance", "trend")
FUNCTIONS = ("value", "absolute", "sign")
SIGN_MODES = ("at_update", "per_layer")


@dataclass(frozen=True)
class Bus:
    """One factor of a learning rule: a signal that reaches every neuron, and what is taken of it.

    Attributes:
        signal: "backward": E carried back through all later layers, delta_j = f'(z_j) sum_k w_jk delta_k, and at the
            outputs E f'(z_j). "local": E carried back through one layer, E f'(z_j) sum_k w_jk, at the outputs the same
            as backward. The others are the same for all neurons: "error", E itself; "relevance", the number R that
            comes with the observation; "trend", exp(E (E_before - E) / 2), its exponent clipped to [-1, 1].
        function: "value", "absolute" or "sign".

    Raises:
        ValueError: for an unknown signal or function.
    """

    signal: str
    function: str = "value"

    def __post_init__(self) -> None:
        _check_known("signal", self.signal, SIGNALS)
        _check_known("function of a bus", self.function, FUNCTIONS)


@dataclass(frozen=True)
class ClosedLoopRule:
    """How weights change: by learning rate x input x the product of all buses at the neuron.

    Attributes:
        name: for people.
        buses: the factors.
        learning_rate: by default.
        sign_of_zero: 0 or 1, what functions "sign" make of 0.
        sign_mode: where the sign of "backward" is taken. "at_update": of delta_j, which travels as it is, as the
            authors' program does. "per_layer": only signs travel, s_j = sign(sum_k w_jk s_k), from sign(E) at the
            outputs, as their papers put it.

    Raises:
        ValueError: for something unknown.
    """

    name: str
    buses: tuple[Bus, ...]
    learning_rate: float = 0.1
    sign_of_zero: int = 0
    sign_mode: str = "at_update"

    def __post_init__(self) -> None:
        _check_known("sign_mode", self.sign_mode, SIGN_MODES)
        if self.sign_of_zero not in (0, 1):
            raise ValueError(f"sign_of_zero must be 0 or 1, not {self.sign_of_zero!r}")
        if not self.buses or not all(isinstance(bus, Bus) for bus in self.buses):
            raise ValueError(f"a rule needs one Bus or more, not {self.buses!r}")

    @property
    def takes_relevance(self) -> bool:
        """Whether a number R must come with each observation."""
        return any(bus.signal == "relevance" for bus in self.buses)


def _check_known(what: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise ValueError(f"unknown {what} {name!r}: choose from {', '.join(known)}")


_SIGN = Bus("backward", "sign")
CLOSED_LOOP_RULES = {
    rule.name: rule
    for rule in (
        ClosedLoopRule("BP", (Bus("backward"),)),
        ClosedLoopRule("LOC", (Bus("local"),)),
        ClosedLoopRule("SaR", (_SIGN, Bus("local", "absolute")), sign_of_zero=1),
        ClosedLoopRule("SaR-min", (_SIGN, Bus("error", "absolute"))),
        ClosedLoopRule("PaM", (_SIGN, Bus("relevance")), learning_rate=1e-5),
        ClosedLoopRule("PaM-trend", (_SIGN, Bus("relevance"), Bus("trend")), learning_rate=1e-5),
    )
}
"""The authors' rules.

- BP: error back-propagation, as in their program.
- LOC: the error carried back through one layer only, as in the program of their robot.
- SaR: sign from the full way back, size from the local error. The program's rule; that it is the one of the paper is
  inferred.
- SaR-min: the same sign, relevance |E| for all neurons alike: a literal reading of the paper's abstract.
- PaM: the same sign, relevance R from the environment: of the line follower G, by
  :class:`~hebbian_gym.envs.line_following.RoadBend`. So the program works; meant was PaM-trend,
  G exp(E (E_before - E) / 2), but a slip makes the second factor 1.

Learning rates by default: 0.1 for BP and 1e-5 for PaM are the program's, the others are our choice.
"""


def get_closed_loop_rule(rule: str | ClosedLoopRule) -> ClosedLoopRule:
    """The rule of that name, or the rule itself.

    Raises:
        ValueError: if there is none of that name.
    """
    if isinstance(rule, ClosedLoopRule):
        return rule
    _check_known("closed-loop rule", rule, tuple(CLOSED_LOOP_RULES))
    return CLOSED_LOOP_RULES[rule]
