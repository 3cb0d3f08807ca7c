"""What tells one folder of recordings from another: a file in it, or if it is read-only, its place.

A path alone does not: two hosts, or two values of CCF_RECORDINGS on one, have files of the same name in
folders that are not the same, and one folder can be renamed, or be mounted at another path on another host.
Which folders a database knows is in recordings.folders.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from ccf_assets.errors import CcfError

MARKER = ".ccf_folder"
"""The file's name; hidden, so that it is no file of sites."""

_COMMENT = (
    "# By this file ccf_assets knows its folder of recordings again when it is moved, or mounted elsewhere.\n"
    "# Delete it in a copy of the folder: the copy then becomes a folder of its own.\n"
)
_LARGEST = 4_096
"""Characters of a marker that are looked at."""

_WRITING_S = 0.2
"""Pause for another process that writes the marker at the same time."""


@dataclass(frozen=True)
class Marker:
    """The identity of a folder, and where it was seen.

    Attributes:
        folder_id: the UUID in the file; for a folder that cannot be written to, one made of host and path.
        host: name of this host.
        path: absolute path of the folder on it.
        file_number: number of the marker's inode (as text: some file systems use all 64 bits); of a folder
            without marker, the folder's own. Renaming the folder keeps it, another host that mounts the
            folder sees the same, a copy has another.
    """

    folder_id: str
    host: str
    path: str
    file_number: str

    @property
    def place(self) -> str:
        """Where the folder is, for a sentence."""
        return f"{self.path} on {self.host}"


def read_marker(folder: Path) -> Marker | None:
    """The identity of a folder as it is; None where it has no marker yet and one can be written.

    Raises:
        CcfError: the folder is not there, or its marker cannot be read or holds no UUID.
    """
    marker, path = folder / MARKER, str(folder.resolve())
    host = socket.gethostname()
    try:
        number, text = str(marker.stat().st_ino), marker.read_text("utf-8", "replace")[:_LARGEST]
    except FileNotFoundError:
        if not folder.is_dir():
            raise CcfError(f"The folder of recordings {folder} does not exist.") from None
        if os.access(folder, os.W_OK):
            return None
        made = uuid.uuid5(uuid.NAMESPACE_URL, f"file://{host}{path}")
        return Marker(str(made), host, path, str(folder.stat().st_ino))
    except OSError as error:
        raise CcfError(f"{marker} cannot be read: {error.strerror or error}.") from None
    written = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        return Marker(str(uuid.UUID("".join(written))), host, path, number)
    except ValueError:
        raise CcfError(
            f"{marker} does not hold the UUID that ccf_assets wrote into it. Restore it, or delete it: the "
            "folder then counts as a new folder of recordings."
        ) from None


def write_marker(folder: Path) -> Marker:
    """The identity of a folder, in a marker that is written where there is none.

    Raises:
        CcfError: as `read_marker`; or the marker cannot be written.
    """
    there = read_marker(folder)
    if there is not None:
        return there
    try:
        # In one step, and never over one that another process wrote meanwhile.
        with (folder / MARKER).open("x", encoding="utf-8") as file:
            file.write(f"{_COMMENT}{uuid.uuid4()}\n")
    except FileExistsError:
        time.sleep(_WRITING_S)
    except OSError as error:
        raise CcfError(f"{folder / MARKER} cannot be written: {error.strerror or error}.") from None
    return write_marker(folder)
