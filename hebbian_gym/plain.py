"""Plain data as JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any


def plain(data: Any) -> Any:
    """Data as JSON can hold it: null for what is not a finite number."""
    if isinstance(data, dict):
        return {name: plain(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [plain(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def write_json(path: Path, data: Any) -> None:
    """A file of plain data; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain(data), indent=2, allow_nan=False) + "\n", encoding="utf-8")
