"""Hosts without hardware: each a set of Linux namespaces on one bridge, with a disk, a name and an address of its own.

Needs root and iproute2. Everything lives in a process tree below `alone`, in namespaces of its own: when that
ends, by whatever signal, the kernel ends every process of every host and removes bridge, links and mounts.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

FOLDER = "CCF_DRILL_FOLDER"
"""Environment variable that names the temporary folder to the process inside the namespaces."""

_SUBNET = "10.77.0"

DRILL_ADDRESS = f"{_SUBNET}.254"
"""The drill's own address on the bridge."""

_CGROUPS = Path("/sys/fs/cgroup")

_BOOT = """\
set -e
hostname "$NAME"
mount -t tmpfs -o mode=755 tmpfs "$LAB/mnt"
for share in $SHARES; do
  mkdir "$LAB/mnt/$share"
  mount --bind "$LAB/shares/$share" "$LAB/mnt/$share"
done
mount --bind "$LAB/hosts/$NAME" "$LAB/disk"
mount --bind "$LAB/etc_hosts" /etc/hosts
mount -t tmpfs tmpfs "$LAB/shares"
mount -t tmpfs tmpfs "$LAB/hosts"
for folder in $HIDDEN; do mount -t tmpfs tmpfs "$folder"; done
ip link set lo up
touch "$LAB/disk/booted"
# The first process of a process namespace has to collect orphans that have ended; a shell that waits does.
while :; do sleep 3600 & wait $!; done
"""


def why_not() -> str:
    """Why this machine cannot have such hosts, in words; empty where it can."""
    if sys.platform != "linux":
        return "namespaces are Linux's"
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    missing = [
        name for name in ("ip", "unshare", "nsenter", "mount", "hostname", "bash") if not shutil.which(name)
    ]
    return (
        f"{', '.join(missing)} not found (Debian: iproute2, util-linux, mount, hostname)" if missing else ""
    )


def alone(module: str, arguments: Sequence[str]) -> int:
    """Run a module in network, mount and process namespaces of its own; its exit code.

    Nothing that it started is left afterwards, nor its temporary folder, however it ended.
    """
    folder = Path(tempfile.mkdtemp(prefix="ccf_hosts_"))
    folder.chmod(0o755)  # the database server is another user
    command = [
        "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
        "--propagation", "private", "--", sys.executable, "-m", module, *arguments,
    ]  # fmt: skip
    child = subprocess.Popen(
        command,
        env={**os.environ, FOLDER: str(folder)},
        start_new_session=True,  # Ctrl-C reaches only this process, which then ends it
        preexec_fn=_killed_with_parent,  # noqa: PLW1509 - no other thread is busy here
    )
    try:
        return child.wait()
    finally:
        child.kill()
        child.wait()
        # The kernel ends what is left in the process namespace just after this.
        for _ in range(50):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
            time.sleep(0.1)
        for group in _CGROUPS.glob(f"*/{folder.name}*"):
            with suppress(OSError):
                group.rmdir()


class Network:
    """The bridge, and the hosts on it; for a process that `alone` has started."""

    def __init__(self) -> None:
        self.lab = Path(os.environ[FOLDER])
        for name in ("disk", "mnt", "hosts", "shares"):
            (self.lab / name).mkdir()
        names = [f"{_SUBNET}.{number} host{letter}\n" for letter, number in _NUMBERS.items()]
        (self.lab / "etc_hosts").write_text("127.0.0.1 localhost\n" + "".join(names))
        for command in (
            "link set lo up",
            "link add br0 type bridge",
            f"addr add {DRILL_ADDRESS}/24 dev br0",
            "link set br0 up",
        ):
            ip(command)

    def share(self, name: str) -> Path:
        """A folder that hosts may have in common, as this process sees it."""
        folder = self.lab / "shares" / name
        folder.mkdir(exist_ok=True)
        return folder

    def mounted(self, name: str) -> Path:
        """Where a host sees the share, if it has it."""
        return self.lab / "mnt" / name


_NUMBERS = {"A": 1, "B": 2, "C": 3}


