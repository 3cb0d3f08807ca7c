"""Coordinate frames in the database: the table coordinate_frame, and a frame's map as SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ccf_assets import settings
from ccf_assets.ccf.frames.files import load_frames
from ccf_assets.ccf.frames.maps import COEFFICIENTS, LARGEST, SMALLEST, Frame
from ccf_assets.db.schema import coordinate_frame, reference_space
from ccf_assets.errors import CcfError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


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


def keep_frames(connection: sa.Connection, frames: Mapping[str, Frame]) -> None:
    """Update coordinate_frame with the frames that the program knows, before sites are stored.

    A frame that is no longer known stays: sites may refer to it. When a frame changes, a trigger deletes the
    regions of its sites, so that they are computed again.
    """
    t = coordinate_frame
    columns = [column for column in t.columns if column is not t.c.of_atlas]
    stored = {row["name"]: dict(row) for row in connection.execute(sa.select(*columns)).mappings()}
    changed = [row for row in _in_known_spaces(connection, frames) if stored.get(str(row["name"])) != row]
    if changed:
        insert = postgresql.insert(t)
        values = {c.name: insert.excluded[c.name] for c in columns if not c.primary_key}
        connection.execute(insert.on_conflict_do_update(index_elements=[t.c.name], set_=values), changed)


def _in_known_spaces(connection: sa.Connection, frames: Mapping[str, Frame]) -> list[dict[str, str | float]]:
    """The rows of the frames whose space is in the database; the others wait until an atlas in it is."""
    known = set(connection.scalars(sa.select(reference_space.c.name)))
    return [row for row in frame_rows(frames) if row["space"] in known]


def known_frames(engine: sa.Engine) -> dict[str, Frame]:
    """All frames by name: the built-in ones, those of a lab's own files, and those that loaded atlases bring.

    Raises:
        CcfError: a file of frames cannot be read, or an entry in it is wrong.
    """
    frames = load_frames(*settings.frames_files())
    t = coordinate_frame
    with engine.connect() as connection:
        rows = connection.execute(sa.select(t).where(t.c.of_atlas.is_not(None)).order_by(t.c.name)).mappings()
        for row in rows:
            frame = _frame_of(dict(row))
            if frames.setdefault(frame.name, frame) != frame:
                raise CcfError(
                    f"{', '.join(map(str, settings.frames_files()))}: frame {frame.name!r}: the name is "
                    f"already used (by the files of the atlas with ccf_id {row['of_atlas']}); choose another."
                )
    return frames


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
