"""How one task of a load ended, and the reason of a failed run in a sentence.

Not here: what the command prints of it (cli.load).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ccf_assets.errors import FILES_REFUSED, UNREACHABLE, server_said

if TYPE_CHECKING:
    import dagster as dg
    from dagster_shared.error import SerializableErrorInfo


@dataclass(frozen=True)
class Outcome:
    """How one task of a load ended.

    Attributes:
        key: the atlas, ``structure_graph``, ``recordings`` or ``comparison``.
        loaded: the assets that were materialized, or the sources whose sites were registered; empty when
            everything was up to date.
        refused: the files of recordings that were read and whose sites were not taken.
        verb: what was done to those in ``loaded``.
        remarks: sentences for the user.
        error: why the task failed, in a sentence; None if it did not fail.
        unreachable: whether it failed because the source could not be reached.
        rows_wanted: whether the atlas has still to get its voxel rows, or new ones.
        seconds: how long it took.
    """

    key: str
    loaded: Sequence[str] = field(default_factory=list)
    refused: Sequence[str] = field(default_factory=list)
    verb: str = "loaded"
    remarks: Sequence[str] = ()
    error: str | None = None
    unreachable: bool = False
    rows_wanted: bool = False
    seconds: float = 0.0


def database_failure(error: Exception) -> str:
    """What the database answered, and what that means for the load."""
    return f"{server_said(error)} What was not finished was undone; load again."


@dataclass(frozen=True)
class Failure:
    """Why a run failed.

    Attributes:
        sentence: the reason.
        unreachable: whether the source did not answer.
        refused_files: whether files of recordings were refused; everything else of the run is stored.
    """

    sentence: str
    unreachable: bool = False
    refused_files: bool = False


def failure(result: dg.ExecuteInProcessResult) -> Failure:
    """Why a run failed."""
    import dagster as dg

    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    for in_words in (failed.user_failure_data for failed in failures):
        if in_words is not None and in_words.description:
            about = in_words.metadata
            return Failure(in_words.description, UNREACHABLE in about, FILES_REFUSED in about)
    errors = [failed.error for failed in failures if failed.error is not None]
    broken = [
        check.description or check.check_name
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    ]
    if broken:
        return Failure(" ".join(broken))
    if not errors:
        return Failure("The run failed; its page in the UI has the details.")
    deepest = list(_causes(errors[0]))[-1]
    if deepest.cls_name == sa.exc.OperationalError.__name__:  # psycopg's and SQLAlchemy's have the same name
        return Failure(database_failure(RuntimeError(_text(deepest))))
    message = " ".join(_text(deepest).split()).rstrip(".")
    return Failure(f"{deepest.cls_name}: {message}. The run's page in the UI has the details.")


def _causes(error: SerializableErrorInfo) -> Iterator[SerializableErrorInfo]:
    """The error, and then its causes."""
    cause: SerializableErrorInfo | None = error
    while cause is not None:
        yield cause
        cause = cause.cause or cause.context


def _text(error: SerializableErrorInfo) -> str:
    """The message of the error, without the name of its class in front."""
    before, named, text = error.message.strip().partition(f"{error.cls_name}: ")
    return text if named else before
