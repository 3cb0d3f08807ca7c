"""The logger of loads on the terminal: the program's own lines, without Dagster's events.

Not here: what the commands print themselves (cli).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import dagster as dg


class _OwnLines(logging.Filter):
    """Lets through what assets log, and not Dagster's own events."""

    def filter(self, record: logging.LogRecord) -> bool:
        about = getattr(record, "dagster_meta", {})
        # After a failure Dagster logs this for every downstream step: up to eleven lines without news.
        follows = str(about.get("orig_message") or "").startswith("Dependencies for step ")
        return about.get("dagster_event") is None and not follows


class _Plain(logging.Formatter):
    """``12:31:07 ccf_2017_25um  voxel_run: copied 1.2 M of 2.8 M rows``."""

    def __init__(self, label: str) -> None:
        super().__init__(datefmt="%H:%M:%S")
        self._label = label

    def format(self, record: logging.LogRecord) -> str:
        message = getattr(record, "dagster_meta", {}).get("orig_message") or record.getMessage()
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return f"{self.formatTime(record, self.datefmt)} {self._label}  {level}{message}"


def reporter(label: str) -> Callable[[str], object]:
    """Logs a line in the same form outside a run."""
    return _logger(label).info


@dg.logger(
    {"label": dg.Field(str, default_value="", description="Printed before each line")},
    description="Progress of a load as plain lines on standard error",
)
def console(context: dg.InitLoggerContext) -> logging.Logger:
    """The logger of runs that the command line starts."""
    return _logger(context.logger_config["label"])


def _logger(label: str) -> logging.Logger:
    logger = logging.Logger("ccf_assets", logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_OwnLines())
    handler.setFormatter(_Plain(label))
    logger.addHandler(handler)
    return logger
