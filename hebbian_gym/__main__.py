"""``python -m hebbian_gym`` is the command ``hebbian-gym``."""

from .cli import main

if __name__ == "__main__":
    main()
