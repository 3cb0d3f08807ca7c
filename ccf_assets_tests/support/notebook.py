"""The tutorial notebook, run as a reader runs it.

``CCF_SOURCE=… python -m ccf_assets_tests.support.notebook`` runs it and writes it back with its new outputs:
after a change of the notebook, or of what it shows. The outputs that are committed are the real atlas's.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

from ccf_assets_tests.support.program import new_home

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.ipynb"

CELL_S = 300
"""Longest time for one cell. The longest loads two atlases: some 20 s, longer where others need the cores."""


def run(source: str) -> nbformat.NotebookNode:
    """The tutorial with its outputs, in a kernel of its own that is gone afterwards, as is all it made.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed; the text has the cell and its error.
        AssertionError: a server still runs, or a file was left.
    """
    notebook = nbformat.read(TUTORIAL, as_version=4)
    with new_home() as folder:
        temporary, jupyter = folder / "tmp", folder / "jupyter"
        temporary.mkdir()
        own = {"TMPDIR": temporary, "IPYTHONDIR": jupyter, "CCF_SOURCE": source}
        environment = {**os.environ, **{name: str(value) for name, value in own.items()}}
        # Sockets in the folder instead of ports. By its settings and not as an object, so that the client,
        # which ends the kernels it made, makes the kernel.
        kernel = {"transport": "ipc", "connection_file": str(folder / "kernel.json")}
        client = NotebookClient(
            notebook,
            config=Config(KernelManager=kernel),
            timeout=CELL_S,
            record_timing=False,
            resources={"metadata": {"path": str(TUTORIAL.parent)}},
        )
        client.execute(env=environment)
        assert not list(temporary.iterdir())
    return notebook


def shown(cell: nbformat.NotebookNode) -> list[str]:
    """What a cell shows: words and numbers, not their layout or sizes on disk; that there is a picture."""
    words: list[str] = []
    for output in cell.outputs:
        data: dict[str, Any] = output.get("data", {"text/plain": output.get("text", "")})
        if "image/png" in data:
            words.append("picture")
        else:
            text = re.sub(r"[\d,]+ MB", "… MB", data["text/plain"])  # on disk: it varies by a page or two
            text = re.sub(r"\d+ +\d{4}-\d\d-\d\d \d\d:\d\d", "…", text)  # the same, and when it was loaded
            words += re.findall(r"[^\s│┆╞╡═╪─┌┐└┘┬┴┼]+", text)
    return words


def main() -> None:
    """Run the tutorial on CCF_SOURCE and write it with its outputs."""
    nbformat.write(run(os.environ["CCF_SOURCE"]), TUTORIAL)


if __name__ == "__main__":
    main()
