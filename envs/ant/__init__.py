"""Bullet's Ant, whole or with damaged legs."""

from .env import AntEnv as AntEnv
