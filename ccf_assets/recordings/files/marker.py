"""What tells one folder of recordings from another: a file in it, its place if it is read-only, its address.

A path alone does not: two hosts, or two values of CCF_RECORDINGS on one, have files of the same name in
folders that are not the same, and one folder can be renamed, or be mounted at another path on another host.
Which folders a database knows is in recordings.folders.
"""

from __future__ import annotations

import os
import socket
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ccf_assets.errors import CcfError, why
from ccf_assets.objects import Address

MARKER = ".ccf_folder"
"""The file's name; hidden, so that it is no file of sites."""

_COMMENT = (
    "# By this file ccf_assets knows its folder of recordings again when it is moved, or mounted elsewhere.\n"
    "# Delete it in a copy of the folder: the copy then becomes a folder of its own.\n"
)
_LARGEST = 4_096
"""Characters of a marker that are looked at."""


@dataclass(frozen=True)
class Marker:
    """The identity of a folder, and where it was seen.

    Attributes:
        folder_id: the UUID in the file; for a folder that cannot be written to, one made of host and path;
            for one in an object store, of its address.
        host: name of this host; empty for an object store.
        path: absolute path of the folder on it, or the address.
        file_number: number of the marker's inode (as text: some file systems use all 64 bits); of a folder
            without marker, the folder's own. Renaming the folder keeps it, another host that mounts the
            folder sees the same, a copy has another.
        is_written: whether the identity is in a file of the folder, and not made of its place.
    """

    folder_id: str
    host: str
    path: str
    file_number: str
    is_written: bool = True

    @property
    def place(self) -> str:
        """Where the folder is, for a sentence."""
        return place_of(self.path, self.host)


def place_of(path: str, host: str) -> str:
    """A folder for a sentence; one in an object store is on no host."""
    return f"{path} on {host}" if host else path


def marker_of(address: Address) -> Marker:
    """The identity of a folder in an object store: its address, wherever it is asked from."""
    return Marker(str(uuid.uuid5(uuid.NAMESPACE_URL, str(address))), "", str(address), "", is_written=False)


def read_marker(folder: Path) -> Marker | None:
    """The identity of a folder as it is; None where it has no marker yet and one may be written.

    Raises:
        CcfError: the folder is not there, or its marker cannot be read or holds no UUID.
    """
    marker = folder / MARKER
    try:
        number, text = str(marker.stat().st_ino), marker.read_text("utf-8", "replace")[:_LARGEST]
    except FileNotFoundError:
        if not folder.is_dir():
            raise CcfError(f"The folder of recordings {folder} does not exist.") from None
        return None if os.access(folder, os.W_OK) else _by_place(folder)
    except OSError as error:
        raise CcfError(f"{marker} cannot be read: {why(error)}.") from None
    written = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        folder_id = str(uuid.UUID("".join(written)))
    except ValueError:
        raise CcfError(
            f"{marker} does not hold the UUID that ccf_assets wrote into it. Restore it, or delete it: the "
            "folder then counts as a new folder of recordings."
        ) from None
    return Marker(folder_id, socket.gethostname(), str(folder.resolve()), number)


def write_marker(folder: Path) -> Marker:
    """The identity of a folder, in a marker that is written if there is none.

    Where it cannot be written, whatever the folder's rights say, the identity is made of host and path.

    Raises:
        CcfError: as `read_marker`.
    """
    there = read_marker(folder)
    if there is not None:
        return there
    aside = folder / f"{MARKER}.{uuid.uuid4().hex}"
    with suppress(OSError):
        aside.write_text(f"{_COMMENT}{uuid.uuid4()}\n", "utf-8")
        _put(aside, folder / MARKER)
    with suppress(OSError):
        aside.unlink(missing_ok=True)
    return read_marker(folder) or _by_place(folder)


def _put(aside: Path, place: Path) -> None:
    """Give a finished file its name, unless another process was first."""
    try:
        os.link(aside, place)  # in one step, and never over another's
    except FileExistsError:
        return
    except OSError:  # a file system without links
        if not place.exists():
            aside.replace(place)


def _by_place(folder: Path) -> Marker:
    host, path = socket.gethostname(), str(folder.resolve())
    made = uuid.uuid5(uuid.NAMESPACE_URL, f"file://{host}{path}")
    return Marker(str(made), host, path, str(folder.stat().st_ino), is_written=False)
