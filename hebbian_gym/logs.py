"""A training's log: a CSV file with a row for each generation or checkpoint.

A row that a crash or a full disk cut short has no line end, and does not count.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .checkpoint import explained, written_aside


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """Its rows, column to text."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if line.endswith("\n")))


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row to a log, which is written anew only if it lacks one of the row's columns."""
    with path.open(newline="", encoding="utf-8") as file:
        columns = next(csv.reader(file))
    if not row.keys() <= set(columns):
        write_rows(path, [*read_rows(path), row])
        return
    text = io.StringIO(newline="")
    csv.DictWriter(text, columns).writerow(row)
    with explained(path), path.open("ab") as log:
        log.write(text.getvalue().encode())
        log.flush()
        os.fsync(log.fileno())


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
