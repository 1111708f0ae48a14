"""Look into a lifetime: record it, plot it, film it. The plots need ``pip install "hebbian-gym[plots]"``."""

from .lifetime import Lifetime as Lifetime
from .lifetime import record_lifetime as record_lifetime
