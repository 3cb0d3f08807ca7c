"""Files: written whole or not at all, read as TOML with bounds, and their checksums.

What is in a file of atlases, frames or sites is not known here; see ccf and recordings.files.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ccf_assets.errors import CcfError


@contextmanager
def new_file(path: Path, *, force: bool = False) -> Iterator[Path]:
    """A path to write to, beside ``path``; it is renamed to that at the end, and removed after a failure.

    A file that somebody else makes at ``path`` meanwhile is kept, too.

    Args:
        path: where the file shall be.
        force: replace one that is there.

    Raises:
        CcfError: there is one already, or the folder cannot be written to.
    """
    taken = CcfError(f"{path} exists already; --force replaces it.")
    if path.exists() and not path.is_file():
        raise CcfError(f"{path} is not a file.")
    if path.exists() and not force:
        raise taken
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        aside.touch()
        yield aside
        if not force:
            path.touch(exist_ok=False)  # takes the name or fails, in one step; a hard link is not everywhere
        aside.replace(path)
    except FileExistsError:
        raise taken from None
    except OSError as error:
        raise CcfError(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        aside.unlink(missing_ok=True)


if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LARGEST_BYTES = 1_000_000

_MOST_DOTS = 100
"""In a line: the parts of a key take it the square of their number, 30,000 of them half a minute."""


class TomlError(ValueError):
    """A text that is no TOML that can be read; its text says why, without a full stop."""


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file in UTF-8, with or without a byte order mark.

    Raises:
        TomlError: it is not valid TOML, or larger or deeper than anything that a person writes.
        UnicodeDecodeError: it is not UTF-8.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        raw = file.read(_LARGEST_BYTES + 1)
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
