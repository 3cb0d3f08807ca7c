"""The cache of downloaded files: its locks, the record beside each file, and the removal of old candidates.

When a cached file may be used is decided in source.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import filelock

from ccf_assets.errors import CcfError, why
from ccf_assets.files import sha256_of, whole_file
from ccf_assets.sources.http import Report

ABANDONED_S = 3600.0
"""A candidate of this age belongs to a run that ended without accepting it; validation takes a second."""


@dataclass(frozen=True)
class FetchedFile:
    """A whole, checked file on this machine.

    Attributes:
        path: where it is.
        url: the address it came from, without user, password or query of the user's own.
        sha256: its checksum.
        size_bytes: its size.
        fetched: False when it was taken from the cache.
        warning: what the user should know about it, if anything.
        more: what else is recorded of it, as JSON has it.
    """

    path: Path
    url: str
    sha256: str
    size_bytes: int
    fetched: bool
    warning: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def exclusive(target: Path, report: Report) -> Iterator[Path]:
    """Hold the lock of a cached file, so that one of several runs fetches it and the others use it.

    Args:
        target: the cached file.
        report: receives a line if another run holds the lock.

    Yields:
        A temporary path on the same file system, removed afterwards. What a killed process left there is
        overwritten by the next.

    Raises:
        CcfError: a file could not be read or written.
    """
    partial = target.with_name(f"{target.stem}.partial{target.suffix}")
    lock = filelock.FileLock(target.with_name(f".{target.name}.lock"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            report(f"waiting for another run that is fetching {target.name}")
            lock.acquire()
        try:
            yield partial
        finally:
            partial.unlink(missing_ok=True)
            lock.release()
    except OSError as error:
        raise CcfError(
            f"{error.filename or target} could not be read or written ({why(error)}); "
            "check the free space of the disk and the permissions of the file."
        ) from error


def origin_file(target: Path) -> Path:
    """The file that records where a cached file came from."""
    return target.with_name(f"{target.name}.origin.json")


def kept_record(file: FetchedFile, target: Path) -> FetchedFile:
    """Give a complete file its permanent name, and record its origin beside it."""
    origin = {"url": file.url, "sha256": file.sha256, "bytes": file.size_bytes, **file.more}
    with whole_file(origin_file(target)) as aside:
        aside.write_text(json.dumps(origin, indent=2) + "\n", "utf-8")
        file.path.replace(target)
    return replace(file, path=target)


def cached_file(target: Path, report: Report) -> FetchedFile | None:
    """The cached file, if it has not changed since it was fetched."""
    if not target.is_file():
        return None
    try:
        origin = json.loads(origin_file(target).read_text("utf-8"))
        url, sha256, size_bytes = (origin.pop(name) for name in ("url", "sha256", "bytes"))
        known = FetchedFile(target, url, sha256, size_bytes, fetched=False, more=origin)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        report(f"{target} has no record of its origin; fetching it again.")
        return None
    if sha256_of(target) != known.sha256:
        report(f"{target} no longer has the checksum it was fetched with; fetching it again.")
        return None
    return known


def sweep_candidates(folder: Path) -> None:
    """Remove candidates that were not accepted, including refused ones."""
    for candidate in folder.glob("candidate-*.csv"):
        if time.time() - candidate.stat().st_mtime > ABANDONED_S:
            candidate.unlink(missing_ok=True)
