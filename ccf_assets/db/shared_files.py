"""Small files of which every host must use the same: the table shared_file, and who may change what is in it.

Whoever asks for work (a sensor, ``ccf-assets load``) keeps a lab's own files here, and runs, on whatever
host they are, read them back. Which files these are is in ontologies, region_maps and own_catalogue; a lab's
frames have a table of their own (frames).
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ccf_assets import settings
from ccf_assets.db.schema import shared_file
from ccf_assets.errors import CcfError, as_text

_ON = " on "


@dataclass(frozen=True)
class SharedFile:
    """A row of shared_file: its name, content and checksum, and the file and host that it came from."""

    name: str
    content: bytes
    sha256: str
    kept_by: str

    @property
    def came_from(self) -> str:
        """The file or address that it came from."""
        return _parted(self.kept_by)[0]

    @property
    def is_of_this_host(self) -> bool:
        """Whether this host keeps it."""
        return _parted(self.kept_by)[1] == socket.gethostname()


def place_of(path: Path | str) -> str:
    """Where a file is, for sentences and for columns: its path or address, and this host."""
    return as_text(f"{path}{_ON}{socket.gethostname()}")


def _parted(place: str) -> tuple[str, str]:
    """The inverse of `place_of`: path or address, and host."""
    path, _, host = place.rpartition(_ON)
    return path, host


def may_change(kept_by: str | None, place: str) -> bool:
    """Whether a file in one place may change what another, or nobody, has said before.

    Otherwise what two hosts say would change with every load. A definition belongs to the file that it came
    from, until that no longer has it, or is on this host and gone; `refuse` says what else can be done. The
    embedded server has one host, whose name may change with the network that it is in.
    """
    if kept_by in (None, place) or settings.postgres_url() is None:
        return True
    path, host = _parted(str(kept_by))
    return host == socket.gethostname() and not Path(path).exists()


class ContradictionError(CcfError):
    """Two hosts say different things of one name."""


def refuse(what: str, kept_by: str, place: str) -> ContradictionError:
    """The error where two files say different things of one name."""
    return ContradictionError(
        f"{what} is one thing in {kept_by} and another in {place}; all hosts of a database must mean the "
        "same. Nothing was changed. Make the two alike, or choose another name. If what this host says is to "
        "count from now on, say so once, here: ccf-assets publish."
    )


def shared_files(connection: sa.Connection, kind: str, name: str | None = None) -> list[SharedFile]:
    """The files of a kind by name, or the one of a name, if it is there."""
    t = shared_file.c
    query = sa.select(t.name, t.content, t.sha256, t.kept_by).where(t.kind == kind).order_by(t.name)
    if name is not None:
        query = query.where(t.name == name)
    return [SharedFile(*row) for row in connection.execute(query)]


def keep(connection: sa.Connection, kind: str, name: str, content: bytes, kept_by: str) -> None:
    """Keep a file in the place of what there was of its name; the same content again changes nothing."""
    t = shared_file
    insert = postgresql.insert(t).values(
        kind=kind, name=name, sha256=hashlib.sha256(content).hexdigest(), content=content, kept_by=kept_by
    )
    new = {"sha256", "content", "kept_by"}
    other = t.c.sha256 != insert.excluded.sha256
    when = sa.case((other, sa.func.now()), else_=t.c.kept_at)
    changed = {**{column: insert.excluded[column] for column in new}, "kept_at": when}
    differs = sa.or_(other, t.c.kept_by != insert.excluded.kept_by)
    connection.execute(
        insert.on_conflict_do_update(index_elements=[t.c.kind, t.c.name], set_=changed, where=differs)
    )


def keep_own(
    connection: sa.Connection,
    kind: str,
    what: str,
    files: Mapping[str, tuple[bytes, str]],
    gone: Iterable[str] = (),
    *,
    take_over: bool = False,
) -> None:
    """Keep a lab's own files of this host, beside those of others.

    Args:
        connection: in a transaction.
        kind: of the files.
        what: a file of this kind in words, such as ``The region map``, which its name follows.
        files: name → content, and place (`place_of`).
        gone: places whose files are no longer kept, as far as they are not among ``files``.
        take_over: what this host says of a name counts, whatever another host has said.

    Raises:
        CcfError: another host keeps a file of a name with another content.
    """
    t = shared_file.c
    gone = set(gone)

    def lacking() -> tuple[list[str], list[str]]:
        rows = connection.execute(sa.select(t.name, t.sha256, t.kept_by).where(t.kind == kind))
        there = {row.name: row for row in rows}
        changed = []
        for name, (content, place) in files.items():
            row = there.get(name)
            same = row is not None and row.sha256 == hashlib.sha256(content).hexdigest()
            may = row is None or take_over or may_change(row.kept_by, place)
            if row is not None and not (same or may):
                raise refuse(f"{what} {name}", row.kept_by, place)
            if not same or (may and row is not None and row.kept_by != place):
                changed.append(name)
        left = [row for name, row in there.items() if name not in files]
        # The embedded server has one host, which may name another folder now, or have another name.
        all_gone = bool(gone) and settings.postgres_url() is None
        return changed, [row.name for row in left if all_gone or row.kept_by in gone]

    if any(lacking()):
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(str(shared_file)))))
        changed, removed = lacking()
        for name in changed:
            keep(connection, kind, name, *files[name])
        connection.execute(sa.delete(shared_file).where(t.kind == kind, t.name.in_(removed)))
