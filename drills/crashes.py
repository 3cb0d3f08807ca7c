"""Processes killed -9 at random moments of loads and registrations, and what readers find before and after.

    .venv/bin/python -m drills.crashes [SEED]

Every load brings the other of two contents of the atlas (its runs, one row per voxel and all made of them) and
of the recordings (files and rows), so that old, new and a mixture can be told apart. The moments are spread over
the measured time of a load that nothing disturbs. KILLS names how many of each kind, as "loads=30 servers=15
daemons=10".
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import psutil

from drills.contents import ATLAS, Contents
from drills.lab import Command, DrillLab, State, expect, say, verdict

KILLS = {"loads": 30, "servers": 15, "daemons": 10}
AHEAD = 1
"""Tables that are new before a load: the rows of sites, which the drill itself changes."""


def main() -> int:
    """Run the drill; the exit code."""
    seed = int(sys.argv[1]) if sys.argv[1:] else random.randrange(1_000_000)
    kills = KILLS | {name: int(n) for name, n in (w.split("=") for w in os.environ.get("KILLS", "").split())}
    say(f"seed {seed}; kills: {', '.join(f'{n} of {what}' for what, n in kills.items())}")
    rng = random.Random(seed)
    with DrillLab.anew(CCF_SOURCE="phantom") as lab:
        drill = Drill(lab)
        kinds = ["worker", "command", "all"], ["server", "session"]
        plan = [
            *zip(_in_turn(kinds[0], kills["loads"]), _moments(rng, kills["loads"]), strict=True),
            *zip(_in_turn(kinds[1], kills["servers"]), _moments(rng, kills["servers"]), strict=True),
        ]
        rng.shuffle(plan)
        for what, moment in plan:
            drill.killed_load(what, moment)
        drill.summary("kills in loads")
        if kills["daemons"]:
            drill.killed_daemons(_moments(rng, kills["daemons"]))
            drill.summary("kills of the daemon")
        say("{} files of {:.0f} MB in the server's folder belong to no table".format(*lab.orphaned_files()))
        lab.leaves_nothing(atlases=1)
    return verdict()


def _in_turn(kinds: Sequence[str], count: int) -> list[str]:
    return [kinds[n % len(kinds)] for n in range(count)]


def _moments(rng: random.Random, count: int) -> list[float]:
    """As many moments between 0 and 1, one in each of as many equal stretches."""
    moments = [(n + rng.random()) / count for n in range(count)]
    rng.shuffle(moments)
    return moments


class Drill:
    """Loads of one content after the other, cut short, looked at, and begun again."""

    def __init__(self, lab: DrillLab) -> None:
        self.lab = lab
        self.contents = Contents(lab)
        self.contents.learn()
        self.stages: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()

    def killed_load(self, what: str, moment: float) -> None:
        """Kill something in the middle of a load, look, load again and look again."""
        load, after, seconds = self.contents.begun(moment)
        self.kill(what, load)
        try:
            _, said = load.ended(120)
        except subprocess.TimeoutExpired:
            said = ""
            expect(False, f"kill -9 of {what}: the load had not ended two minutes later")
        where = f"kill -9 of {what} {seconds:.1f} s into a load"
        told = "Traceback" not in said
        self.look(where, after, told=told, said=said)
        self.again(where, after)

    def kill(self, what: str, load: Command) -> None:
        """Kill -9 one thing or all."""
        family = load.family()
        victims = {
            "worker": family[1:2],
            "command": family[:1],
            "all": family,
            "server": [self.lab.server],
            "session": [],
        }[what]
        if what == "session":
            query = (
                "SELECT array_agg(pid ORDER BY state = 'active' DESC, state LIKE 'idle in%' DESC) "
                "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            (pids,) = self.lab.row(query)
            victims = [psutil.Process(pids[0])] if isinstance(pids, list) else []
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        self.kills[what] += bool(victims)

    def look(self, where: str, after: State, *, told: bool = True, said: str = "") -> None:
        """That every table is an old or a new one now, or of regions that are to be found anew, empty."""
        state = self.lab.state()
        mixed, changed = self.contents.mixed(state), self.contents.changing
        new = sum(state[name] == after[name] for name in changed)
        self.stages["none" if new <= AHEAD else "all" if new == len(changed) else "some"] += 1
        if not told:
            say(said)
        expect(
            not mixed and told,
            f"{where}: {new} of {len(changed)} tables new, the others old"
            + (f"; NEITHER: {mixed}" if mixed else "")
            + ("" if told else "; a traceback instead of a sentence"),
        )

    def again(self, where: str, after: State) -> None:
        """That the same load, started again, brings what an undisturbed one does and leaves nothing else."""
        code, said = self.lab.start("load", ATLAS.key).ended()
        state = self.lab.state()
        wrong = [name for name in state if state[name] != after[name]]
        left = self.lab.left_over()
        if code or wrong or left:
            say(said)
            expect(False, f"{where}, loaded again: exit code {code}, differing: {wrong}, left: {left}")

    def summary(self, what: str) -> None:
        """How far the loads had come when they were cut short."""
        total = sum(self.stages.values())
        say(
            f"{total} {what}: {self.stages['none']} before a table was new, {self.stages['some']} in between, "
            f"{self.stages['all']} after all were; {dict(self.kills)}"
        )
        self.stages.clear()
        self.kills.clear()

    def killed_daemons(self, moments: Sequence[float]) -> None:
        """Kill the daemon under the UI while changed files and rows are registered, and start both again."""
        with self.lab.up():
            after = self.contents.flip("recordings")
            seconds = self.lab.until(lambda: self.lab.state() == after, 180)
            say(f"changed files and rows are registered under the UI after {seconds:.0f} s")
        for moment in moments:
            with self.lab.up():
                after = self.contents.flip("recordings")
                time.sleep(moment * seconds)
                self.lab.kill("daemon")
                self.kills["daemon"] += 1
                time.sleep(1)
            where = f"the daemon killed {moment * seconds:.0f} s into a registration"
            self.look(where, after)
            with self.lab.up():
                took = self.lab.until(lambda: self.lab.state() == after, 180)  # noqa: B023 - called here
            left = self.lab.left_over()
            expect(
                not left,
                f"{where}: registered {took:.0f} s after a new start; left: {', '.join(left) or 'nothing'}",
            )


if __name__ == "__main__":
    sys.exit(main())
