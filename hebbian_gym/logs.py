"""A training's log: a CSV file with a row for each generation or checkpoint."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .checkpoint import written_aside


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """Its rows, column to text."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a log whole: whoever reads it meanwhile sees the former one.

    Columns are those of any row, in the order in which they first come; cells without a value are empty.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    with written_aside(path) as file:
        writer.writeheader()
        writer.writerows(rows)
        file.write(text.getvalue().encode())
