"""What people see of a load while it works: a live line a task on a terminal, signs of life elsewhere.

Not here: how a task ended (outcome), and what is printed of that (load).
"""

from __future__ import annotations

import re
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from ccf_assets.cli.options import say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ccf_assets.progress import Note

SIGN_OF_LIFE_S = 30
"""Seconds between two lines of a task where there is no terminal."""

_STAGES = {
    "structure_graph": "ontology",
    "annotation": "volume file",
    "atlas": "regions",
    "brain_region": "regions",
    "region_parent": "regions",
    "region_ancestor": "regions",
    "group_regions": "region sets",
    "voxel_run": "voxels",
    "brain_surface": "brain surface",
    "region_volume": "sizes of regions",
    "voxel": "voxel rows",
    "region_consistency": "comparing regions",
    "read_recordings": "reading files",
    "recording_region": "regions of sites",
    "recording_agreement": "reported regions",
}
"""Step of a run → what it does, for people."""

_TABLE = re.compile(r"^[a-z_]+: ")

_NO_NEWS = re.compile(r" so far$| in place after ")
"""Lines whose news the bar and the clock have."""


def label(key: str) -> str:
    """The name of a task, for people."""
    return {"structure_graph": "ontology", "comparison": "comparison of atlases"}.get(key, key)


class Watch:
    """Shows what tasks report until they end; lines said meanwhile go above.

    Use as a context manager: the live lines are gone at its end, and the cursor is back.
    """

    def __init__(self) -> None:
        self._live: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._stage: dict[str, str] = {}
        self._last: dict[str, float] = {}
        self._begun: dict[str, int] = {}
        if sys.stderr.isatty():
            self._live = _progress()

    def __enter__(self) -> Watch:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            for task in self._tasks.values():
                self._live.remove_task(task)
            self._live.stop()

    def begin(self, key: str) -> None:
        """A task begins."""
        self._stage[key], self._last[key], self._begun[key] = "", time.monotonic(), 0
        if self._live is not None:
            self._tasks[key] = self._live.add_task(label(key), total=None, stage="")

    def end(self, key: str) -> None:
        """A task has ended; what it reported is gone."""
        if self._live is not None and key in self._tasks:
            self._live.remove_task(self._tasks.pop(key))

    def say(self, line: str) -> None:
        """Print a line that stays."""
        if self._live is None:
            say(line)
        else:
            from rich.text import Text

            self._live.console.print(Text(line))

    def note(self, note: Note) -> None:
        """Show what a task reports."""
        if note.kind == "warning":
            self.say(f"{label(note.label)}: warning: {note.text}")
        elif note.label not in self._stage:
            return
        elif note.kind == "progress":
            self._show(note.label, "" if _NO_NEWS.search(note.text) else _TABLE.sub("", note.text))
        elif note.kind == "step":
            self._stage[note.label] = _STAGES.get(note.text, "")
            self._begun[note.label] += 1
            self._show(note.label, "")
        elif self._live is not None and note.label in self._tasks:
            task = self._tasks[note.label]
            total = self._live.tasks[self._live.task_ids.index(task)].total or 0
            self._live.update(task, total=total + int(note.text))

    def _show(self, key: str, text: str) -> None:
        line = ": ".join(filter(None, [self._stage[key], text]))
        if self._live is not None:
            if key in self._tasks:
                done = max(self._begun[key] - 1, 0)  # a bar that is full has ended, and its clock stops
                self._live.update(self._tasks[key], stage=line, completed=done)
        elif line and time.monotonic() - self._last[key] >= SIGN_OF_LIFE_S:
            self._last[key] = time.monotonic()
            say(f"{label(key)}: {line}")


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    return Progress(
        TextColumn("{task.description}", table_column=Column(no_wrap=True), markup=False),
        BarColumn(bar_width=12),
        TextColumn(
            "{task.fields[stage]}",
            table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
            markup=False,
        ),
        TimeElapsedColumn(),
        console=Console(stderr=True, highlight=False),
        transient=True,
        refresh_per_second=4,
        expand=True,
    )
