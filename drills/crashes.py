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
import sys
import time
from collections import Counter
from collections.abc import Sequence

import psutil

from ccf_assets import postgres
from drills.lab import ATLAS, BEGUN, Brains, Command, Lab, State, expect, say, verdict

KILLS = {"loads": 30, "servers": 15, "daemons": 10}
FILES = 10
ROWS = 20_000


def main() -> int:
    """Run the drill; the exit code."""
    seed = int(sys.argv[1]) if sys.argv[1:] else random.randrange(1_000_000)
    kills = KILLS | {name: int(n) for name, n in (w.split("=") for w in os.environ.get("KILLS", "").split())}
    say(f"seed {seed}; kills: {', '.join(f'{n} of {what}' for what, n in kills.items())}")
    rng = random.Random(seed)
    with Lab.anew(CCF_SOURCE="phantom") as lab:
        drill = Drill(lab)
        drill.undisturbed()
        kinds = ["worker", "command", "all"], ["server", "session"]
        plan = [
            *zip(_in_turn(kinds[0], kills["loads"]), _moments(rng, kills["loads"]), strict=True),
            *zip(_in_turn(kinds[1], kills["servers"]), _moments(rng, kills["servers"]), strict=True),
        ]
        rng.shuffle(plan)
        for what, moment in plan:
            drill.killed_load(what, moment, rng)
        drill.summary("kills in loads")
        if kills["daemons"]:
            drill.killed_daemons(_moments(rng, kills["daemons"]))
            drill.summary("kills of the daemon")
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
    """Loads of one content after the other, and what each of their states looks like."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.known: dict[tuple[str, str], State] = {}  # by the contents of atlas and recordings
        self.at = ("a", "a")
        self.seconds = 0.0
        self.stages: Counter[str] = Counter()

    def undisturbed(self) -> None:
        """Load every combination of contents, take down its state, and measure a load of all."""
        self.lab.run("load", ATLAS.key)
        self.brains = Brains(self.lab)
        self.lab.do(
            "INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame) SELECT 'sql', n, "
            "3000 + n % 7000, 1000 + n % 5000, 1000 + n % 9000, 'ccf' FROM generate_series(1, :rows) n",
            rows=ROWS,
        )
        self.files("a")
        for contents in (("a", "a"), ("b", "a"), ("b", "b"), ("a", "b"), ("b", "a"), ("a", "b"), ("a", "a")):
            self.put(contents)
            load = self.lab.start("load", ATLAS.key)
            load.wait_for(BEGUN)
            started = time.monotonic()
            code, said = load.ended()
            if code:
                sys.exit(said)
            self.seconds = max(self.seconds, time.monotonic() - started) if self.known else 0.0
            state = self.lab.state()
            if self.known.setdefault(contents, state) != state:
                expect(
                    False, f"a load of {contents} that nothing disturbed did not give the same state again"
                )
        slices = sum(self.known["a", "a"][name] != self.known["b", "b"][name] for name in state)
        expect(
            slices >= 10 and not self.lab.left_over(),
            f"the two contents differ in {slices} tables; a load of all takes {self.seconds:.1f} s once it has begun",
        )

    def put(self, contents: tuple[str, str]) -> None:
        """Have other contents lie there to be loaded."""
        if contents[0] != self.at[0]:
            self.brains.put(contents[0])
        if contents[1] != self.at[1]:
            self.files(contents[1])
            shift = 500 if contents[1] == "b" else -500
            self.lab.do(
                "UPDATE ccf.recording_site SET ap = ap + :shift WHERE recording_id = 'sql'", shift=shift
            )
        self.at = contents

    def files(self, content: str) -> None:
        """Write the files of sites, as if a while ago: what was written just now is waited for."""
        self.lab.drop_files("a", FILES, shift_um=500 if content == "b" else 0)
        for path in self.lab.recordings.iterdir():
            os.utime(path, (time.time() - 10,) * 2)

    def flip(self) -> tuple[State, State]:
        """Put the other contents there; the states before and after a load of them."""
        before = self.known[self.at]
        self.put(("b", "b") if self.at == ("a", "a") else ("a", "a"))
        return before, self.known[self.at]

    def killed_load(self, what: str, moment: float, rng: random.Random) -> None:
        """Kill something in the middle of a load, look, load again and look again."""
        _, after = self.flip()
        load = self.lab.start("load", ATLAS.key)
        if not load.wait_for(BEGUN):
            sys.exit(load.said)
        time.sleep(moment * self.seconds)
        hit = self.kill(what, load, rng)
        try:
            _, said = load.ended(120)
        except TimeoutError:
            said = ""
            expect(False, f"{hit}: the load had not ended two minutes later")
        where = f"{hit} {moment * self.seconds:.1f} s into a load"
        told = "Traceback" not in said
        self.look(where, after, told=told, said=said)
        self.again(where, after)

    def kill(self, what: str, load: Command, rng: random.Random) -> str:
        """Kill -9 one thing or all; what it was."""
        family = load.family() if load.process.poll() is None else []
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
            try:
                victim.kill()
            except psutil.NoSuchProcess:
                continue
        return f"kill -9 of {what}" if victims else f"{what} had ended already"

    def look(self, where: str, after: State, *, told: bool = True, said: str = "") -> None:
        """That every table is an old or a new one now, or of regions that are to be found anew, empty."""
        state = self.lab.state()
        allowed = {name: {each[name] for each in self.known.values()} for name in state}
        for name in ("recording_region of files", "recording_region of rows"):
            allowed[name].add("0 rows, 0")
        mixed = {name: state[name] for name in state if state[name] not in allowed[name]}
        changed = [name for name in state if self.known["a", "a"][name] != self.known["b", "b"][name]]
        new = sum(state[name] == after[name] for name in changed)
        self.stages["none" if new <= 2 else "all" if new == len(changed) else "some"] += 1
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
            f"{self.stages['all']} after all were"
        )
        self.stages.clear()

    def killed_daemons(self, moments: Sequence[float]) -> None:
        """Kill the daemon under the UI while changed files and rows are registered, and start both again."""

        def flip() -> State:
            return self.flip_recordings()

        with self.lab.up():
            after = flip()
            seconds = self.lab.until(lambda: self.lab.state() == after, 180)
            say(f"changed files and rows are registered under the UI after {seconds:.0f} s")
        for moment in moments:
            with self.lab.up():
                after = flip()
                time.sleep(moment * seconds)
                self.lab.kill("daemon")
                time.sleep(1)
            where = f"the daemon killed {moment * seconds:.0f} s into a registration"
            self.look(where, after)
            with self.lab.up():
                took = self.lab.until(lambda after=after: self.lab.state() == after, 180)
            left = self.lab.left_over()
            expect(
                not left,
                f"{where}: registered {took:.0f} s after a new start; left: {', '.join(left) or 'nothing'}",
            )

    def flip_recordings(self) -> State:
        """Put the other recordings there; the state after their registration."""
        self.put((self.at[0], "b" if self.at[1] == "a" else "a"))
        return self.known[self.at]


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        postgres.leave()
