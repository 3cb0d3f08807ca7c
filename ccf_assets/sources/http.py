"""One file over HTTP: progress, retries with back-off, and a sentence for each way it can fail.

An interrupted transfer starts over; nothing is resumed. Addresses may hold passwords: messages and errors of
this module show the address without them, never the library's own error, whose text has all of it.
"""

from __future__ import annotations

import re
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
from ccf_assets.sources.proxies import Proxy, bad_certificates, proxy_of

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

_GATEWAY = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
"""What a proxy answers with that reached no server; a server may do so, too."""

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

    if (named := proxy_of(url)) and not named.usable:
        return _of_proxy(named, _unusable(named), passing=False)
    # identity: the length in the header is then the file's, which is how a broken transfer shows.
    headers = {"User-Agent": "ccf_assets", "Accept-Encoding": "identity"}
    try:
        with requests.get(url, headers=headers, timeout=timeout_s, stream=True) as answer:
            if answer.status_code != HTTPStatus.OK:
                proxy = proxy_of(answer.url)
                return _trouble_of_status(answer.status_code, answer.headers.get("Retry-After", ""), proxy)
            progress.total = answer.raw.length_remaining
            with into.open("wb") as file:
                for chunk in answer.iter_content(CHUNK_BYTES):
                    file.write(chunk)
                    progress.advance(len(chunk))
            # A connection lost within the headers looks like an answer of no known length that is over.
            return None if progress.count or progress.total == 0 else _BROKE_OFF
    except requests.RequestException as error:
        return _trouble(error, error.request.url if error.request and error.request.url else url)
    except (ValueError, HTTPError) as error:  # a redirect to what is no address, for one
        return _no_sense(error)
    except OSError:
        certificates = bad_certificates()
        if certificates is None:  # the file could not be written
            raise
        return _bad_certificates(certificates)


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


_ELSEWHERE = "or set CCF_SOURCE to a folder or mirror with the same files"


def _no_sense(error: Exception) -> _Trouble:
    """An address or an answer that the library can make nothing of."""
    return _Trouble(
        f"the request failed ({type(error).__name__})",
        passing=False,
        unreachable=False,
        advice="check the address in CCF_SOURCE",
    )


def _of_proxy(proxy: Proxy, what: str, *, passing: bool = True) -> _Trouble:
    advice = f"check {proxy.variable}, or name the server in NO_PROXY, {_ELSEWHERE}"
    return _Trouble(what, passing=passing, advice=advice)


def _unusable(proxy: Proxy) -> str:
    return f"{proxy.words} has no address that can be used"


def _bad_certificates(what: str) -> _Trouble:
    return _Trouble(what, passing=False, advice=f"correct or unset it, {_ELSEWHERE}")


def _trouble_of_proxy(proxy: Proxy, causes: list[BaseException]) -> _Trouble | None:
    """What is wrong with the proxy, if it is the trouble: whoever is connected to first is the proxy."""
    import requests
    from socks import SOCKS4Error, SOCKS5Error
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    def among(*types: type[BaseException]) -> bool:
        return any(isinstance(cause, types) for cause in causes)

    words, passing = proxy.words, True
    if not proxy.usable:
        what, passing = _unusable(proxy), False
    elif not among(requests.exceptions.ProxyError, NewConnectionError, ConnectTimeoutError):
        return None
    elif refusal := next(filter(None, (_TUNNEL.search(str(cause)) for cause in causes)), None):
        what, passing = f"{words} answered with HTTP status {refusal[1]}", False
    elif among(SOCKS4Error, SOCKS5Error):
        what = f"{words} could not reach the server"
    elif among(socket.gaierror):
        what = f"this network does not know the name of {words}"
    elif among(ConnectionRefusedError):
        what = f"{words} refused the connection"
    elif among(TimeoutError, ConnectTimeoutError):
        what = f"{words} did not answer in time"
    else:
        what = f"the connection to {words} failed"
    return _of_proxy(proxy, what, passing=passing)


_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
"""How the library says what a proxy answered; the text has no address in it."""


def _trouble(error: RequestException, url: str) -> _Trouble:
    """Tell a failed request by the types of its causes: its text holds the address, passwords included."""
    import requests
    from urllib3.exceptions import ReadTimeoutError

    causes = list(_causes(error))
    proxy = proxy_of(url)
    if proxy and (trouble := _trouble_of_proxy(proxy, causes)) is not None:
        return trouble
    if any(isinstance(cause, ssl.SSLError) for cause in causes) and (bad := bad_certificates()) is not None:
        return _bad_certificates(bad)
    by_proxy = f", asked through {proxy.words}" if proxy else ""
    # The first line that fits counts: a refused connection is a ConnectionError too.
    for types, trouble in (
        ((requests.Timeout, ReadTimeoutError), _Trouble(f"the server did not answer in time{by_proxy}")),
        ((socket.gaierror,), _Trouble("this network does not know the server's name")),
        (
            (ssl.SSLCertVerificationError,),
            _Trouble(
                f"the server's certificate is not trusted here{by_proxy}",
                passing=False,
                advice=f"if this network has certificates of its own, name them in REQUESTS_CA_BUNDLE, "
                f"{_ELSEWHERE}",
            ),
        ),
        ((ConnectionRefusedError,), _Trouble("the server refused the connection")),
        ((requests.exceptions.ChunkedEncodingError,), _BROKE_OFF),
        ((requests.ConnectionError,), _Trouble(f"the connection to the server failed{by_proxy}")),
    ):
        if any(isinstance(cause, types) for cause in causes):
            return trouble
    return _no_sense(error)


def _trouble_of_status(status: int, retry_after: str, proxy: Proxy | None) -> _Trouble:
    if proxy and status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return _of_proxy(proxy, f"{proxy.words} wants a user and a password", passing=False)
    who = f"the server, or {proxy.words}," if proxy and status in _GATEWAY else "the server"
    what = f"{who} answered with HTTP status {status}"
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
