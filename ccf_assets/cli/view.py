"""The command view: an atlas and the lab's sites in a viewer, in a browser.

Not here: what the viewer shows and how it is served (the package view), which notebooks get from Atlas.view.
"""

from __future__ import annotations

import signal
import time
from typing import Annotated

import typer

from ccf_assets.cli import complete
from ccf_assets.cli.commands import command
from ccf_assets.cli.options import say, tell
from ccf_assets.errors import CcfError

app = typer.Typer()

_NOTICED_S = 0.5
"""Within so many seconds Ctrl-C is noticed."""


@command(app, "Ask")
def view(
    atlas: Annotated[
        list[str] | None,
        typer.Option(
            "--atlas",
            "-a",
            help="Key of a loaded atlas; the finest one if not given. Given twice, the second is a layer "
            "over the first, with a slider.",
            autocompletion=complete.atlases,
        ),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region",
            "-r",
            help="Acronym or id of a region that is selected, with everything inside it; may be repeated.",
            autocompletion=complete.regions,
        ),
    ] = None,
    recording: Annotated[
        list[str] | None,
        typer.Option("--recording", help="Only the sites of this recording; may be repeated."),
    ] = None,
    region_set: Annotated[
        str | None,
        typer.Option("--set", help="A region set, e.g. cosmos: its groups are shown instead of regions."),
    ] = None,
    at: Annotated[
        tuple[float, float, float] | None,
        typer.Option("--at", help="AP, DV and ML where the planes meet, CCF µm or µm in the atlas's space."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Port to listen on; any free one if not given.")
    ] = 0,
) -> None:
    """Look at an atlas and the recording sites in a browser: three planes and a 3-D view, by Neuroglancer.

    It prints the address of the page and serves it until Ctrl-C, on this machine only, and only to who has
    the address.

    Examples: ccf-assets view --region VISp; ccf-assets view --set cosmos --at 8900 1300 8200;
    ccf-assets view -a ccf_2017_25um -a ccf_2017_50um
    """
    from ccf_assets.atlas.atlas import Atlas

    keys = atlas or []
    if len(keys) > 2:  # noqa: PLR2004
        raise CcfError("A viewer shows two atlases at most: give --atlas once or twice.")
    # A script's background job ignores Ctrl-C; this one shall not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        opened = Atlas(*keys[:1]).view(
            regions=region or (),
            recordings=recording or None,
            region_set=region_set,
            beside=keys[1] if keys[1:] else None,
            at_um=at,
            port=port,
        )
        with opened:
            say(f"{opened.about} — stop it with Ctrl-C.")
            say("In its search # and an acronym, such as #VISp, are a region with everything inside it.")
            tell(opened.url)
            while True:  # a signal that another thread gets does not wake this one
                time.sleep(_NOTICED_S)
    except KeyboardInterrupt:
        return
