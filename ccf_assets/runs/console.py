"""What a load says on the terminal: its own lines, without Dagster's."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import dagster as dg


class _OwnLines(logging.Filter):
    """Lets through what our assets say, not the events of Dagster's machinery."""

    def filter(self, record: logging.LogRecord) -> bool:
        about = getattr(record, "dagster_meta", {})
        # What cannot follow a failure is no news, eleven lines of it less so.
        follows = str(about.get("orig_message") or "").startswith("Dependencies for step ")
        return about.get("dagster_event") is None and not follows


class _Plain(logging.Formatter):
    """``12:31:07 ccf_2017_25um  voxel_run: copied 1.2 M of 2.8 M rows``."""

    def __init__(self, label: str) -> None:
        super().__init__(datefmt="%H:%M:%S")
        self._label = label

    def format(self, record: logging.LogRecord) -> str:
        said = getattr(record, "dagster_meta", {}).get("orig_message") or record.getMessage()
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return f"{self.formatTime(record, self.datefmt)} {self._label}  {level}{said}"


def reporter(label: str) -> Callable[[str], object]:
    """What says a line of its own, outside a run, in the same form."""
    return _logger(label).info


@dg.logger(
    {"label": dg.Field(str, default_value="", description="Stands before each line")},
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
