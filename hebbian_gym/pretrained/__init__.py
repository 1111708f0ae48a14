"""Rules that this project has evolved: each a policy's file with a card that says how, and how well it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..policy import HebbianPolicy

FOLDER = Path(__file__).parent


def pretrained_names() -> list[str]:
    """What :func:`load_pretrained` takes."""
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


def pretrained_path(name: str) -> Path:
    """The file of a ready-evolved policy; its card lies beside it, as Markdown and JSON.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in pretrained_names():
        raise ValueError(
            f"there is no ready-evolved policy {name!r}: choose from {', '.join(pretrained_names())}, or give a file"
        )
    return FOLDER / f"{name}.npz"


def find_policy(where: str | Path) -> Path:
    """The file of a policy, which is given by its path, by its run's folder or, if there is neither, by its name.

    Raises:
        FileNotFoundError: if a folder holds no policy.
        ValueError: if there is no ready-evolved policy of that name.
    """
    path = Path(where)
    if (path / "policy.npz").is_file():
        return path / "policy.npz"
    if path.is_dir() and str(where) not in pretrained_names():
        judge = f", but a baseline: judge it by  hebbian-gym compare {where}" if (path / "model.zip").is_file() else ""
        raise FileNotFoundError(f"the folder {where} holds no policy.npz{judge}")
    return path if path.is_file() or path.suffix else pretrained_path(str(where))


def load_pretrained(name: str) -> HebbianPolicy:
    """A ready-evolved policy.

    Args:
        name: one of :func:`pretrained_names`.

    Raises:
        ValueError: if there is none of that name.
    """
    from ..policy import HebbianPolicy, StaticPolicy

    policy = HebbianPolicy.load(pretrained_path(name))
    if policy.architecture.plasticity.delta is not None:
        return policy
    return StaticPolicy(policy.architecture, policy.genome, policy.env_spec)
