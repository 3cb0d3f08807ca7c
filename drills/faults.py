"""A full disk, a server that is lost or slow, a network between: what a load says, keeps, and does when retried.

    .venv/bin/python -m drills.faults [disk] [sessions] [server] [network] [locks]

Under root the disk is a small tmpfs that holds all of the lab: database, log, downloads, Dagster's records.
Another user has the server's files limited in size instead (RLIMIT_FSIZE).
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import sqlalchemy as sa

from drills.contents import ATLAS, Contents
from drills.lab import Command, DrillLab, expect, say, verdict
from drills.proxy import Proxy

DISK_MB = 1_500
FREE_MB = (0, 2, 8, 32)
MOMENTS = (0.1, 0.4, 0.7)


def main() -> int:
    """Run the drill; the exit code."""
    with DrillLab.anew(CCF_SOURCE="phantom", disk_mb=DISK_MB) as lab:
        drill = Drill(lab)
        parts = {
            "disk": drill.full_disk if lab.on_small_disk else drill.files_limited,
            "sessions": drill.sessions_ended,
            "server": drill.server_stopped,
            "network": drill.network,
            "locks": drill.locks_and_limits,
        }
        for part in sys.argv[1:] or parts:
            parts[part]()
        lab.leaves_nothing(atlases=1)
    return verdict()


class Drill:
    """Loads of one content after the other, each with something in its way."""

    def __init__(self, lab: DrillLab) -> None:
        self.lab = lab
        self.contents = Contents(lab)
        self.contents.learn()

    def load_with(
        self,
        what: str,
        fault: Callable[[Command], object],
        mended: Callable[[], object] = lambda: None,
        moment: float = 0.0,
        words: Sequence[str] = (),
        fails: bool | None = True,
        **settings: str,
    ) -> None:
        """Load the other content, cause a fault, see what is said and kept, mend it and load again.

        Args:
            what: the fault in words.
            fault: causes it, once the load has begun.
            mended: takes it away.
            moment: when, as a share of an undisturbed load.
            words: of which one is to stand in what is said.
            fails: whether the load is to fail; None where it depends on the moment.
            settings: environment variables of the load.
        """
        load, after, _ = self.contents.begun(moment, **settings)
        fault(load)
        self.judge(what, load, after, mended, words, fails)

    def judge(
        self,
        what: str,
        load: Command,
        after: object,
        mended: Callable[[], object],
        words: Sequence[str],
        fails: bool | None,
    ) -> None:
        """What a load said and kept, and that it works when the fault is gone."""
        code, said = load.ended(300)
        mended()
        reasons = load.reasons()
        state = self.lab.state()
        mixed = self.contents.mixed(state)
        new = sum(
            state[name] == self.contents.known[self.contents.at][name] for name in self.contents.changing
        )
        again, told = self.lab.start("load", ATLAS.key).ended()
        right, left = self.lab.state() == after, self.lab.left_over()
        clear = "Traceback" not in said and (code == 0 or any(w in r for r in reasons for w in words or [""]))
        good = (
            (fails is None or bool(code) == fails)
            and clear
            and not mixed
            and not again
            and right
            and not left
        )
        if not good:
            say(said)
            say(told)
        ended = f"it said: {reasons[0][:200]}" if reasons else "it went on to its end"
        expect(
            good,
            f"{what}: {ended}; {new} of {len(self.contents.changing)} tables new, "
            + (f"NEITHER old nor new: {mixed}; " if mixed else "the others old; ")
            + ("" if clear else "NOT CLEAR; ")
            + (f"loaded again{'' if right and not again else ' with OTHER content'}")
            + (f"; LEFT: {', '.join(left)}" if left else ""),
        )

    # ---- the disk

    def full_disk(self) -> None:
        """Fill the disk but for a little, before a load and in the middle of one."""
        filler = self.lab.home / "filler"

        def fill(free_mb: int) -> None:
            with filler.open("wb") as file:
                for _ in range(20):  # a load that writes meanwhile may have taken the room that was seen
                    room = os.statvfs(self.lab.home)
                    left = room.f_bavail * room.f_frsize - free_mb * 1_000_000
                    with suppress(OSError):
                        os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size + max(1, left))

        for free_mb in FREE_MB:
            after = self.contents.flip()
            fill(free_mb)
            load = self.lab.start("load", ATLAS.key)
            self.judge(
                f"a disk with {free_mb} MB left", load, after, lambda: filler.unlink(missing_ok=True),
                ["No space left", "disk"], None if free_mb > 8 else True,
            )  # fmt: skip
        for moment in MOMENTS:
            self.load_with(
                f"a disk that is full at {moment:.0%} of a load", lambda _: fill(0),
                lambda: filler.unlink(missing_ok=True), moment, ["No space left", "disk"], None,
            )  # fmt: skip

    def files_limited(self) -> None:
        """Let the server write no file beyond some size, where a disk cannot be had."""
        hard = self.lab.server.rlimit(psutil.RLIMIT_FSIZE)[1]

        def limit(size: int = resource.RLIM_INFINITY) -> None:
            self.lab.server.rlimit(psutil.RLIMIT_FSIZE, (size, hard))

        for size_mb in (1, 4, 16):
            after = self.contents.flip()
            limit(size_mb * 1_000_000)
            load = self.lab.start("load", ATLAS.key)
            self.judge(f"files limited to {size_mb} MB", load, after, limit, ["File too large"], None)

    # ---- the server

    def sessions_ended(self) -> None:
        """End the session that works, or all of them, as an administrator does."""
        others = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"

        def end(which: str) -> None:
            self.lab.row(f"SELECT count(pg_terminate_backend(pid)) {others} {which}")

        def end_working(load: Command) -> None:
            copying = "AND state = 'active' AND query ~ '^(COPY|INSERT INTO ccf\\.|ALTER|CREATE)'"
            deadline = time.monotonic() + 20
            while load.process.poll() is None and time.monotonic() < deadline:
                if self.lab.one(f"SELECT count(*) {others} {copying}"):
                    return end(copying)
                time.sleep(0.005)
            return None

        for moment in MOMENTS:
            self.load_with(
                f"the session that writes ended after {moment:.0%}", end_working, moment=moment, fails=None,
                words=["terminating connection", "connection", "closed"],
            )  # fmt: skip
            self.load_with(
                f"all sessions ended at {moment:.0%}", lambda _: end(""), moment=moment, fails=None,
                words=["terminating connection", "connection", "closed"],
            )  # fmt: skip

    def server_stopped(self) -> None:
        """Stop the server in the middle of a load, as one does to upgrade it; it is started for the next."""
        for moment in MOMENTS[:2]:
            self.load_with(
                f"the server stopped at {moment:.0%}", lambda _: self.lab.server.send_signal(signal.SIGINT),
                moment=moment, fails=None, words=["connection", "terminating", "shutting down"],
            )  # fmt: skip

    # ---- the network

    @contextmanager
    def proxy(self) -> Iterator[Proxy]:
        """A proxy in front of the server."""
        found = self.lab.server
        proxy = Proxy(next(Path(self.lab.home / "postgres").glob(".s.PGSQL.*[0-9]")))
        try:
            yield proxy
        finally:
            proxy.close()
            assert found.is_running()

    def network(self) -> None:
        """A network that is slow, falls silent for a while, is cut, or lets nobody through."""
        with self.proxy() as proxy:
            proxy.delay_s = 0.02
            self.load_with("20 ms on every packet", lambda _: None, fails=False, CCF_POSTGRES_URL=proxy.url)
            proxy.delay_s = 0.0

            def fall_silent(_: Command) -> None:
                proxy.silent = True
                time.sleep(20)
                proxy.silent = False

            self.load_with(
                "no packet for 20 s", fall_silent, moment=0.4, fails=False, CCF_POSTGRES_URL=proxy.url
            )
            for moment in MOMENTS:
                self.load_with(
                    f"every connection reset at {moment:.0%}", lambda _: proxy.cut(), moment=moment, fails=None,
                    words=["connection", "closed"], CCF_POSTGRES_URL=proxy.url,
                )  # fmt: skip
            proxy.silent = True
            started = time.monotonic()
            code, said = self.lab.start("status", CCF_POSTGRES_URL=f"{proxy.url}?connect_timeout=5").ended()
            expect(
                code == 1 and "cannot be used" in said and "Traceback" not in said,
                f"a server that accepts and never answers: after {time.monotonic() - started:.0f} s: {said.strip()[-160:]}",
            )
            proxy.silent = False
            proxy.close()
            code, said = self.lab.start("status", CCF_POSTGRES_URL=proxy.url).ended()
            expect(
                code == 1 and "refused" in said and said.count("\n") == 1,
                f"a server that is not there: {said.strip()[:200]}",
            )

    def locks_and_limits(self) -> None:
        """Somebody else's lock for a while, and a limit on how long a statement may take."""
        held, holders = threading.Event(), list[threading.Thread]()

        def hold(lock: str) -> None:
            with self.lab.engine.begin() as connection:
                connection.execute(sa.text(lock))
                held.set()
                time.sleep(15)

        def begin(lock: str) -> None:
            held.clear()
            holders.append(threading.Thread(target=hold, args=[lock]))
            holders[-1].start()
            held.wait()

        def let_go() -> None:
            holders[-1].join()

        for what, lock in (
            ("a reader's open transaction on the runs", "LOCK ccf.voxel_run IN ACCESS SHARE MODE"),
            ("an administrator's lock on the runs", "LOCK ccf.voxel_run IN ACCESS EXCLUSIVE MODE"),
            ("a writer's lock on the regions", "LOCK ccf.brain_region IN ROW EXCLUSIVE MODE"),
            ("an administrator's lock on the sites", "LOCK ccf.recording_site IN SHARE ROW EXCLUSIVE MODE"),
        ):
            self.load_with(f"{what} for 15 s", lambda _: begin(lock), let_go, fails=False)  # noqa: B023 - called before the next

        def limit(value: str) -> None:
            self.lab.do(f"ALTER DATABASE ccf SET statement_timeout = '{value}'")

        limit("100ms")
        self.load_with(
            "statements limited to 0.1 s",
            lambda _: None,
            lambda: limit("0"),
            words=["statement timeout"],
            fails=None,
        )


if __name__ == "__main__":
    sys.exit(main())
