"""Files that commands write: whole or not at all, and never over one that is there unless told to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
