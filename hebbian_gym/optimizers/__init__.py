"""Optimisers: they ask for a population and are told its fitness. Higher is better."""

from .base import Copies as Copies
from .base import GaussianPopulation as GaussianPopulation
from .base import Genomes as Genomes
from .base import MirroredPopulation as MirroredPopulation
from .base import Optimizer as Optimizer
from .base import Population as Population
from .cma_es import CMAES as CMAES
from .genetic import GeneticAlgorithm as GeneticAlgorithm
from .openai_es import OpenAIES as OpenAIES
from .pgpe import PGPE as PGPE
from .registry import get_optimizer as get_optimizer
from .registry import make_optimizer as make_optimizer
from .registry import optimizer_names as optimizer_names
from .snes import SNES as SNES
