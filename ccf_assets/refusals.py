"""Errors that a user can put right, as Dagster shows them best: a failure whose first line is the sentence.

Raised as they are, the page of a run would begin with Dagster's own errors and nine frames of its code.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar, cast

import dagster as dg

from ccf_assets.errors import CcfError, PassingError

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
