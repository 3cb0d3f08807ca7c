"""A whole file in memory, within a limit."""

from __future__ import annotations

import os
from pathlib import Path

from ccf_assets.errors import CcfError, why


def read_limited(path: Path, limit: int, advice: str = "divide it into several files") -> bytes:
    """The content of a file.

    Args:
        path: the file.
        limit: bytes that it may have.
        advice: what to do with a larger one: the end of a sentence, without its full stop.

    Raises:
        CcfError: it cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            raw = file.read(size) if size <= limit else b""
    except OSError as error:
        raise CcfError(f"{path} cannot be read: {why(error)}.") from None
    if size > limit:
        raise CcfError(f"{path} has more than {limit:,} bytes; {advice}.")
    return raw
