"""One file over HTTP: progress, retries with back-off, and a sentence for each way it can fail.

A transfer that breaks off starts over; nothing is resumed. Addresses may hold passwords: what is said or
raised here shows the address as it may be shown, never the library's own error, whose text has the whole one.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ccf_assets.errors import CcfError, SourceUnreachableError
from ccf_assets.progress import Progress

if TYPE_CHECKING:
    from requests import RequestException

Report = Callable[[str], object]

BACKOFF_S = (1.0, 2.0, 4.0)
"""Pauses between attempts: four attempts, 7 s of waiting."""

TIMEOUT_S = (5.0, 30.0)
"""To connect, and between two arrivals of data: the ontology query computes for seconds before it answers."""

PATIENCE_S = 10.0
"""No new attempt after this long without a single byte: who is offline should hear so soon."""

LONGEST_PAUSE_S = 30.0
"""Between two attempts, where a busy server says when to come back; one that wants more ends the attempts."""

CHUNK_BYTES = 64 * 1024

_BUSY = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


def download(
    url: str,
    into: Path,
    shown: str,
    report: Report,
    *,
    backoff_s: tuple[float, ...],
    timeout_s: tuple[float, float],
    kept: bool,
) -> None:
    """Download a file with retries; a broken download starts over.

    Args:
        url: the address, which may hold secrets.
        into: the file to write.
        shown: the address as it may be shown.
        report: receives the start, progress and failed attempts.
        backoff_s: pauses between attempts.
        timeout_s: seconds to connect, and seconds without data.
        kept: an earlier copy stays in use when this fails, which the error then says.

    Raises:
        SourceUnreachableError: the server does not answer.
        CcfError: it answers that it has no such file, or the file never came whole.
    """
    report(f"fetching {shown}")
    started = time.monotonic()
    for attempts, pause_s in enumerate((*backoff_s, None), 1):
        progress = Progress(report, "downloaded", f"bytes of {PurePosixPath(urlsplit(shown).path).name}")
        trouble = _attempt(url, into, timeout_s, progress)
        if trouble is None:
            return
        silent = not progress.count and trouble.pause_s is None
        impatient = silent and time.monotonic() - started > PATIENCE_S
        if pause_s is None or impatient or not trouble.passing:
            # Outside any handler: the library's own error, whose text holds the whole address with its
            # password, is then not part of what a log prints.
            raise trouble.error(shown, attempts, kept=kept)
        asked_s = max(pause_s, trouble.pause_s or 0.0)
        report(f"{urlsplit(shown).hostname}: {trouble.what}; trying again in {asked_s:g} s")
        time.sleep(asked_s)


def _attempt(url: str, into: Path, timeout_s: tuple[float, float], progress: Progress) -> _Trouble | None:
    """Write the file at ``url`` to ``into``; returns what went wrong, if anything did."""
    import requests  # 0.15 s that a run with everything cached does not need
    from urllib3.exceptions import HTTPError

    # identity: the length in the header is then the file's, which is how a broken transfer shows.
    headers = {"User-Agent": "ccf_assets", "Accept-Encoding": "identity"}
    try:
        with requests.get(url, headers=headers, timeout=timeout_s, stream=True) as answer:
            if answer.status_code != HTTPStatus.OK:
                return _trouble_of_status(answer.status_code, answer.headers.get("Retry-After", ""))
            progress.total = answer.raw.length_remaining
            with into.open("wb") as file:
                for chunk in answer.iter_content(CHUNK_BYTES):
                    file.write(chunk)
                    progress.advance(len(chunk))
            # A connection lost within the headers looks like an answer of no known length that is over.
            return None if progress.count or progress.total == 0 else _BROKE_OFF
    except requests.RequestException as error:
        return _trouble(error)
    except (ValueError, HTTPError) as error:  # a redirect to what is no address, for one
        return _no_sense(error)


@dataclass(frozen=True)
class _Trouble:
    """Why an attempt failed.

    Attributes:
        what: a clause to follow "because".
        passing: another attempt may succeed.
        unreachable: the server is the trouble, not the file.
        advice: what to do about it.
        pause_s: seconds after which the server wants to be asked again, if it says so.
    """

    what: str
    passing: bool = True
    unreachable: bool = True
    advice: str = (
        "check the network and try again, or set CCF_SOURCE to a folder or mirror with the same files"
    )
    pause_s: float | None = None

    def error(self, shown: str, attempts: int, *, kept: bool) -> CcfError:
        """The sentence for the user, after the last attempt."""
        tries = f" ({attempts} attempts)" if attempts > 1 else ""
        stays = ", so the copy fetched earlier stays in use" if kept else ""
        sentence = f"{shown} could not be fetched because {self.what}{tries}{stays}; {self.advice}."
        return SourceUnreachableError(sentence) if self.unreachable else CcfError(sentence)


_BROKE_OFF = _Trouble("the connection broke off before the end of the file", unreachable=False)


def _no_sense(error: Exception) -> _Trouble:
    """An address or an answer that the library can make nothing of."""
    return _Trouble(
        f"the request failed ({type(error).__name__})",
        passing=False,
        unreachable=False,
        advice="check the address in CCF_SOURCE",
    )


def _trouble(error: RequestException) -> _Trouble:
    """Tell a failed request by the types of its causes: its text holds the address, passwords included."""
    import requests
    from urllib3.exceptions import ReadTimeoutError

    causes = list(_causes(error))
    # The first line that fits counts: a refused connection is a ConnectionError too.
    for types, trouble in (
        ((requests.Timeout, ReadTimeoutError), _Trouble("the server did not answer in time")),
        ((socket.gaierror,), _Trouble("this network does not know the server's name")),
        (
            (ssl.SSLCertVerificationError,),
            _Trouble("the server's certificate is not trusted here", passing=False),
        ),
        ((ConnectionRefusedError,), _Trouble("the server refused the connection")),
        ((requests.exceptions.ChunkedEncodingError,), _BROKE_OFF),
        ((requests.ConnectionError,), _Trouble("the connection to the server failed")),
    ):
        if any(isinstance(cause, types) for cause in causes):
            return trouble
    return _no_sense(error)


def _trouble_of_status(status: int, retry_after: str) -> _Trouble:
    what = f"the server answered with HTTP status {status}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _BUSY:
        pause_s = _seconds(retry_after)
        if pause_s is None or pause_s <= LONGEST_PAUSE_S:
            return _Trouble(what, pause_s=pause_s)
        what = f"{what} and asks for {pause_s:.0f} s of patience"
        advice = "try again then, or set CCF_SOURCE to a folder or mirror with the same files"
        return _Trouble(what, passing=False, advice=advice)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        advice = "check the user and password in CCF_SOURCE and whether this network allows it"
    else:
        advice = "point CCF_SOURCE at a server or folder that has these files"
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        what = f"the server has no such file (HTTP status {status})"
    return _Trouble(what, passing=False, unreachable=False, advice=advice)


def _seconds(retry_after: str) -> float | None:
    """The seconds that a header Retry-After asks for, as a number or as a date; None if it says nothing."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return (parsedate_to_datetime(retry_after) - datetime.now(timezone.utc)).total_seconds()
    except (ValueError, TypeError):
        return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
