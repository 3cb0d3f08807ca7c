"""Coordinate frames in the database: the table coordinate_frame, and a frame's map as SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ccf_assets import settings
from ccf_assets.ccf.frames.files import FRAMES, load_frames
from ccf_assets.ccf.frames.maps import COEFFICIENTS, LARGEST, SMALLEST, Frame
from ccf_assets.db.schema import coordinate_frame, reference_space
from ccf_assets.db.shared_files import keep_own, may_change, place_of, refuse, shared_files
from ccf_assets.errors import CcfError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


_WAITING = "frame"
"""Kind in shared_file of the frames into a space of which no atlas is loaded: they cannot be rows."""


def add_frames(connection: sa.Connection, frames: Mapping[str, Frame]) -> None:
    """Add frames to coordinate_frame that the program knows and the database does not.

    Existing rows stay as they are, even if a file describes another frame of that name: a command that only
    reads must not change the sites of others. Who may only read, as everybody on a standby, adds nothing.
    """
    t = coordinate_frame
    existing = set(connection.scalars(sa.select(t.c.name)))
    new = [row for row in _in_known_spaces(connection, frames) if row["name"] not in existing]
    may_insert = sa.func.has_table_privilege(str(t), "INSERT")
    may_write = sa.func.current_setting("transaction_read_only") == "off"
    if new and connection.scalar(sa.select(may_insert & may_write)):
        connection.execute(postgresql.insert(t).on_conflict_do_nothing(), new)


def keep_frames(engine: sa.Engine, *, take_over: bool = False) -> None:
    """Bring coordinate_frame up to the frames that the program and this host's own files describe.

    Whoever asks for work does so before it asks. Runs only read the table (`stored_frames`), so that a site
    is one place whatever host its run is on. A frame that no file describes any more stays, since sites may
    refer to it, but no further file may use it. When a frame changes, a trigger deletes the regions of its
    sites, so that they are computed again.

    Args:
        engine: the database.
        take_over: what this host's files say counts, whatever those of others do.

    Raises:
        CcfError: a file of frames cannot be read or is wrong; or another host's file describes another frame
            of this name, and then nothing was changed.
    """
    paths = settings.frames_files()
    own = load_frames(*paths)
    places = [place_of(path) for path in paths]  # of one file, or none
    with engine.begin() as connection:
        rows = {str(row["name"]): row for row in _in_known_spaces(connection, own)}
        _refuse_names_of_atlases(connection, rows, paths)
        waiting = {
            name: (json.dumps(asdict(frame)).encode(), places[0])
            for name, frame in own.items()
            if name not in rows
        }
        keep_own(connection, _WAITING, "The frame", waiting, places, take_over=take_over)
        wanted = [{**row, "defined_by": None if name in FRAMES else places[0]} for name, row in rows.items()]
        if _changed(connection, wanted, take_over=take_over):
            # Of two hosts that bring one name at once the second sees what the first has said.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("own frames"))))
            if changed := _changed(connection, wanted, take_over=take_over):
                t = coordinate_frame
                insert = postgresql.insert(t)
                values = {
                    c.name: insert.excluded[c.name] for c in t.c if c.name in wanted[0] and not c.primary_key
                }
                upsert = insert.on_conflict_do_update(index_elements=[t.c.name], set_=values)
                connection.execute(upsert, changed)
        _let_go(connection, list(rows), places)


def _changed(
    connection: sa.Connection, wanted: Sequence[Mapping[str, Any]], *, take_over: bool
) -> list[Mapping[str, Any]]:
    """Those of the wanted rows that are not there as they are, and may be."""
    stored = {row["name"]: dict(row) for row in connection.execute(sa.select(coordinate_frame)).mappings()}
    changed = []
    for row in wanted:
        there = stored.get(row["name"])
        kept_by = there["defined_by"] if there else None
        place = row["defined_by"]
        same = there is not None and all(there[name] == row[name] for name in row if name != "defined_by")
        may = take_over or place is None or may_change(kept_by, place)
        if not (same or may):
            raise refuse(f"The frame {row['name']}", kept_by or "", place)
        if not same or (may and kept_by != place):
            changed.append(row)
    return changed


def _let_go(connection: sa.Connection, names: Sequence[str], places: Sequence[str]) -> None:
    """Note of the frames that a file has no longer that none describes them."""
    t = coordinate_frame.c
    one_host = bool(places) and settings.postgres_url() is None
    theirs = t.defined_by.is_not(None) if one_host else t.defined_by.in_(places)
    left = sa.update(coordinate_frame).where(theirs, t.name.not_in(names)).values(defined_by=None)
    if connection.scalar(sa.select(sa.exists().where(theirs, t.name.not_in(names)))):
        connection.execute(left)


def _in_known_spaces(connection: sa.Connection, frames: Mapping[str, Frame]) -> list[dict[str, str | float]]:
    """The rows of the frames whose space is in the database; the others wait until an atlas in it is."""
    known = set(connection.scalars(sa.select(reference_space.c.name)))
    return [row for row in frame_rows(frames) if row["space"] in known]


def known_frames(engine: sa.Engine) -> dict[str, Frame]:
    """All frames by name, for a question: those of the program and of this host's own files, and all others.

    Raises:
        CcfError: a file of frames cannot be read, or an entry in it is wrong.
    """
    paths = settings.frames_files()
    own = load_frames(*paths)
    with engine.connect() as connection:
        _refuse_names_of_atlases(connection, {str(row["name"]): row for row in frame_rows(own)}, paths)
        return own | {name: frame for name, frame in _frames_in_use(connection).items() if name not in own}


def stored_frames(engine: sa.Engine) -> dict[str, Frame]:
    """The frames in which files of sites may be, by name: what a run knows, on whatever host.

    These are the built-in ones, those of the files of all hosts, and those that loaded atlases bring. A file
    in one that leads into a space of which no atlas is loaded is refused with that reason.
    """
    with engine.connect() as connection:
        frames = _frames_in_use(connection)
        for waiting in shared_files(connection, _WAITING):
            said = json.loads(waiting.content)
            said |= {name: tuple(said[name]) for name in ("xyz", "coefficients")}
            frames[waiting.name] = Frame(**said)
    return frames


def _frames_in_use(connection: sa.Connection) -> dict[str, Frame]:
    """The frames in the table, but for those that no file describes any more."""
    t = coordinate_frame
    in_use = sa.or_(t.c.name.in_(list(FRAMES)), t.c.defined_by.is_not(None), t.c.of_atlas.is_not(None))
    rows = connection.execute(sa.select(t).where(in_use).order_by(t.c.name)).mappings()
    return {row["name"]: _frame_of(dict(row)) for row in rows}


def _refuse_names_of_atlases(
    connection: sa.Connection, rows: Mapping[str, Mapping[str, object]], paths: Sequence[Path]
) -> None:
    """Refuse a frame with the name of one that an atlas brings, unless it is the same."""
    t = coordinate_frame
    named = sa.select(t).where(t.c.of_atlas.is_not(None), t.c.name.in_(list(rows))).order_by(t.c.name)
    for there in connection.execute(named).mappings():
        if any(there[column] != value for column, value in rows[there["name"]].items()):
            raise CcfError(
                f"{', '.join(map(str, paths))}: frame {there['name']!r}: the name is already used (by the "
                f"files of the atlas with ccf_id {there['of_atlas']}); choose another."
            )


def _frame_of(row: Mapping[str, Any]) -> Frame:
    """A row of coordinate_frame as a frame."""
    return Frame(
        **{name: row[name] for name in ("name", "description", "source", "unit", "dv_from", "space")},
        xyz=tuple(row["xyz"].split(",")),
        coefficients=tuple(row[name] for name in COEFFICIENTS),
    )


class SqlPoint(NamedTuple):
    """SQL expressions for a point's CCF coordinates in µm, double precision."""

    x: ColumnElement[float]
    y: ColumnElement[float]
    z: ColumnElement[float]


