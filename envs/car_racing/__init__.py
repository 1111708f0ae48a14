"""CarRacing from pixels, fast."""

from .env import CarRacingEnv as CarRacingEnv
