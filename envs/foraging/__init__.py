"""Foods of unknown value: to be told, or to be found and eaten."""

from .foraging import ForagingEnv as ForagingEnv
from .foraging import ForagingVectorEnv as ForagingVectorEnv
from .valuation import FoodValuationEnv as FoodValuationEnv
from .valuation import FoodValuationVectorEnv as FoodValuationVectorEnv
