"""Errors that a user can put right, as Dagster shows them best: a failure whose first line is the sentence.

Raised as they are, the page of a run would begin with Dagster's own errors and nine frames of its code.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import dagster as dg

from ccf_assets.errors import CcfError, PassingError

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Refused(dg.Failure):
    """A failed step whose description is a sentence for the user.

    It is tried again, where the asset has a retry policy, only if that may help (`PassingError`).

    Args:
        error: the sentence, and its details, which become metadata.
    """

    def __init__(self, error: CcfError) -> None:
        super().__init__(str(error), metadata=error.details, allow_retries=isinstance(error, PassingError))


_NAMED = f"{Refused.__module__}.{Refused.__qualname__}: "


def in_short(event: dg.DagsterEvent) -> dg.DagsterEvent:
    """The failure of a step or a run, of a refusal as the sentence alone; every other event is as it was.

    Dagster puts the stack of its own functions below the sentence, where the exception cannot prevent it.
    """
    data: Any = event.event_specific_data
    if event.is_step_failure:
        return event._replace(event_specific_data=data._replace(error=_in_short(data.error)))
    if event.event_type is dg.DagsterEventType.RUN_FAILURE and data is not None:
        first = data.first_step_failure_event
        short = {"error": _in_short(data.error), "first_step_failure_event": first and in_short(first)}
        return event._replace(event_specific_data=data._replace(**short))
    return event


def _in_short(error: SerializableErrorInfo | None) -> SerializableErrorInfo | None:
    if error is None or not error.message.startswith(_NAMED):
        return error
    return error._replace(message=error.message.removeprefix(_NAMED).strip(), stack=[])


@contextmanager
def as_failures() -> Iterator[None]:
    """Raise a CcfError of the block as `Refused`."""
    try:
        yield
    except CcfError as error:
        raise Refused(error) from None


def in_words(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """The function of an asset or a check, whose CcfError becomes a failure in words."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*args: _P.args, **kwargs: _P.kwargs) -> Iterator[Any]:
            with as_failures():
                yield from function(*args, **kwargs)

        return cast("Callable[_P, _T]", generator)

    @functools.wraps(function)
    def called(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with as_failures():
            return function(*args, **kwargs)

    return called