def sql_to_ccf(
    columns: Any,  # noqa: ANN401  (a table's .c, a subquery's .c or a dict; they share no type but [])
    ap: ColumnElement[float],
    dv: ColumnElement[float],
    ml: ColumnElement[float],
    surface_y: ColumnElement[Any] | None = None,
) -> SqlPoint:
    """`to_ccf` as SQL, for any mixture of frames: each row takes its own row of coordinate_frame.

    Where dv is measured from the surface, first ask without ``surface_y`` for x and z, join brain_surface on
    their column, then ask again with its y.

    Args:
        columns: the columns of coordinate_frame, by name: ``dv_from`` and those in `COEFFICIENTS`.
        ap: the site's antero-posterior coordinate, double precision.
        dv: its dorso-ventral coordinate.
        ml: its medio-lateral coordinate.
        surface_y: CCF y of the surface of the point's column in µm, NULL where it has none. Without it y is
            NULL in frames that need it.

    Returns:
        x, y, z in CCF µm. NaN where a coordinate is NULL, NaN, infinite or beyond `LARGEST`.
    """
    import sqlalchemy as sa

    def number(text: str) -> ColumnElement[float]:
        # Not bound parameters: constants the server folds, and a statement that reads well in its log.
        return sa.literal_column(f"'{text}'::double precision", sa.Double())

    def usable(value: ColumnElement[float]) -> ColumnElement[float]:
        # BETWEEN is false for NaN, which sorts above every number, and unknown for NULL.
        zero, above, below = number("0"), number(repr(SMALLEST)), number(f"-{SMALLEST!r}")
        return sa.case(
            (sa.and_(value > zero, value < above), above),
            (sa.and_(value < zero, value > below), below),
            (value.between(number(f"-{LARGEST!r}"), number(repr(LARGEST))), value),
            else_=number("NaN"),
        )

    ap, dv, ml = usable(ap), usable(dv), usable(ml)

    def row(name: str) -> ColumnElement[float]:
        # SQL sums from left to right, and _apply does as SQL does.
        linear = columns[f"{name}_ap"] * ap + columns[f"{name}_dv"] * dv + columns[f"{name}_ml"] * ml
        return cast("ColumnElement[float]", linear + columns[f"{name}_0"])

    surface = sa.null() if surface_y is None else sa.cast(surface_y, sa.Double())
    above = sa.case((columns["dv_from"] == "surface", surface), else_=number("0"))
    return SqlPoint(row("x"), row("y") + above, row("z"))


def frame_rows(frames: Mapping[str, Frame]) -> list[dict[str, str | float]]:
    """The rows of the table coordinate_frame.

    Returns:
        One dict per frame: name, description, source, unit, xyz (``ml,ap,dv``), dv_from, space, and the 12
        columns of `COEFFICIENTS`.
    """
    return [
        {
            "name": each.name,
            "description": each.description,
            "source": each.source,
            "unit": each.unit,
            "xyz": ",".join(each.xyz),
            "dv_from": each.dv_from,
            "space": each.space,
            **dict(zip(COEFFICIENTS, each.coefficients, strict=True)),
        }
        for each in frames.values()
    ]
