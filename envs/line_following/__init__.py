"""A robot that follows a line."""

from .env import LineFollowingEnv as LineFollowingEnv
from .filters import ResonatorBank as ResonatorBank
from .filters import RoadBend as RoadBend
