"""What stands beside a plane: its sites by recording, its regions or the scale of its values."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from ccf_assets.finding import counted
from ccf_assets.pictures.drawing import (
    ACRONYM,
    HATCH,
    HEADING,
    NAME,
    NOTE,
    QUIET,
    fitted_text,
    new_axes,
    rectangle,
    text_size,
    write,
)
from ccf_assets.pictures.parts import Parts
from ccf_assets.pictures.sites import SitesOnPlane
from ccf_assets.pictures.values import WITHOUT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ccf_assets.pictures.values import Scale

WIDTH = 316
"""Pixels of the column beside a plane."""

MOST_ROWS = 32
"""Most regions in the legend of a plane: the largest in it."""

_LINE, _TWO_LINES = 20, 29
"""Pixels of a row whose name takes one line or two."""

_ACRONYM_X, _NAME_X = 24, 110


def legend_order(parts: Parts, labelled: Collection[int]) -> list[int]:
    """The groups of a plane in the order of the legend: the largest first.

    One that has no label on the plane does not follow one of its own colour: it could not be told from it.
    It comes later, or not at all.

    Args:
        parts: the parts of the plane.
        labelled: the groups whose names stand on it.
    """
    areas = parts.areas()
    largest = (-areas).argsort(kind="stable").tolist()
    waiting = [group for group in largest if areas[group] and parts.groups[group] is not None]
    ordered: list[int] = []
    before = ""

    def may_follow(group: int) -> bool:
        return _color(parts, group) != before or {group, ordered[-1]} <= set(labelled)

    while chosen := next((group for group in waiting if may_follow(group)), None):
        ordered.append(chosen)
        waiting.remove(chosen)
        before = _color(parts, chosen)
    return ordered


def _color(parts: Parts, group: int) -> str:
    named = parts.groups[group]
    return named.color_hex if named else ""


def sites_key(figure: Figure, found: SitesOnPlane, within_um: float, x: float, y: float) -> float:
    """The recordings on a plane with their colours and numbers of sites; returns its end in pixels."""
    total = sum(map(len, found.places.values()))
    title = f"{counted(total, 'site')} within {within_um:g} µm of the plane"
    left_out = ((found.far, "farther off, not drawn"), (found.outside, "outside the volume"))
    notes = [f"{counted(number, 'site')} {where}" for number, where in left_out if number]
    names = [name for name in found.places if name]
    height = 18 * (1 + len(names) + len(notes)) + 8
    key = new_axes(figure, x, y, WIDTH, height, blank=True)
    write(figure, x, y + 10, title, WIDTH, HEADING)
    for row, name in enumerate(names, start=1):
        middle, sites = 18 * row + 8, f"{len(found.places[name]):,}"
        key.scatter([7], [middle], s=24, color=found.colours[name], edgecolors=QUIET, linewidths=0.5)
        room = WIDTH - 30 - text_size(sites, NOTE)[0]
        key.text(20, middle, fitted_text(name, room, 1, NAME), va="center_baseline", **NAME)
        key.text(WIDTH, middle, sites, va="center_baseline", ha="right", **NOTE)
    for row, note in enumerate(notes, start=1 + len(names)):
        key.text(20 if names else 0, 18 * row + 8, note, va="center_baseline", **NOTE)
    return y + height


def region_key(
    figure: Figure,
    parts: Parts,
    order: Sequence[int],
    words: tuple[str, str],
    x: float,
    y: float,
    height: float,
) -> None:
    """Colour, acronym and name of the groups of a plane, a row each, from (x, y) down within ``height``.

    Args:
        figure: where it is drawn.
        parts: the parts of the plane.
        order: its groups in the order of the rows.
        words: the heading, and what the parts without a name are; that is empty if there is nothing to tell.
        x: left edge, pixels from the left of the figure.
        y: upper edge, pixels from its top.
        height: pixels that it may take.
    """
    heading, unnamed = words
    write(figure, x, y + 10, heading, WIDTH, HEADING)
    key = new_axes(figure, x, y + 18, WIDTH, height - 18, blank=True)
    at, end = 0.0, height - 18 - _LINE * (1 + bool(unnamed))
    rest = len(parts.groups) - 2
    hatched = {int(group) for group in parts.group[parts.hatched]}
    for group in order[:MOST_ROWS]:
        named = parts.groups[group]
        if named is None:  # legend_order leaves them out
            continue
        name = fitted_text(named.name, WIDTH - _NAME_X, 2, NAME)
        row = _TWO_LINES if "\n" in name else _LINE
        if at + row > end:
            break
        middle = at + row / 2
        key.add_patch(rectangle(0, middle - 7, 14, 14, named.color_hex, hatched=group in hatched))
        room = _NAME_X - _ACRONYM_X - 4
        says_name = named.acronym == named.name and text_size(named.acronym, ACRONYM)[0] > room
        acronym = "" if says_name else fitted_text(named.acronym, room, 1, ACRONYM)
        key.text(_ACRONYM_X, middle, acronym, va="center_baseline", **ACRONYM)
        key.text(
            _NAME_X,
            middle,
            name,
            va="center_baseline" if row == _LINE else "center",
            linespacing=1.05,
            **NAME,
        )
        at += row
        rest -= 1
    if all(parts.groups[group] is None for group in order):
        key.text(0, at + _LINE / 2, "none in this plane", va="center_baseline", **NOTE)
        at += _LINE
    if rest > 0:
        key.text(_ACRONYM_X, at + _LINE / 2, f"and {rest:,} more", va="center_baseline", **NOTE)
        at += _LINE
    if unnamed:
        key.add_patch(rectangle(0, at + 3, 14, 14, HATCH[0]))
        key.text(_ACRONYM_X, at + _LINE / 2, unnamed, va="center_baseline", **NOTE)


def value_width(scale: Scale) -> float:
    """Pixels that `value_key` takes beside a plane: of its label, but at least of "no value"."""
    return min(max(text_size(scale.label, HEADING)[0] + 4, 100), WIDTH)


def value_key(figure: Figure, scale: Scale, x: float, y: float, height: float) -> None:
    """The colours of values with their numbers and what they are, from (x, y) down."""
    write(figure, x, y + 10, scale.label, WIDTH, HEADING)
    axes = new_axes(figure, x, y + 24, 18, min(240, height - 100))
    figure.colorbar(scale.mappable(), cax=axes)
    axes.tick_params(labelsize=8)
    key = new_axes(figure, x, y + 24 + min(240, height - 100) + 16, WIDTH, _LINE, blank=True)
    key.add_patch(rectangle(0, 3, 14, 14, WITHOUT))
    key.text(_ACRONYM_X, _LINE / 2, "no value", va="center_baseline", **NOTE)
