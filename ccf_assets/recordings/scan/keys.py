"""The partition key of a file of sites, made from its path below the folder of recordings, and back."""

from __future__ import annotations

import re
from pathlib import Path, PurePath, PurePosixPath
from urllib.parse import unquote_to_bytes

from ccf_assets.errors import CcfError
from ccf_assets.recordings.formats.known import SUFFIXES

_PLAIN = re.compile(r"(?!.*\.\.)[A-Za-z0-9_./-]*")
"""Paths that are keys as they are."""


def partition_key_of(relative: PurePath | str) -> str:
    """The partition key of a file: its path below the folder, in characters every part of Dagster takes.

    Letters of any script, digits, inner spaces and ``/ . _ -`` stay as they are. What Dagster refuses in
    a key (``...``, control characters), what its range and list syntax uses (``,[]"*|``), bytes that are
    no text, and ``%`` become ``%XX`` per byte. So no two files share a key, and `path_of` is the inverse.
    Every key ends in the file's suffix; all other names are free for other partitions.

    Args:
        relative: the file's path relative to the folder.
    """
    text = relative.as_posix() if isinstance(relative, PurePath) else relative
    if _PLAIN.fullmatch(text):  # nearly all are, and 100,000 of them are looked at again and again
        return text
    safe: list[str] = []
    for before, char in zip(" " + text, text, strict=False):
        second_dot = before == char == "."  # ".." never appears, hence "..." neither
        at_edge = char == " " and (before in " /" or not safe)
        if char.isprintable() and char not in '%,[]"*|' and not second_dot and not at_edge:
            safe.append(char)
        else:
            safe.extend(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
    return "".join(safe)


def path_of(folder: Path, key: str) -> Path:
    """The file a partition key stands for; the inverse of ``partition_key_of``.

    Raises:
        CcfError: the key is not one that a file in the folder can have.
    """
    relative = PurePosixPath(unquote_to_bytes(key).decode("utf-8", "surrogateescape"))
    inside = not relative.is_absolute() and ".." not in relative.parts and "%00" not in key
    if not (inside and partition_key_of(relative) == key and is_file(relative.name)):
        raise CcfError(f"{key!r} is not the partition key of a file of recording sites.")
    return folder / relative


def is_file(key: str) -> bool:
    """Whether a partition is that of a file; the others are those of rows that a lab inserted by SQL."""
    return key.lower().endswith(SUFFIXES)
