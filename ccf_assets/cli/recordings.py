"""Commands about recording sites: their sources, and the coordinate frames.

Not here: which sites are in a region (ask).
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ccf_assets import settings
from ccf_assets.cli.commands import command
from ccf_assets.cli.options import CsvOption, JsonOption, answer, say, tell
from ccf_assets.cli.tables import Column, show
from ccf_assets.errors import as_text

if TYPE_CHECKING:
    from ccf_assets.recordings.sources import Source

app = typer.Typer()


@command(app, "Recordings", "frames")
def list_frames(as_json: JsonOption = False, as_csv: CsvOption = False) -> None:
    """The known coordinate frames, including your own (CCF_FRAMES)."""
    from ccf_assets.db import database, frames

    known = frames.known_frames(database.create_engine())
    if as_json:
        answer(frames.frame_rows(known))
        return
    columns = (
        Column("frame", "key"),
        Column("unit", "key"),
        Column("xyz", "key", "x, y, z"),
        Column("description"),
    )
    rows = [(each.name, each.unit, ", ".join(each.xyz).upper(), each.description) for each in known.values()]
    show(columns, rows, as_csv=as_csv)


@command(app, "Recordings")
def register() -> None:
    """Register new files of sites and rows that were inserted by SQL: find their regions now.

    While the UI runs, its sensors do the same within some 15 seconds; so does every load.
    """
    from ccf_assets.cli import loading
    from ccf_assets.cli.load import report
    from ccf_assets.db import database
    from ccf_assets.runs.home import dagster_home

    dagster_home(say)
    database.dagster_url()  # refuses a user without the right before a run fails at length
    outcome = loading.register(report)
    if outcome.error:
        raise typer.Exit(1)


@command(app, "Recordings", "recordings")
def list_recordings(
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    moved: Annotated[
        bool,
        typer.Option("--moved", help="The folder of recordings was moved here, and the old one is gone."),
    ] = False,
) -> None:
    """Files and other sources of recording sites: their sites, and what is wrong with each source."""
    from ccf_assets.db.database import create_engine
    from ccf_assets.recordings import folders, sources

    folder, engine = settings.recordings(), create_engine()
    if moved:
        folders.take_over(engine, folder)
    found = sources.sources(engine, folder)
    missing = sources.missing_folder(folder, [source.source for source in found if source.state])
    if missing:
        say(missing)
    if as_json:
        answer([dataclasses.asdict(source) for source in found])
        return
    if not (found or missing):
        say(f"No recordings yet; put a CSV or Parquet file of sites into {folder}.")
    at_terminal = sys.stdout.isatty() and not as_csv
    show(
        _SOURCES[:4] if at_terminal else _SOURCES,
        [_source(each, at_terminal) for each in found],
        as_csv=as_csv,
    )
    if at_terminal:
        _tell_findings(found)


_SOURCES = (
    Column("source", "key"),
    Column("sites", "number"),
    Column("regions"),
    Column("state"),
    Column("refused"),
    Column("warnings"),
)


def _source(source: Source, at_terminal: bool) -> tuple[object, ...]:
    """The cells of a source; on a terminal its findings follow below the table."""
    statuses = ", ".join(f"{count:,} {status}" for status, count in source.statuses.items())
    waiting = source.sites - sum(source.statuses.values())
    if source.statuses and waiting > 0:
        statuses += f", {waiting:,} not_registered"
    regions = (statuses or "not registered yet") if source.sites else ""
    state = source.state or "inserted"
    if source.refused and "refused" not in state:
        state = "refused" if state == "read" else f"refused, {state}"
    row = (source.source, source.sites, regions, state)
    return row if at_terminal else (*row, " ".join(source.refused), " ".join(source.warnings))


def _tell_findings(found: Sequence[Source]) -> None:
    """What is wrong with each source, in sentences."""
    for source in found:
        if source.refused or source.warnings:
            tell(f"\n{as_text(source.source)}")
        for label, sentences in (("refused", source.refused), ("warning", source.warnings)):
            for line in "\n".join(sentences).splitlines():
                tell(f"  {label}: {as_text(line)}", 2)
