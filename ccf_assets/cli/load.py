"""The command load: which atlases it loads from which source, and what it prints before, during and after.

Not here: the load itself (loading).
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ccf_assets import settings
from ccf_assets.ccf.catalogue import AtlasEntry, atlas_entry, catalogue, default_atlases
from ccf_assets.cli import complete
from ccf_assets.cli.commands import command
from ccf_assets.cli.database import print_holdings
from ccf_assets.cli.options import say, tell
from ccf_assets.cli.watch import label

if TYPE_CHECKING:
    from ccf_assets.cli.outcome import Outcome

app = typer.Typer()


@command(app, "Load")
def load(
    atlases: Annotated[
        list[str] | None,
        typer.Argument(
            help="Keys of atlases, e.g. ccf_2017_25um; all default atlases if none is given.",
            autocompletion=complete.atlases,
        ),
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
    from ccf_assets.cli.forking import import_ahead

    unknown = set(atlases or ()) - set(catalogue().entries)
    if unknown and settings.postgres_url():  # another host's catalogue may have them
        from ccf_assets.db import database, own_catalogue

        own_catalogue.follow_catalogue(database.create_engine())
    phantom = settings.source() == settings.PHANTOM
    entries = [atlas_entry(key) for key in atlases] if atlases else default_atlases(phantom=phantom)
    import_ahead()  # not for a name that is refused: who reads the output would wait for its end

    from ccf_assets.db import database, holdings
    from ccf_assets.runs.home import dagster_home

    # The phantom is computed here: for it alone no other source is asked.
    source = settings.PHANTOM if all(entry.is_phantom for entry in entries) else settings.source()
    for of, sentence in catalogue().problems:
        if not atlases or of in (*atlases, ""):
            say(sentence)
    say(f"Database: {_where()}")
    dagster_home(say)
    database.dagster_url()  # refuses a user without the right to load before a run fails at length
    say(f"Loading {', '.join(entry.key for entry in entries)} from {_label(source)} …")
    shown: list[str] = []

    def show_atlases(outcomes: Sequence[Outcome]) -> None:
        """What is loaded, once it can be asked; the comparison of atlases may still be going on."""
        if shown or (instead and entries is not instead and _nothing_reachable(outcomes)):
            return
        shown.append("")
        say("")
        print_holdings(holdings.holdings(database.create_engine()))
        if not any(outcome.error for outcome in outcomes) and not all(entry.own for entry in entries):
            # Sensors follow the atlases of the source.
            of_phantom = not phantom and all(entry.is_phantom for entry in entries)
            _print_things_to_try("CCF_SOURCE=phantom " if of_phantom else "")

    instead = [] if atlases or phantom else default_atlases(phantom=True)
    options = _Options(rows, refresh, not atlases, jobs)
    outcomes = _load(entries, source, options, show_atlases)
    if instead and _nothing_reachable(outcomes):
        say("")
        say("*** The source cannot be reached and nothing is cached: loading the PHANTOM instead.")
        say("*** The phantom is an analytic stand-in for demonstrations; it is NOT the Allen CCF.")
        entries = instead
        outcomes = _load(entries, settings.PHANTOM, dataclasses.replace(options, refresh=False), show_atlases)
    show_atlases(outcomes)
    failed = [outcome for outcome in outcomes if outcome.error]
    for outcome in failed:
        report(outcome)  # again: the first time is far above by now
    if failed:
        raise typer.Exit(1)


@dataclasses.dataclass(frozen=True)
class _Options:
    rows: bool | None
    refresh: bool
    examples: bool
    jobs: int | None


def _load(
    entries: Sequence[AtlasEntry],
    source: str,
    options: _Options,
    ready: Callable[[Sequence[Outcome]], object],
) -> list[Outcome]:
    from ccf_assets.cli import loading

    try:
        return loading.load(entries, source=source, report=report, ready=ready, **dataclasses.asdict(options))
    except KeyboardInterrupt:
        say("Interrupted: unfinished work was undone, finished work is kept. Load again to continue.")
        raise


def _nothing_reachable(outcomes: Sequence[Outcome]) -> bool:
    """Whether no real atlas is loaded, and the source was out of reach for the ontology or every atlas."""
    from ccf_assets.db import database, loaded

    if outcomes[0].error:
        unreachable = outcomes[0].unreachable
    else:
        unreachable = all(outcome.unreachable for outcome in outcomes if outcome.key in catalogue().entries)
    real = [atlas for atlas in loaded.loaded_atlases(database.create_engine()) if not atlas.is_phantom]
    return unreachable and not real


@command(app, "Load")
def publish() -> None:
    """Let what this host's files say of frames, region maps and own atlases count from now on.

    Loads and the UI do so by themselves, unless another host has said something else of one name. Names that
    this host has not got stay as they are.
    """
    from ccf_assets.db import database
    from ccf_assets.db.frames import keep_frames
    from ccf_assets.db.own_catalogue import keep_catalogue
    from ccf_assets.db.region_maps import keep_maps

    engine = database.create_engine()
    keep_frames(engine, take_over=True)
    keep_maps(engine, settings.region_sets(), take_over=True)
    keep_catalogue(engine, take_over=True)
    say("What the files on this host say of frames, region maps and own atlases counts now.")


def report(outcome: Outcome, say: Callable[[str], object] = say) -> None:
    """Say how a task ended: in one line, and one more for each thing to look at."""
    name = label(outcome.key)
    if outcome.error:
        say(f"{name}: FAILED. {outcome.error}")
    elif outcome.loaded:
        say(f"{name}: {' '.join(filter(None, [outcome.verb, _what(outcome)]))} in {outcome.seconds:.0f} s")
    if outcome.refused:
        say(f"{name}: refused {_listed(outcome.refused)}; `ccf-assets recordings` lists the reasons")
    for remark in outcome.remarks:
        say(f"{name}: {remark}")
    if not (outcome.error or outcome.loaded or outcome.refused or outcome.remarks):
        say(f"{name}: up to date")


_PARTS = {
    "annotation": "the volume file",
    "region_set": "region sets",
    "region_set_member": "region sets",
    "region_volume": "sizes of regions",
    "brain_surface": "the brain surface",
    "voxel": "voxel rows",
}
"""What a load of a part of an atlas is called; its other tables are of regions."""


def _what(outcome: Outcome) -> str:
    """What was done, as far as it is not all that the name of the task says."""
    if outcome.key not in catalogue().entries:
        return _listed(_sources(outcome.loaded)) if outcome.verb == "registered" else ""
    if "voxel_run" in outcome.loaded:
        return ""
    return _listed(list(dict.fromkeys(_PARTS.get(table, "regions") for table in outcome.loaded)))


def _sources(names: Sequence[str]) -> list[str]:
    """Files, and in words the rows that are of no file."""
    from ccf_assets.db.schema import INSERTED

    return ["inserted sites" if name == INSERTED else name for name in names]


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
    tell(
        "\nYou can ask now:\n"
        f"  {program} region VISp             its path, children and volume\n"
        f"  {program} locate 8900 1300 8200   the region at a point\n"
        f"  {program} sites CA1               the recording sites in CA1\n"
        f"  {setting}{program} up                      the same in the Dagster UI"
    )
