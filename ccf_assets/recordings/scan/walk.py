"""The visible files and subfolders of a folder of recordings, folder by folder.

What they are is decided by recordings.formats; what is in a file, in read.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ccf_assets import settings
from ccf_assets.errors import CcfError, why

_HIDDEN = (".", "~", "#")
_TEMPORARY = (".part", ".tmp", "~")


@dataclass(frozen=True)
class Content:
    """What a folder shows, by name.

    Attributes:
        folder: where it is.
        relative: its path below the folder of recordings, empty for that itself.
        number: of the device and the folder on it, by which it is known again behind a link.
        files: its files, and links that are followed or refused as files; of a disk, as its listing has them.
        folders: its subfolders, and links to folders that `CCF_RECORDINGS_ROOTS` allows, likewise.
    """

    folder: Path
    relative: str
    number: Hashable
    files: Mapping[str, os.DirEntry[str] | None]
    folders: Mapping[str, os.DirEntry[str] | None]

    def has(self, name: str) -> bool:
        """Whether there is a file or subfolder of a name."""
        return name in self.files or name in self.folders

    def entry(self, name: str) -> os.DirEntry[str] | None:
        """The file or subfolder of a name."""
        return self.files.get(name) or self.folders.get(name)

    def below(self, name: str) -> str:
        """The path of a file or subfolder below the folder of recordings."""
        return f"{self.relative}/{name}" if self.relative else name


class UnreadableFolderError(Exception):
    """A subfolder exists and cannot be read, such as lost+found; the text says why."""


def content_of(top: Path, relative: str) -> Content | None:
    """The content of a folder without hidden and temporary names; None if a subfolder is no longer there.

    Args:
        top: the folder of recordings.
        relative: path below it, empty for itself.

    Raises:
        CcfError: the folder of recordings itself cannot be read. It must not be taken for an empty one.
        UnreadableFolderError: a subfolder cannot be read.
    """
    folder = top / relative if relative else top
    try:
        status = folder.stat()
        with os.scandir(folder) as listing:
            entries = [entry for entry in listing if is_visible(entry.name) or _is_revision(entry)]
    except FileNotFoundError:
        if relative:
            return None
        raise CcfError(f"The folder of recordings {folder} does not exist.") from None
    except OSError as error:
        refusal = f"cannot be read: {why(error)}."
        if relative:
            raise UnreadableFolderError(f"The subfolder {relative} {refusal}") from None
        raise CcfError(f"The folder of recordings {folder} {refusal}") from None
    files: dict[str, os.DirEntry[str]] = {}
    folders: dict[str, os.DirEntry[str]] = {}
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            folders[entry.name] = entry
        elif not (entry.is_symlink() and _leads_to_folder(entry)):
            files[entry.name] = entry
        elif is_inside(Path(entry.path), settings.recordings_roots()) and not _is_circle(Path(entry.path)):
            folders[entry.name] = entry
    return Content(folder, relative, (status.st_dev, status.st_ino), files, folders)


def may_be_read(path: Path, top: Path) -> bool:
    """Whether a path, with all its links followed, is in the folder of recordings or where links may lead."""
    return is_inside(path, [top, *settings.recordings_roots()])


def is_inside(path: Path, folders: Iterable[Path]) -> bool:
    """Whether a path, with all its links followed, is one of some folders or inside one."""
    real = path.resolve()
    return any(real.is_relative_to(folder.resolve()) for folder in folders)


def _is_circle(link: Path) -> bool:
    """Whether a link leads to a folder that it is in itself."""
    return link.parent.resolve().is_relative_to(link.resolve())


def is_visible(name: str) -> bool:
    """Whether a name is neither hidden nor that of a temporary file."""
    return not (name.startswith(_HIDDEN) or name.lower().endswith(_TEMPORARY))


def _is_revision(entry: os.DirEntry[str]) -> bool:
    """Whether it is the folder of a revision of ALF, such as ``#2024-05-06#``."""
    return is_revision(entry.name) and entry.is_dir()


def is_revision(name: str) -> bool:
    """Whether a name is that of a revision."""
    return name.startswith("#") and name.endswith("#") and len(name) > len("##")


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # for example a circular link: reading it gives the error
        return False
