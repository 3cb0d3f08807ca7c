"""The command load: which atlases it loads from which source, and what it prints before, during and after.

Not here: the load itself (loading).
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ccf_assets import settings
from ccf_assets.ccf.catalogue import CATALOGUE, AtlasEntry, atlas_entry, default_atlases
from ccf_assets.cli.database import print_holdings
from ccf_assets.cli.options import say

if TYPE_CHECKING:
    from ccf_assets.cli.outcome import Outcome

app = typer.Typer()


@app.command()
def load(
    atlases: Annotated[
        list[str] | None,
        typer.Argument(help="Keys of atlases, e.g. ccf_2017_25um; all default atlases if none is given."),
    ] = None,
    rows: Annotated[
        bool | None,
        typer.Option("--rows/--no-rows", help="One row per voxel too. Default: at 50 and 100 µm."),
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Fetch the ontology and the volumes again.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, max=16, help="How many atlases load at once; two if not given."),
    ] = None,
) -> None:
    """Load atlases into the database. What is up to date already is not loaded again.

    Each load is a Dagster run and shows in the UI. If no atlas is named, the source cannot be reached and
    nothing is cached, the phantom is loaded instead, with a notice.
    """
    from ccf_assets.db import database
    from ccf_assets.runs.home import dagster_home

    phantom = settings.source() == settings.PHANTOM
    entries = [atlas_entry(key) for key in atlases] if atlases else default_atlases(phantom=phantom)
    # The phantom is computed here: for it alone no other source is asked.
    source = settings.PHANTOM if all(entry.is_phantom for entry in entries) else settings.source()
    say(f"Database: {_where()}")
    dagster_home(say)
    database.dagster_url()  # refuses a user without the right to load before a run fails at length
    say(f"Loading {', '.join(entry.key for entry in entries)} from {_label(source)} …")
    outcomes = _load(entries, source, rows, refresh=refresh, examples=not atlases, jobs=jobs)
    if not atlases and not phantom and _nothing_reachable(outcomes):
        say("")
        say("*** The source cannot be reached and nothing is cached: loading the PHANTOM instead.")
        say("*** The phantom is an analytic stand-in for demonstrations; it is NOT the Allen CCF.")
        entries = default_atlases(phantom=True)
        outcomes = _load(entries, settings.PHANTOM, rows, refresh=False, examples=True, jobs=jobs)
    failed = [outcome for outcome in outcomes if outcome.error]
    say("")
    print_holdings()
    if failed:
        raise typer.Exit(1)
    # Sensors follow the atlases of the source.
    of_phantom = not phantom and all(entry.is_phantom for entry in entries)
    _print_things_to_try("CCF_SOURCE=phantom " if of_phantom else "")


def _load(
    entries: Sequence[AtlasEntry],
    source: str,
    rows: bool | None,
    *,
    refresh: bool,
    examples: bool,
    jobs: int | None,
) -> list[Outcome]:
    from ccf_assets.cli import loading

    try:
        return loading.load(
            entries,
            source=source,
            rows=rows,
            refresh=refresh,
            examples=examples,
            jobs=jobs,
            report=_report,
            say=say,
        )
    except KeyboardInterrupt:
        say("Interrupted: unfinished work was undone, finished work is kept. Load again to continue.")
        raise


def _nothing_reachable(outcomes: list[Outcome]) -> bool:
    """Whether no real atlas is loaded, and the source was out of reach for the ontology or every atlas."""
    from ccf_assets.db import database, loaded

    if outcomes[0].error:
        unreachable = outcomes[0].unreachable
    else:
        unreachable = all(outcome.unreachable for outcome in outcomes if outcome.key in CATALOGUE)
    real = [atlas for atlas in loaded.loaded_atlases(database.create_engine()) if not atlas.is_phantom]
    return unreachable and not real


def _report(outcome: Outcome) -> None:
    if outcome.error:
        say(f"{outcome.key}: FAILED. {outcome.error}")
    elif outcome.loaded:
        say(f"{outcome.key}: {outcome.verb} {_listed(outcome.loaded)} in {outcome.seconds:.0f} s")
    if outcome.refused:
        say(f"{outcome.key}: refused {_listed(outcome.refused)}; `ccf-assets recordings` lists the reasons")
    if outcome.remark:
        say(f"{outcome.key}: {outcome.remark}")
    if not (outcome.error or outcome.loaded or outcome.refused or outcome.remark):
        say(f"{outcome.key}: up to date")


def _listed(names: Sequence[str]) -> str:
    """Up to a dozen names, or the first and the number of the others."""
    return ", ".join(names) if len(names) <= 12 else f"{names[0]} and {len(names) - 1:,} more"  # noqa: PLR2004


def _where() -> str:
    url = settings.postgres_url()
    return "the server CCF_POSTGRES_URL names" if url else f"embedded, in {settings.home() / 'postgres'}"


def _label(source: str) -> str:
    """A source in words that may be shown."""
    from ccf_assets.sources.source import Sources

    return dataclasses.replace(Sources.from_settings(), source=source).label


def _print_things_to_try(setting: str) -> None:
    """Commands for a start; ``setting`` goes before the one that starts the UI."""
    program = shlex.quote(os.path.relpath(sys.argv[0]))
    typer.echo(
        "\nThings to try:\n"
        f"  {program} region VISp             a region: its path, children and volume\n"
        f"  {program} locate 8900 1300 8200   the region at a point (CCF µm: AP, DV, ML)\n"
        f"  {program} sites CA1               the recording sites in CA1 or anything inside it\n"
        f"  {setting}{program} up                      the same in the Dagster UI"
    )
