"""The logger of loads: the program's own lines, without Dagster's events, on the terminal or for the command.

Not here: what the command makes of them (cli).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, Literal

import dagster as dg

from ccf_assets.progress import Note
from ccf_assets.refusals import in_short

_deliver: Callable[[Note], object] | None = None


def deliver_to(receiver: Callable[[Note], object]) -> None:
    """Hand what tasks of this process report to ``receiver``; without one it is logged on standard error."""
    global _deliver  # noqa: PLW0603 - Dagster makes the loggers, and hands nothing to them
    _deliver = receiver


def steps(label: str, number: int) -> None:
    """Report how many steps a run that begins will have."""
    if _deliver is not None:
        _deliver(Note(label, "steps", str(number)))


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line says what others do not.

    Dagster logs the first of these for each step that follows on a failed one, up to eleven, and the second
    if a check is skipped.
    """
    said = str(getattr(record, "dagster_meta", {}).get("orig_message") or "")
    return not said.startswith("Dependencies for step ") and "did not yield or return expected" not in said


class _OwnLines(logging.Filter):
    """Lets through what assets log, and not Dagster's own events."""

    def filter(self, record: logging.LogRecord) -> bool:
        about = getattr(record, "dagster_meta", {})
        return about.get("dagster_event") is None and _is_news(record)


class _RunLogger(logging.Logger):
    """The logger that Dagster makes for the terminal of a run: a refusal is one line, without a stack."""

    def handle(self, record: logging.LogRecord) -> None:
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        if event is not None and (short := in_short(event)) != event:
            data: Any = short.event_specific_data
            what, _, _ = str(record.msg).partition("\n\n")
            # The end of the run would say the same once more.
            record.msg = f"{what} {data.error.message}" if short.is_step_failure else what
        if _is_news(record):
            super().handle(record)


def show_in_short() -> None:
    """Let the runs of this process print refusals as a sentence, where they have Dagster's own logger.

    The UI starts them without a configuration, so Dagster uses that logger, of the class that Python's
    ``logging`` has for new ones; it has no setting for what is printed.
    """
    if logging.getLoggerClass() is logging.Logger:
        logging.setLoggerClass(_RunLogger)


def _message(record: logging.LogRecord) -> str:
    return str(getattr(record, "dagster_meta", {}).get("orig_message") or record.getMessage())


class _Plain(logging.Formatter):
    """``12:31:07 ccf_2017_25um  voxel_run: copied 1.2 M of 2.8 M rows``."""

    def __init__(self, label: str) -> None:
        super().__init__(datefmt="%H:%M:%S")
        self._label = label

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return f"{self.formatTime(record, self.datefmt)} {self._label}  {level}{_message(record)}"


class _Delivered(logging.Handler):
    """Hands over own lines, and which step begins."""

    def __init__(self, label: str, deliver: Callable[[Note], object]) -> None:
        super().__init__()
        self._label, self._deliver, self._own = label, deliver, _OwnLines()

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        if event is not None and event.event_type_value == dg.DagsterEventType.STEP_START.value:
            self._deliver(Note(self._label, "step", event.step_key or ""))
        elif record.levelno >= logging.INFO and self._own.filter(record):
            kind: Literal["progress", "warning"] = (
                "progress" if record.levelno < logging.WARNING else "warning"
            )
            self._deliver(Note(self._label, kind, _message(record)))


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
    if _deliver is not None:
        logger = logging.Logger("ccf_assets", logging.DEBUG)  # Dagster's events are of that level
        logger.addHandler(_Delivered(label, _deliver))
        return logger
    logger = logging.Logger("ccf_assets", logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_OwnLines())
    handler.setFormatter(_Plain(label))
    logger.addHandler(handler)
    return logger
