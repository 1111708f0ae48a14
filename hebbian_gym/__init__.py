"""hebbian-gym: networks that are born random and learn to act within one lifetime, by rules that evolution found."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .architecture import Architecture as Architecture
    from .closed_loop import ClosedLoopNetwork as ClosedLoopNetwork
    from .closed_loop_rules import CLOSED_LOOP_RULES as CLOSED_LOOP_RULES
    from .closed_loop_rules import Bus as Bus
    from .closed_loop_rules import ClosedLoopRule as ClosedLoopRule
    from .distributed import RayEvaluator as RayEvaluator
    from .encoder import Conv as Conv
    from .evaluation import evaluate as evaluate
    from .evaluator import Evaluation as Evaluation
    from .evaluator import SerialEvaluator as SerialEvaluator
    from .network import PlasticNetwork as PlasticNetwork
    from .optimizers import CMAES as CMAES
    from .optimizers import PGPE as PGPE
    from .optimizers import SNES as SNES
    from .optimizers import GeneticAlgorithm as GeneticAlgorithm
    from .optimizers import OpenAIES as OpenAIES
    from .optimizers import Optimizer as Optimizer
    from .optimizers import Population as Population
    from .policy import HebbianPolicy as HebbianPolicy
    from .policy import StaticPolicy as StaticPolicy
    from .pretrained import load_pretrained as load_pretrained
    from .processes import ProcessEvaluator as ProcessEvaluator
    from .rollout import Episode as Episode
    from .rollout import run_episode as run_episode
    from .rules import RULES as RULES
    from .rules import register_rule as register_rule
    from .task import Task as Task
    from .training import train as train
    from .vector import VectorEvaluator as VectorEvaluator
    from .vector import run_episodes as run_episodes

from .registration import register as _register

_HOMES = {  # public name to the module it is imported from on first use, so that `import hebbian_gym` stays light
    "Architecture": "architecture",
    "CLOSED_LOOP_RULES": "closed_loop_rules",
    "Bus": "closed_loop_rules",
    "ClosedLoopNetwork": "closed_loop",
    "ClosedLoopRule": "closed_loop_rules",
    "RayEvaluator": "distributed",
    "Conv": "encoder",
    "Evaluation": "evaluator",
    "ProcessEvaluator": "processes",
    "SerialEvaluator": "evaluator",
    "Task": "task",
    "evaluate": "evaluation",
    "PlasticNetwork": "network",
    "CMAES": "optimizers",
    "GeneticAlgorithm": "optimizers",
    "OpenAIES": "optimizers",
    "Optimizer": "optimizers",
    "PGPE": "optimizers",
    "Population": "optimizers",
    "SNES": "optimizers",
    "HebbianPolicy": "policy",
    "StaticPolicy": "policy",
    "load_pretrained": "pretrained",
    "Episode": "rollout",
    "run_episode": "rollout",
    "RULES": "rules",
    "register_rule": "rules",
    "train": "training",
    "VectorEvaluator": "vector",
    "run_episodes": "vector",
}
__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


_register()
