"""The one exception a user is meant to read: a sentence that says what, where and what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_NO_TEXT = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""What PostgreSQL, a terminal or UTF-8 does not take: control characters, and halves of others."""

_LONGEST, _BEGINNING = 4_000, 2_500
"""Characters; a sentence of ours that quotes as many columns as it may has some 2,000."""


class CcfError(Exception):
    r"""Something the user can put right; its text is a whole sentence and is shown without a traceback.

    It may quote the content of any file: characters that are no text are written as escapes (``\x00``), and
    the middle of a very long text is left out.

    Attributes:
        details: by name what a program may want apart from the sentence, such as what was expected and found.
    """

    def __init__(self, sentence: str, **details: str | float) -> None:
        text = as_text(sentence)
        if len(text) > _LONGEST:
            text = f"{text[:_BEGINNING]} … {text[_BEGINNING - _LONGEST :]}"
        super().__init__(text)
        self.details: dict[str, str | float] = details


class UnknownNameError(CcfError, KeyError):
    """There is no region, atlas, frame or table of this name; a KeyError, too."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError's is quoted


class InvalidValueError(CcfError, ValueError):
    """A value that a question cannot have, such as a hemisphere that there is not; a ValueError, too."""


def as_text(given: str) -> str:
    r"""A text with escapes (``\x1b``) in place of what is none: control characters, and halves of others."""
    return _NO_TEXT.sub(lambda found: found[0].encode("unicode_escape").decode(), given)


UNREACHABLE = "source_unreachable"
"""Detail of an error: the source did not answer."""

FILES_REFUSED = "files_refused"
"""Detail of an error: how many files of recordings were refused; everything else of their run is stored."""


class PassingError(CcfError):
    """Something that may be over soon, such as a lost connection or another session's lock: try again."""


class SourceUnreachableError(PassingError):
    """The download source did not answer and nothing usable is cached."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, **{UNREACHABLE: True})


def why(error: OSError) -> str:
    """Why the operating system refused, without the path and the error's number: ``Permission denied``."""
    return error.strerror or str(error)


def first_line(text: object) -> str:
    """The first line of a text, or of an error's, without the blanks around it."""
    return str(text).strip().partition("\n")[0].rstrip()


_READ_ONLY = "25006"
"""PostgreSQL's code for a statement that would change something in a read-only transaction."""


def server_said(error: Exception) -> str:
    """The database server's message in one line: ``The database answers: ….``."""
    cause = getattr(error, "orig", None) or error
    message = " ".join(str(cause).split()).rstrip(".")
    read_only = getattr(cause, "sqlstate", None) == _READ_ONLY
    advice = " If it is a read-only copy of another server, do this on that one." if read_only else ""
    return f"The database answers: {message}{'' if message.endswith('?') else '.'}{advice}"


def suggestion(name: str, known: Iterable[str], most: int | None = None) -> str:
    """What to tell someone who gave a name that is not known: the nearest ones, or all where none is near.

    Args:
        name: what was given.
        known: the names.
        most: how many are named where none is near; all if not given.
    """
    known = list(known)
    near = difflib.get_close_matches(name, known, n=3) or difflib.get_close_matches(name.lower(), known, n=3)
    if near:
        return f"did you mean {', '.join(near)}?"
    more = f" and {len(known) - most:,} more" if most is not None and len(known) > most else ""
    return f"there are {', '.join(known[:most])}{more}."