class Host:
    """One host: its processes, its disk (a folder), and its link to the others.

    Attributes:
        name: such as ``hostB``.
        address: on the bridge.
        disk: its disk, as it sees it itself; the same path on every host.
        seen: its disk, as this process sees it.
    """

    def __init__(
        self, network: Network, letter: str, shares: Sequence[str] = (), hidden: Sequence[Path] = ()
    ) -> None:
        """Boot it, with what is on its disk by now.

        Args:
            network: it is plugged into.
            letter: A, B or C.
            shares: names of the shares that it mounts.
            hidden: folders of this machine that it does not have.
        """
        self.letter, self.name = letter, f"host{letter}"
        self.address = f"{_SUBNET}.{_NUMBERS[letter]}"
        self.disk, self.seen = network.lab / "disk", network.lab / "hosts" / self.name
        self.seen.mkdir(exist_ok=True)
        (self.seen / "tmp").mkdir(exist_ok=True)
        (self.seen / "tmp").chmod(0o1777)
        (self.seen / "booted").unlink(missing_ok=True)
        for share in shares:
            network.share(share)
        self._group = ""
        self._log = (self.seen / "boot.log").open("ab")
        self._unshare = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc",
             "--propagation", "private", "--", "bash", "-c", _BOOT],
            env={
                **os.environ, "NAME": self.name, "LAB": str(network.lab), "SHARES": " ".join(shares),
                "HIDDEN": " ".join(map(str, hidden)),
            },
            stdout=self._log, stderr=self._log, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + 20
        while not (self.seen / "booted").exists():
            if self._unshare.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not boot: {(self.seen / 'boot.log').read_text()}")
            time.sleep(0.02)
        self.init = psutil.Process(self._unshare.pid).children()[0]
        self._link = f"v{letter}"
        with suppress(subprocess.CalledProcessError):  # of the host that had this name before
            ip(f"link delete {self._link}", quiet=True)
        ip(f"link add {self._link} type veth peer name eth0 netns {self.init.pid}")
        ip(f"link set {self._link} master br0 up")
        for command in (["addr", "add", f"{self.address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"]):
            self.run("ip", *command)

    @property
    def is_up(self) -> bool:
        """Whether it has been booted and not killed."""
        return self._unshare.poll() is None

    def cut(self) -> None:
        """Cut its link: nobody is told, neither it nor the others."""
        ip(f"link set {self._link} down")

    def mend(self) -> None:
        """Plug its link in again."""
        ip(f"link set {self._link} up")

    def kill(self) -> None:
        """End all its processes at once, as a loss of power does."""
        with suppress(psutil.NoSuchProcess):
            self.init.kill()
        self._unshare.kill()
        self._unshare.wait()
        with suppress(psutil.NoSuchProcess):
            self.init.wait(20)
        self._log.close()

    def wipe(self) -> None:
        """Give it a new, empty disk; it must be down."""
        shutil.rmtree(self.seen)

    def limit(self, cores: float, group: str) -> bool:
        """Give all its future processes so many cores; False where there are no cgroups to do that."""
        folder = _CGROUPS / "cpu" / f"{group}_{self.letter}"
        try:
            folder.mkdir(exist_ok=True)
            (folder / "cpu.cfs_period_us").write_text("20000")
            (folder / "cpu.cfs_quota_us").write_text(str(int(20_000 * cores)))
        except OSError:
            unified = _CGROUPS / f"{group}_{self.letter}"
            try:
                (_CGROUPS / "cgroup.subtree_control").write_text("+cpu")
                unified.mkdir(exist_ok=True)
                (unified / "cpu.max").write_text(f"{int(20_000 * cores)} 20000")
            except OSError:
                return False
            folder = unified
        self._group = str(folder / "cgroup.procs")
        return True

    def start(self, *command: str, log: str, user: str = "root", **settings: str) -> Program:
        """Begin a command on it; what it says goes to a file on its disk.

        Args:
            command: program and arguments.
            log: name of the file, below ``logs``.
            user: who runs it.
            settings: environment variables, beside those of this process that are not the product's.
        """
        inside = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CCF_", "DAGSTER_", "PG", "http", "HTTP", "no_proxy", "NO_PROXY"))
        }
        inside |= {"TMPDIR": str(self.disk / "tmp"), "HOME": str(self.disk), **settings}
        file = self.seen / "logs" / log
        file.parent.mkdir(exist_ok=True)
        words = [*self._enter(), *_as(user), *command]
        if self._group:
            words = ["sh", "-c", 'echo $$ > "$0" && exec "$@"', self._group, *words]
        with file.open("ab") as said:
            popen = subprocess.Popen(
                words,
                env=inside,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        return Program(popen, file)

    def run(self, *command: str, user: str = "root", log: str = "commands.log", **settings: str) -> str:
        """Run a command on it to its end; what it printed.

        Raises:
            RuntimeError: it failed.
        """
        program = self.start(*command, log=log, user=user, **settings)
        begun = program.begun_at
        if code := program.popen.wait(600):
            said = program.said()[begun:][-3000:]
            raise RuntimeError(f"{self.name}: {command[0]} ended with {code}:\n{said}")
        return program.said()[begun:]

    def logs(self) -> Mapping[str, str]:
        """What its programs said, by the name of the log."""
        folder = self.seen / "logs"
        return {path.name: path.read_text(errors="replace") for path in sorted(folder.glob("*"))}

    def processes(self) -> list[psutil.Process]:
        """What runs on it, its first process left out."""
        ours = _namespace(self.init.pid)
        return [p for p in psutil.process_iter() if p != self.init and ours and _namespace(p.pid) == ours]

    def _enter(self) -> list[str]:
        return ["nsenter", "--target", str(self.init.pid), "--net", "--mount", "--uts", "--pid",
                f"--wdns={self.disk}", "--"]  # fmt: skip


class Program:
    """A command that runs on a host."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path) -> None:
        self.popen, self._log = popen, log
        self.begun_at = log.stat().st_size

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.popen.poll() is None

    def said(self) -> str:
        """What its log has by now."""
        return self._log.read_text(errors="replace")

    def family(self) -> list[psutil.Process]:
        """It and all that it started, what merely enters the host left out."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.popen.pid).children(recursive=True)
        return []

    def tell(self, number: int) -> None:
        """Send a signal to its first process on the host."""
        for process in self.family()[:1]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def kill(self) -> None:
        """End it and all that it started, with no chance to say so."""
        for process in self.family():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.popen.wait(20)

    def end(self, number: int = signal.SIGINT, seconds: float = 40) -> int:
        """Ask it to end, and wait for that; kill it where it does not. Its exit code."""
        self.tell(number)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL


def _killed_with_parent() -> None:
    """Called in a child: it is killed when its parent is; unshare ignores the signals that ask."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def ip(command: str, *, quiet: bool = False) -> None:
    """Configure the network of this process."""
    subprocess.run(["ip", *command.split()], check=True, stderr=subprocess.DEVNULL if quiet else None)


def _as(user: str) -> list[str]:
    return [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]


def _namespace(pid: int) -> str:
    with suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    return ""
