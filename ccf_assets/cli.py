"""The command ``ccf-assets``: load atlases, ask them, see them, tidy up."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from ccf_assets import cli_ask, settings
from ccf_assets.atlases import CATALOGUE, AtlasEntry, atlas_entry, default_atlases
from ccf_assets.cli_common import JsonOption, answer, say
from ccf_assets.errors import CcfError
from ccf_assets.finding import counted

if TYPE_CHECKING:
    from ccf_assets.loading import Outcome

app = typer.Typer(
    help="The Allen Mouse Brain Common Coordinate Framework in PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.registered_commands += cli_ask.app.registered_commands


# ---- load


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
    """Load atlases into the database. What is current already is left alone.

    Each load is a Dagster run and shows in the UI. Without an atlas named, and with the source out of reach
    and nothing cached, the phantom is loaded instead and said to be it.
    """
    from ccf_assets import postgres

    phantom = settings.source() == settings.PHANTOM
    entries = [atlas_entry(key) for key in atlases] if atlases else default_atlases(phantom=phantom)
    if all(entry.is_phantom for entry in entries):
        os.environ["CCF_SOURCE"] = settings.PHANTOM  # it is computed here: no other source is asked
    say(f"Database: {_where()}")
    postgres.dagster_url()  # a run would say more long-windedly that the user may not load
    say(f"Loading {', '.join(entry.key for entry in entries)} from {_source()} …")
    outcomes = _load(entries, rows, refresh=refresh, examples=not atlases, jobs=jobs)
    if not atlases and not phantom and _nothing_reachable(outcomes):
        say("")
        say("*** The source cannot be reached and nothing is cached: loading the PHANTOM instead.")
        say("*** The phantom is an analytic stand-in for demonstrations; it is NOT the Allen CCF.")
        os.environ["CCF_SOURCE"] = settings.PHANTOM
        entries = default_atlases(phantom=True)
        outcomes = _load(entries, rows, refresh=False, examples=True, jobs=jobs)
    failed = [outcome for outcome in outcomes if outcome.error]
    say("")
    _print_holdings()
    if failed:
        raise typer.Exit(1)
    _print_things_to_try()


def _load(
    entries: Sequence[AtlasEntry], rows: bool | None, *, refresh: bool, examples: bool, jobs: int | None
) -> list[Outcome]:
    from ccf_assets import loading

    try:
        return loading.load(
            entries, rows=rows, refresh=refresh, examples=examples, jobs=jobs, report=_report, say=say
        )
    except KeyboardInterrupt:
        say("Interrupted: what was not finished was undone, what was is kept. Load again to go on.")
        raise


def _nothing_reachable(outcomes: list[Outcome]) -> bool:
    """Whether the source was out of reach for the ontology, or for every atlas of which nothing is loaded."""
    from ccf_assets import postgres, query

    if outcomes[0].error:
        unreachable = outcomes[0].unreachable
    else:
        unreachable = all(outcome.unreachable for outcome in outcomes if outcome.key in CATALOGUE)
    real = [atlas for atlas in query.loaded_atlases(postgres.create_engine()) if not atlas.is_phantom]
    return unreachable and not real


def _report(outcome: Outcome) -> None:
    if outcome.error:
        say(f"{outcome.key}: FAILED. {outcome.error}")
    elif outcome.loaded:
        say(f"{outcome.key}: {outcome.verb} {_listed(outcome.loaded)} in {outcome.seconds:.0f} s")
    if outcome.refused:
        say(f"{outcome.key}: refused {_listed(outcome.refused)}; `ccf-assets recordings` says why")
    if outcome.remark:
        say(f"{outcome.key}: {outcome.remark}")
    if not (outcome.error or outcome.loaded or outcome.refused or outcome.remark):
        say(f"{outcome.key}: current")


def _listed(names: Sequence[str]) -> str:
    """All of a dozen names, else the first and how many there are."""
    return ", ".join(names) if len(names) <= 12 else f"{names[0]} and {len(names) - 1:,} more"  # noqa: PLR2004


def _where() -> str:
    url = settings.postgres_url()
    return "the server CCF_POSTGRES_URL names" if url else f"embedded, in {settings.home() / 'postgres'}"


def _source() -> str:
    from ccf_assets.sources import Sources

    return Sources.from_settings().label


def _print_things_to_try() -> None:
    program = os.path.relpath(sys.argv[0])
    typer.echo(
        "\nThings to try:\n"
        f"  {program} region VISp             a region: its path, children and volume\n"
        f"  {program} locate 8900 1300 8200   the region at a point (CCF µm: AP, DV, ML)\n"
        f"  {program} sites CA1               the recording sites in CA1 or anything inside it\n"
        f"  {program} up                      the same in the Dagster UI"
    )


# ---- status and drop


@app.command()
def status(as_json: JsonOption = False) -> None:
    """What is loaded: atlases, rows, sizes, versions, when and from where."""
    from ccf_assets import inventory, postgres

    if as_json:
        held = inventory.holdings(postgres.create_engine())
        answer([dataclasses.asdict(holding) for holding in held])
    else:
        _print_holdings()


_LOADED = "loaded (local)"
"""Heading of the time, in the zone of whoever asks, at which an atlas was loaded."""


def _print_holdings() -> None:
    from rich.console import Console
    from rich.table import Table

    from ccf_assets import inventory, postgres

    held = inventory.holdings(postgres.create_engine())
    console = Console(width=None if sys.stdout.isatty() else 150)
    if not held:
        console.print("No atlas is loaded yet; run `ccf-assets load`.")
        return
    table = Table(title="Loaded atlases", title_justify="left")
    for heading in ("ccf_id", "atlas", "version", "µm", "regions", "runs", "voxel rows", "MB", _LOADED):
        table.add_column(heading, justify="left" if heading in {"atlas", "version", _LOADED} else "right")
    for h in held:
        table.add_row(
            str(h.ccf_id), h.key, h.version, f"{h.resolution_um:g}", f"{h.rows['brain_region']:,}",
            f"{h.rows['voxel_run']:,}", f"{h.rows['voxel']:,}", f"{h.bytes / 1e6:,.0f}",
            f"{h.loaded_at.astimezone():%Y-%m-%d %H:%M}",
        )  # fmt: skip
    console.print(table)
    for h in held:
        console.print(f"{h.key} from {h.source_url}", highlight=False, soft_wrap=True)
    for h in held:
        if h.missing:
            told = f"{h.key} is not whole: nothing in {', '.join(h.missing)}. Run `ccf-assets load {h.key}`."
            console.print(told, highlight=False, soft_wrap=True)


@app.command()
def drop(
    atlases: Annotated[list[str] | None, typer.Argument(help="Keys of loaded atlases.")] = None,
    recordings: Annotated[
        bool,
        typer.Option("--recordings", help="All recordings, too: those from files and those you inserted."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take atlases out of the database, and say what goes. Recordings stay unless --recordings is given.

    Downloaded files and files of recordings stay where they are.
    """
    from ccf_assets import inventory, postgres

    keys = list(dict.fromkeys(atlases or []))
    if not (keys or recordings):
        raise CcfError(
            "Name the atlases to drop, or give --recordings; `ccf-assets status` lists what is there."
        )
    engine = postgres.create_engine()
    held = {holding.key: holding for holding in inventory.holdings(engine)}
    for key in keys:
        if key not in held:
            raise CcfError(f"Atlas {key!r} is not in the database (there are: {', '.join(held) or 'none'}).")
    chosen = [held[key] for key in keys]
    for atlas in chosen:
        say(f"{atlas.key}: {_rows(atlas.rows)} ({atlas.bytes / 1e6:,.0f} MB)")
    rows, inserted = inventory.recorded(engine)
    sites = counted(rows["recording_site"], "recording site")
    if recordings:
        say(f"recordings: {_rows(rows) or 'none'}; {inserted:,} of the sites came from no file and are lost")
    elif rows["recording_site"]:
        say(f"The {sites} stay, without a region in what is dropped; --recordings drops them, too.")
    what = ", ".join([*keys, *(["all recordings"] if recordings else [])])
    if not yes:
        typer.confirm(f"Drop {what} with all these rows?", abort=True)
    inventory.drop_atlas(engine, *(atlas.ccf_id for atlas in chosen), recordings=recordings)
    say(f"Dropped {what}.")
    if recordings and settings.recordings().is_dir():
        say(f"Files in {settings.recordings()} are read again by the next load, or while the UI runs.")


