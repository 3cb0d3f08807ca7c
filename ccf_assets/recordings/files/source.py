"""A source of sites in the folder of recordings: one file, or several that are one thing, and its format.

Which formats there are is in recordings.formats.known; how a folder is searched, in folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeAlias

from ccf_assets.recordings.files.settings import FileSettings, stem_of
from ccf_assets.recordings.files.table import LARGEST_BYTES, Table

HEAD_BYTES = 4096
"""Bytes of a file that `Listing.look` shows."""

Classify: TypeAlias = Callable[[bytes], str]
"""From the first `HEAD_BYTES` of a file to a word that says what it is; empty for anything else."""


@dataclass(frozen=True)
class Listing:
    """One folder, as formats see it when they look for their files.

    Attributes:
        folder: where it is.
        files: names of its visible files.
        folders: names of its visible subfolders.
        look: asks a `Classify` what the file of a name is; the answer is kept as long as the file stays the
            same. Names tell most formats apart and cost nothing: this is for what they do not tell.
    """

    folder: Path
    files: frozenset[str]
    folders: frozenset[str]
    look: Callable[[str, Classify], str]

    def has_file(self, path: str) -> bool:
        """Whether a file is there; ``path`` is relative to the folder, and may lead out of it by ``..``."""
        # os.path: pathlib raises an error where a folder on the way cannot be looked into.
        return os.path.isfile(self.folder / path)  # noqa: PTH113

    def has_folder(self, path: str) -> bool:
        """Whether a folder is there, likewise."""
        return os.path.isdir(self.folder / path)  # noqa: PTH112

    def names(self, path: str = "") -> Collection[str]:
        """All names in a folder, hidden ones too; none if it cannot be looked into."""
        try:
            return os.listdir(self.folder / path)  # noqa: PTH208
        except OSError:
            return ()


@dataclass(frozen=True)
class Found:
    """A source that a format recognised in a folder.

    Attributes:
        anchor: name of the file, or of the subfolder, that gives the source its partition key.
        others: the other files that it consists of, relative to the folder. None of them is a source itself,
            and a change of any counts as a change of the source.
    """

    anchor: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A source that is to be read.

    Attributes:
        key: its partition key.
        paths: its files, the anchor first.
        opened: opens those that are not on this host, by their paths; None where all are.
    """

    key: str
    paths: tuple[Path, ...]
    opened: Callable[[Path], BinaryIO] | None = None

    @property
    def path(self) -> Path:
        """The anchor."""
        return self.paths[0]

    @property
    def stem(self) -> str:
        """The name of the anchor without its suffix."""
        return stem_of(self.path.name)

    @property
    def folder_name(self) -> str:
        """The recording of a source that is one of its folder: the folder's path below that of recordings.

        The stem, if the source lies in the folder of recordings itself.
        """
        parent = str(PurePosixPath(self.key).parent)
        return self.stem if parent == "." else parent

    @property
    def file_name(self) -> str:
        """The recording of a source that is one of many in its folder: its path without the suffix."""
        return str(PurePosixPath(self.key).with_name(self.stem))


@dataclass(frozen=True)
class SiteFormat:
    """A format of files of sites.

    Attributes:
        name: what it is called, for sentences: ``channel_locations.json of the IBL``.
        suffixes: in lower case, how the names of its anchors end.
        find: the sources of this format in a folder. It looks at names, and only where they do not tell at
            contents. It must not open files otherwise.
        read: the sites of a source. Of the columns, those called as ours (`settings.OURS`) are taken as such;
            `Table.frame` is the frame if the format itself states it. It must not need memory beyond a small
            multiple of ``largest_bytes``, whatever the file holds, and raises CcfError with one sentence that
            says what is wrong, where, and what to do.
        digest: SHA-256 of what `read` reads, for files so large that only a part of them is read; otherwise
            that of the whole files is taken.
        largest_bytes: a file with more is refused before it is opened; None if only parts of it are read.
        parts: of a source that is a folder, the subfolders that are read, beside its files; empty for all.
        has_own_columns: its columns are whatever a lab called them, as in a CSV.
    """

    name: str
    suffixes: tuple[str, ...]
    find: Callable[[Listing], Iterable[Found]]
    read: Callable[[Source, FileSettings], Table]
    digest: Callable[[Source], str] | None = None
    largest_bytes: int | None = LARGEST_BYTES
    parts: tuple[str, ...] = ()
    has_own_columns: bool = False


@dataclass(frozen=True)
class NotSites:
    """A kind of file that people have beside their sites, and that holds none.

    Attributes:
        name: what it is, for sentences: ``the geometry of a probe``.
        find: names of such files (or subfolders) in a folder.
        advice: which file to load instead, or why none.
    """

    name: str
    find: Callable[[Listing], Iterable[str]]
    advice: str
