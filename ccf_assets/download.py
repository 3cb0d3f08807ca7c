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
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pooch

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
    import requests  # 0.15 s that a run with everything cached does not need

    report(f"fetching {shown}")
    started = time.monotonic()
    attempts = 0
    for pause_s in (*backoff_s, None):
        attempts += 1
        bar = _PoochBar(
            Progress(report, "downloaded", f"bytes of {PurePosixPath(urlsplit(shown).path).name}")
        )
        downloader = pooch.HTTPDownloader(
            progressbar=bar,
            chunk_size=CHUNK_BYTES,
            timeout=timeout_s,
            # identity: the length in the header is then the file's, which is how a broken transfer shows.
            headers={"User-Agent": "ccf_assets", "Accept-Encoding": "identity"},
        )
        try:
            downloader(url, str(into), None)
        except requests.RequestException as error:
            trouble = _trouble(error)
        else:
            return
        impatient = bar.is_empty and time.monotonic() - started > PATIENCE_S
        if pause_s is None or impatient or not trouble.passing:
            break
        report(f"{urlsplit(shown).hostname}: {trouble.what}; trying again in {pause_s:g} s")
        time.sleep(pause_s)
    # Raised here, outside the handler: the library's own error, whose text holds the whole address with its
    # password, is then not part of what a log prints.
    raise trouble.error(shown, attempts, kept=kept)


class _PoochBar:
    """What pooch takes for a progress bar, passing the count on to a Progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._open = True

    @property
    def total(self) -> int | None:
        return self._progress.total

    @total.setter
    def total(self, total: int) -> None:
        self._progress.total = total

    @property
    def is_empty(self) -> bool:
        """True until the first data arrive."""
        return not self._progress.count

    def update(self, count: int) -> None:
        """Count a chunk; pooch names the size of its buffer, also for the last chunk."""
        if self._open:
            left = self.total - self._progress.count if self.total else count
            self._progress.advance(min(count, left))

    def reset(self) -> None:
        """Stop counting: after the last chunk pooch resets and counts the whole once more."""
        self._open = False

    def close(self) -> None:
        """Nothing to do; pooch calls it."""


@dataclass(frozen=True)
class _Trouble:
    """Why an attempt failed.

    Attributes:
        what: a clause to follow "because".
        passing: another attempt may succeed.
        unreachable: the server is the trouble, not the file.
        advice: what to do about it.
    """

    what: str
    passing: bool = True
    unreachable: bool = True
    advice: str = (
        "check the network and try again, or set CCF_SOURCE to a folder or mirror with the same files"
    )

    def error(self, shown: str, attempts: int, *, kept: bool) -> CcfError:
        """The sentence for the user, after the last attempt."""
        tries = f" ({attempts} attempts)" if attempts > 1 else ""
        stays = ", so the copy fetched earlier stays in use" if kept else ""
        sentence = f"{shown} could not be fetched because {self.what}{tries}{stays}; {self.advice}."
        return SourceUnreachableError(sentence) if self.unreachable else CcfError(sentence)


def _trouble(error: RequestException) -> _Trouble:
    """Tell a failed request by the types of its causes: its text holds the address, passwords included."""
    import requests
    from urllib3.exceptions import ReadTimeoutError

    if isinstance(error, requests.HTTPError):
        return _trouble_of_status(error.response.status_code)
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
        (
            (requests.exceptions.ChunkedEncodingError,),
            _Trouble("the connection broke off before the end of the file", unreachable=False),
        ),
        ((requests.ConnectionError,), _Trouble("the connection to the server failed")),
    ):
        if any(isinstance(cause, types) for cause in causes):
            return trouble
    return _Trouble(
        f"the request failed ({type(error).__name__})",
        passing=False,
        unreachable=False,
        advice="check the address in CCF_SOURCE",
    )


def _trouble_of_status(status: int) -> _Trouble:
    what = f"the server answered with HTTP status {status}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _BUSY:
        return _Trouble(what)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        advice = "check the user and password in CCF_SOURCE and whether this network allows it"
    else:
        advice = "point CCF_SOURCE at a server or folder that has these files"
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        what = f"the server has no such file (HTTP status {status})"
    return _Trouble(what, passing=False, unreachable=False, advice=advice)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
