"""Files in general: written in one step, read as TOML within limits, and their checksums.

Files of atlases, frames and sites are in ccf and recordings.files.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ccf_assets.errors import CcfError, why


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; the file replaces ``path`` at the end, in one step.

    After a failure it is removed, and ``path`` is what it was before.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def new_file(path: Path, *, force: bool = False) -> Iterator[Path]:
    """As `whole_file`, for a file that a user asked for: an existing one is only replaced with ``force``.

    A file that another process makes at ``path`` meanwhile is kept, too.

    Args:
        path: where the file is to be.
        force: replace an existing file.

    Raises:
        CcfError: the file exists already, or the folder cannot be written to.
    """
    taken = CcfError(f"{path} exists already; --force replaces it.")
    if path.exists() and not path.is_file():
        raise CcfError(f"{path} is not a file.")
    if path.exists() and not force:
        raise taken
    try:
        with whole_file(path) as aside:
            aside.touch()
            yield aside
            if not force:
                path.touch(exist_ok=False)  # in one step; not every file system has hard links
    except FileExistsError:
        raise taken from None
    except OSError as error:
        raise CcfError(f"{path} cannot be written: {why(error)}.") from None


@contextmanager
def new_folder(
    path: Path, *, kind: str, is_kind: Callable[[Path], bool], force: bool = False
) -> Iterator[Path]:
    """A folder beside ``path`` to write to, which becomes ``path`` at the end; after a failure it is removed.

    Args:
        path: where the folder is to be. An empty one may be there already.
        kind: what the folder will be, for the sentence of an error: ``image of OME-Zarr``.
        is_kind: whether an existing folder is of this kind; another one is never replaced.
        force: replace an existing folder of this kind.

    Raises:
        CcfError: ``path`` exists and may not be replaced, or cannot be written.
    """
    path = path.resolve()  # what a link leads to is replaced, not the link
    there = path.exists() and not (path.is_dir() and not any(path.iterdir()))
    if there and not is_kind(path):
        raise CcfError(f"{path} exists and is no {kind}; give another name.")
    if there and not force:
        raise CcfError(f"{path} exists already; --force replaces it.")
    mark = uuid.uuid4().hex
    aside, before = (path.with_name(f".{path.name}.{mark}.{end}") for end in ("part", "before"))
    try:
        aside.mkdir()
        yield aside
        if there:
            path.rename(before)
        aside.rename(path)
    except OSError as error:
        raise CcfError(f"{path} cannot be written: {why(error)}.") from None
    finally:
        if before.exists() and not path.exists():
            before.rename(path)
        for folder in (aside, before):
            shutil.rmtree(folder, ignore_errors=True)


if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LARGEST_BYTES = 1_000_000

_MOST_DOTS = 100
"""Most dots in a line: reading a key takes quadratic time in its parts, half a minute for 30,000."""


class TomlError(ValueError):
    """A file that is no readable TOML; the message says why, without a full stop."""


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file in UTF-8, with or without a byte order mark.

    Raises:
        TomlError: it is not valid TOML, or larger or deeper than anything that a person writes.
        UnicodeDecodeError: it is not UTF-8.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return toml_tables(file.read(_LARGEST_BYTES + 1))


def toml_tables(raw: bytes) -> dict[str, Any]:
    """As `read_toml`, of the content of a file.

    Raises:
        TomlError: likewise.
        UnicodeDecodeError: likewise.
    """
    if len(raw) > _LARGEST_BYTES:
        raise TomlError(f"it has more than {_LARGEST_BYTES:,} bytes")
    text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > _MOST_DOTS and not line.lstrip().startswith("#"):
            raise TomlError(f"line {number} has more than {_MOST_DOTS} dots")
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise TomlError("it is nested too deeply") from None
    except ValueError as error:  # a number of 5,000 digits is no TOMLDecodeError
        raise TomlError(f"{error!s:.200}") from None
    if _has_large_number(tables):
        raise TomlError("it has a whole number of more than 64 bits")
    return tables


def _has_large_number(tables: dict[str, Any]) -> bool:
    """Whether a whole number is larger than TOML promises to hold; Python reads it all the same."""
    left: list[object] = [tables]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            return True
    return False


def without_secrets(url: str) -> str:
    """The address without user, password, query and fragment; a path as it is."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def sha256_of_all(path: Path) -> str:
    """The checksum of a file, or of a folder: of the names and the checksums of all files in it.

    Raises:
        OSError: something cannot be read.
    """
    if path.is_file():
        return sha256_of(path)
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            digest.update(f"{file.relative_to(path).as_posix()}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """The checksum of a file's content, as hexadecimal digits.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
