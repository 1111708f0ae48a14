"""The environments of hebbian-gym, imported as ``hebbian_gym.envs``."""