def _rows(by_table: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} of {table}" for table, count in by_table.items() if count)


# ---- frames and recordings


@app.command("frames")
def list_frames(as_json: JsonOption = False) -> None:
    """The coordinate frames that can be named, your own (CCF_FRAMES) among them."""
    from ccf_assets import frames

    known = frames.load_frames(*settings.frames_files())
    if as_json:
        answer(frames.frame_rows(known))
        return
    for each in known.values():
        typer.echo(f"{each.name}  (unit {each.unit}; x, y, z = {', '.join(each.xyz).upper()})")
        typer.echo(f"    {each.description}")


@app.command("recordings")
def list_recordings(as_json: JsonOption = False) -> None:
    """Files and other sources of recording sites: what was found in each, and where the sites lie."""
    from ccf_assets import inventory, postgres

    folder = settings.recordings()
    found = inventory.sources(postgres.create_engine(), folder)
    missing = inventory.missing_folder(folder, [source.source for source in found if source.state])
    if missing:
        say(missing)
    if as_json:
        answer([dataclasses.asdict(source) for source in found])
        return
    if not (found or missing):
        typer.echo(f"No recordings yet; put a CSV or Parquet file of sites into {folder}.")
    for source in found:
        statuses = ", ".join(f"{count:,} {status}" for status, count in source.statuses.items())
        said = [counted(source.sites, "site")] if source.sites else []
        said += [statuses or "not registered yet"] if source.sites else []
        said += ["refused"] if source.refused else []
        said += [source.state] if source.state not in {None, "read"} else []
        typer.echo("  ".join([source.source, *map(str, said)]))
        for label, sentences in (("refused", source.refused), ("warning", source.warnings)):
            for line in "\n".join(sentences).splitlines():
                typer.echo(f"    {label}: {line}")


