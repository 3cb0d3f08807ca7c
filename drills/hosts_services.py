"""Scenarios of what other software brings: SLURM starts workers, an object store has the recordings, and deploy/."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from drills.cluster import SECRET, Cluster, NeverError, listens, wait
from drills.hosts_files import all_ibl_registered, drop_ibl
from drills.hosts_lab import Lab
from drills.hosts_runs import OFFICIAL, complete, copying
from drills.lab import PROGRAM, expect, say
from drills.network import Host

PROJECT = Path(__file__).resolve().parent.parent

_SLURM = """\
ClusterName=drill
SlurmctldHost=hostA(10.77.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={disk}/slurm/munge
StateSaveLocation={disk}/slurm/state
SlurmdSpoolDir={disk}/slurm/spool
SlurmctldPidFile={disk}/slurm/slurmctld.pid
SlurmdPidFile={disk}/slurm/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
KillWait=20
SlurmdParameters=config_overrides
NodeName=hostB NodeAddr=10.77.0.2 CPUs=1 State=UNKNOWN
NodeName=hostC NodeAddr=10.77.0.3 CPUs=1 State=UNKNOWN
PartitionName=drill Nodes=hostB,hostC Default=YES MaxTime=INFINITE State=UP
"""

_STORE, _STRICT_STORE, _NO_STORE = 5000, 5001, 5999
"""Ports on A: an object store that takes any key, one that takes none, and one where nothing listens."""


def kubernetes(cluster: Cluster) -> None:
    """15: a run as a pod on B, against a stand-in for the API of Kubernetes, with the database on A."""
    with Lab.anew(cluster, CCF_ENGINE="") as lab:
        said = _tests(lab.hosts["B"], "-k", "kubernetes", CCF_POSTGRES_URL=lab.settings["CCF_POSTGRES_URL"])
        expect(" passed" in said and " failed" not in said, f"the tests of Kubernetes, on host B: {said}")


def deploy(cluster: Cluster) -> None:
    """18: the files in deploy/, as their own parsers and schemas take them."""
    with Lab.anew(cluster, CCF_ENGINE="") as lab:
        said = _tests(lab.hosts["B"], "-k", "not kubernetes")
        expect(" passed" in said and " failed" not in said, f"the tests of deploy/: {said}")
    if not shutil.which("docker-compose"):
        say(
            "     docker-compose is not here (Debian has it); podman-compose has parsed the file in the tests"
        )
        return
    command = [
        "docker-compose",
        "-f",
        "deploy/compose.yaml",
        "--env-file",
        "deploy/env.sample",
        "config",
        "--quiet",
    ]
    for what, filled_in in (
        ("with the sample filled in", {"POSTGRES_PASSWORD": "a b@c", "RECORDINGS_FOLDER": "/lab/recordings"}),
        ("without a password", {"RECORDINGS_FOLDER": "/lab/recordings"}),
    ):
        done = subprocess.run(
            command, cwd=PROJECT, env={**os.environ, **filled_in}, capture_output=True, text=True, check=False
        )
        good = (done.returncode == 0) == ("POSTGRES_PASSWORD" in filled_in)
        told = done.stderr.strip().splitlines()[-1:] or ["it is taken"]
        expect(good, f"docker-compose config {what}: {told[0]}")


def _tests(host: Host, *options: str, **settings: str) -> str:
    """Run the tests of deploy/ on a host; the last line that they print."""
    for name in ("CCF_TEST_CHART",):
        if name in os.environ:
            settings[name] = os.environ[name]
    test = str(PROJECT / "ccf_assets_tests" / "whole" / "test_deploy.py")
    program = host.start(
        sys.executable, "-m", "pytest", "-q", "--rootdir", str(PROJECT), "-p", "no:cacheprovider", *options, test,
        log="tests.log", PYTHONPATH=str(PROJECT), **settings,
    )  # fmt: skip
    program.popen.wait(400)
    lines = [line for line in program.said().splitlines() if line.strip()]
    for line in lines:
        if line.startswith(("E ", "FAILED", "SKIPPED")):
            say(f"     {line}")
    return lines[-1].strip("= ") if lines else "nothing was said"


def poolers(_cluster: Cluster) -> None:
    """13: pgbouncer between program and server, in each of its modes."""
    _of_another_drill("poolers")


def replica(_cluster: Cluster) -> None:
    """14: questions to a streaming replica."""
    _of_another_drill("replica")


def _of_another_drill(part: str) -> None:
    command = [sys.executable, "-m", "drills.poolers", part]
    code = subprocess.run(command, cwd=PROJECT, check=False).returncode
    expect(code == 0, f"python -m drills.poolers {part}: exit code {code}")


# ---- SLURM


def slurm(cluster: Cluster) -> None:
    """16: SLURM starts the workers; its job is canceled during a load."""
    with Lab.anew(cluster, "phantom_50um", CCF_SLOTS="2") as lab:
        _start_slurm(lab)
        lab.up()
        job = _submit(lab)
        running = copying(lab)
        start, last = time.monotonic(), lab.last_run()
        lab.hosts["A"].run("scancel", job, **_conf(lab))
        status = lab.ended(running[0], 120)
        took = time.monotonic() - start
        expect(
            status == "FAILURE" and took <= 45,
            f"scancel during COPY: the run is {status} after {took:.1f} s (45 are allowed)",
        )
        lab.until(lambda: not (lab.waits("B") or lab.waits("C")), 60, "the workers end")
        _submit(lab)
        lab.until(lambda: lab.runs("load_voxel_rows", last), 120, "the run is retried")
        again = lab.runs("load_voxel_rows", last)[0]
        status = lab.ended(again.id, 240)
        expect(status == "SUCCESS", f"a later allocation does it again: {status} on {lab.run(again.id).host}")
        complete(lab)
        with lab.locked("ccf.region_set"):
            # One slot on each host: both of them are needed.
            runs = [lab.ui.launch("load_region_sets", "phantom_50um") for _ in range(2)]
            lab.until(
                lambda: {lab.run(run).host for run in runs} == {"B", "C"}, 90, "both hosts execute a run"
            )
        told = [lab.ended(run, 120) for run in runs]
        expect(told == ["SUCCESS"] * 2, f"two runs at once, on B and C: {told}")


def _conf(lab: Lab) -> dict[str, str]:
    return {"SLURM_CONF": str(lab.hosts["A"].disk / "slurm" / "slurm.conf")}


def _start_slurm(lab: Lab) -> None:
    key = secrets.token_bytes(1024)
    for letter, host in lab.hosts.items():
        folder = host.seen / "slurm"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "state").mkdir(parents=True)
        (folder / "spool").mkdir()
        (folder / "munge.key").write_bytes(key)
        (folder / "munge.key").chmod(0o400)
        (folder / "slurm.conf").write_text(_SLURM.format(disk=host.disk))
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        place = host.disk / "slurm"
        if letter != "A":  # its parts that are not used look for cgroups of their own
            host.run("mount", "-t", "tmpfs", "tmpfs", "/sys/fs/cgroup")
        lab.serve(
            letter, "munged", "--foreground", "--force", f"--key-file={place / 'munge.key'}", f"--socket={place / 'munge'}",
            f"--pid-file={place / 'munge.pid'}", f"--log-file={place / 'munge.log'}",
            f"--seed-file={place / 'munge.seed'}", log="munge.log",
        )  # fmt: skip
        wait(lambda folder=folder: (folder / "munge").exists(), 20, f"munge answers on host {letter}")  # type: ignore[misc]
        daemon = ["slurmctld"] if letter == "A" else ["slurmd", "-N", host.name]
        lab.serve(letter, *daemon, "-D", "-f", str(place / "slurm.conf"), log="slurm.log", **_conf(lab))
    a = lab.hosts["A"]
    try:
        wait(
            lambda: a.run("sinfo", "-h", "-o", "%t", **_conf(lab)).split() == ["idle"],
            90,
            "both nodes are idle",
        )
    except NeverError:
        for host in lab.hosts.values():
            say(f"     {host.name}: {host.logs().get('slurm.log', '')[-1500:]}")
        raise


def _submit(lab: Lab) -> str:
    """Ask SLURM for a worker on each of two nodes; the number of its job."""
    a = lab.hosts["A"]
    worker = shlex.join([*PROGRAM, "worker", "--slots", "1"])
    said = a.run(
        "sbatch", "--parsable", "--nodes=2", "--ntasks-per-node=1", f"--chdir={a.disk}",
        f"--output={a.disk / 'logs' / 'worker.log'}", "--wrap", f"srun {worker}",
        **{**lab.settings, **_conf(lab)},
    )  # fmt: skip
    job = said.split()[-1]
    took = lab.until(lambda: lab.waits("B") and lab.waits("C"), 180, "the workers of SLURM are ready")
    say(f"     SLURM's job {job}: workers on B and C ready after {took:.0f} s")
    return job


# ---- an object store


def object_store(cluster: Cluster) -> None:
    """17: the recordings are in an object store."""
    store = f"http://{cluster.a.address}:{_STORE}"
    keys = {"AWS_ACCESS_KEY_ID": "drill", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
    settings = {"CCF_RECORDINGS": "s3://lab/rec", "AWS_ENDPOINT_URL": store, "AWS_ALLOW_HTTP": "true", **keys}
    with Lab.anew(cluster, *OFFICIAL, CCF_SLOTS="2", **settings) as lab:
        _start_store(lab, _STORE)
        _start_store(lab, _STRICT_STORE, INITIAL_NO_AUTH_ACTION_COUNT="1")  # the one that makes the bucket
        for what, other in (
            ("no such bucket", {"CCF_RECORDINGS": "s3://nowhere/rec"}),
            ("a key that is refused", {"AWS_ENDPOINT_URL": f"http://{cluster.a.address}:{_STRICT_STORE}"}),
            ("nothing listens", {"AWS_ENDPOINT_URL": f"http://{cluster.a.address}:{_NO_STORE}"}),
        ):
            code, said = lab.command("A", "load", OFFICIAL[0], "--no-rows", **other)
            told = [line for line in said.splitlines() if "s3://" in line]
            good = bool(told) and "Traceback" not in said and SECRET not in said
            expect(good, f"{what}, exit code {code}: {(told or said.splitlines())[-1][:300]}")
        lab.up()
        lab.work("BC", "--slots", "1")
        with tempfile.TemporaryDirectory() as folder:
            drop_ibl(cluster, Path(folder))
            for path in sorted(Path(folder).iterdir(), reverse=True):  # the settings first
                _put(f"{store}/lab/rec/{path.name}", path.read_bytes())
        all_ibl_registered(lab)
        lab.until(lambda: all(run.ended for run in lab.runs()), 60, "the runs end")
        log = f"store_{_STORE}.log"
        before = len(cluster.a.logs()[log])
        time.sleep(60)
        asked = cluster.a.logs()[log][before:].splitlines()
        lists = sum("list-type=2" in line for line in asked)
        reads = sum('"GET /lab/rec/' in line for line in asked)
        expect(
            lists > 0 and reads == 0,
            f"a minute later the folder was listed {lists} times, {reads} objects read",
        )
        lab.leaves_nothing()


def _start_store(lab: Lab, port: int, **settings: str) -> None:
    """An object store on A, with the bucket ``lab``."""
    address = lab.hosts["A"].address
    command = [sys.executable, "-m", "moto.server", "-H", address, "-p", str(port)]
    lab.serve("A", *command, log=f"store_{port}.log", **settings)
    wait(lambda: listens(address, port), 60, "the object store answers")
    _put(f"http://{address}:{port}/lab")


def _put(address: str, content: bytes = b"") -> None:
    # Without a type it would be taken for a form.
    request = urllib.request.Request(
        address, content, {"Content-Type": "application/octet-stream"}, method="PUT"
    )
    urllib.request.urlopen(request, timeout=20).close()