# ---- the database and the UI


@app.command()
def url(
    hold: Annotated[
        bool, typer.Option("--hold", help="Keep the embedded server running until Ctrl-C.")
    ] = False,
) -> None:
    """Print the address of the database, its password too, for psql and other programs.

    The embedded server runs while a ccf-assets command or the UI does: use `ccf-assets url --hold` to keep
    it for another program, or `ccf-assets psql`.
    """
    from ccf_assets import postgres

    typer.echo(postgres.libpq_url(postgres.database_url()))
    if not hold and settings.postgres_url() is None:
        say("The embedded server runs while a command or the UI uses it; --hold keeps it for other programs.")
    if hold:
        sys.stdout.flush()
        say("Holding the server; stop with Ctrl-C.")
        with suppress(KeyboardInterrupt):
            signal.pause()


_PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True}


@app.command(context_settings=_PASSED_ON)
def psql(context: typer.Context) -> None:
    """Open psql on the database; what follows is passed on.

    Examples: ccf-assets psql -c "SELECT * FROM ccf.region(1, 'VISp')"; ccf-assets psql -? (psql's own help)
    """
    from ccf_assets import postgres

    url = postgres.database_url()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is psql's: it ends a query, not the session
    raise typer.Exit(postgres.run_program("psql", context.args, url))


@app.command("pg_dump", context_settings=_PASSED_ON)
def pg_dump(context: typer.Context) -> None:
    """Run pg_dump on the database, to back it up; what follows is passed on.

    Example: ccf-assets pg_dump -n ccf -n ccf_dagster -Fc -f ccf.dump
    """
    from ccf_assets import postgres

    raise typer.Exit(postgres.run_program("pg_dump", context.args, postgres.database_url()))


@app.command("pg_restore", context_settings=_PASSED_ON)
def pg_restore(context: typer.Context) -> None:
    """Run pg_restore on the database, which is to have no schema ccf; what follows is passed on.

    Example: ccf-assets pg_restore --no-owner --no-privileges --exit-on-error ccf.dump
    """
    from ccf_assets import postgres

    raise typer.Exit(postgres.run_program("pg_restore", context.args, postgres.empty_database_url()))


@app.command()
def roles() -> None:
    """Make the group roles ccf_reader and ccf_writer on your server, or bring their rights up to date.

    Members of ccf_reader read every table and view in schema ccf and call its functions; those of ccf_writer
    insert recording sites, too. Both can do no more. A person's own role becomes a member by
    GRANT ccf_reader TO jane.
    """
    from ccf_assets import postgres
    from ccf_assets import roles as group_roles

    with postgres.create_engine().begin() as connection:
        made = group_roles.make(connection)
    for role, may in ((group_roles.READER, "read all"), (group_roles.WRITER, "read all, insert sites")):
        typer.echo(f"{role}: {'made' if made[role] else 'was there, its rights are up to date'}; may {may}")
    say("Make a person's role a member with: GRANT ccf_reader TO jane")


@app.command()
def up(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 3000,
) -> None:
    """Run the Dagster UI with its daemon, sensors and schedules, until Ctrl-C."""
    from ccf_assets import ui

    ui.serve(host, port, say)


@app.command()
def catalogue(as_json: JsonOption = False) -> None:
    """The atlases that can be loaded."""
    if as_json:
        answer([dataclasses.asdict(entry) for entry in CATALOGUE.values()])
        return
    for entry in CATALOGUE.values():
        typer.echo(f"{entry.key:16} {_marks(entry):22} {entry.description}")


def _marks(entry: AtlasEntry) -> str:
    first = "phantom" if entry.is_phantom else "default" if entry.default else ""
    return ", ".join(filter(None, [first, "voxel rows" if entry.rows else ""]))


def main() -> None:
    """Run the command line: a CcfError becomes one line and exit code 1."""
    # Python's default for these skips exit handlers, and one of them stops the embedded server.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        app()
    except CcfError as error:
        say(f"ccf-assets: {error}")
        sys.exit(1)
    except Exception as error:
        from sqlalchemy.exc import DBAPIError  # here, for a command that needs no database is a quick one

        if not isinstance(error, DBAPIError):
            raise
        say(f"ccf-assets: The database answers: {' '.join(str(error.orig).split())}")
        sys.exit(1)
