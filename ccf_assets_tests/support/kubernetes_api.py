"""A stand-in for the API of Kubernetes: Jobs can be made and asked for, and their pods are processes.

A pod's container has a root of its own, an empty folder: each path in its environment is below that, and so
is what is mounted. An ``emptyDir`` is empty, a config map has the one file that is mounted, a claim is a
folder of this machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml


@dataclass
class Cluster:
    """One node, in a folder of its own.

    Attributes:
        node: where the pods' roots are.
        secrets: name → key → value.
        config_maps: name → file → text.
        claims: name → folder.
        jobs: name → what was asked for.
    """

    node: Path
    secrets: Mapping[str, Mapping[str, str]]
    config_maps: Mapping[str, Mapping[str, str]]
    claims: Mapping[str, Path]
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Cluster:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pod in self.pods.values():
            pod.terminate()
            pod.wait()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def kubeconfig(self) -> Path:
        """A file by which clients find this API."""
        cluster = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{self._http.server_port}"}}
        context = {"name": "here", "context": {"cluster": "here", "user": "nobody"}}
        users = [{"name": "nobody", "user": {}}]
        told = {"apiVersion": "v1", "kind": "Config", "current-context": "here"}
        file = self.node / "kubeconfig"
        file.write_text(
            yaml.safe_dump({**told, "clusters": [cluster], "contexts": [context], "users": users}), "utf-8"
        )
        return file

    def start(self, job: dict[str, Any]) -> dict[str, Any]:
        """Make a Job, and start the process of its pod."""
        name, pod = job["metadata"]["name"], job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        root = self.node / name
        root.mkdir()
        self._mount(pod["volumes"], container["volumeMounts"], root)
        program, *arguments = container["args"]
        self.jobs[name] = job
        self.pods[name] = subprocess.Popen(
            [Path(sys.executable).with_name(program), *arguments],
            env=self._environment(container, root),
            cwd=root,
            stdout=(root / "log").open("wb"),
            stderr=subprocess.STDOUT,
        )
        return self.job(name)

    def _environment(self, container: dict[str, Any], root: Path) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("CCF_", "DAGSTER_", "PG"))}
        told = {}
        for source in container["envFrom"]:
            told.update(self.config_maps[source["configMapRef"]["name"]])
        for variable in container["env"]:
            value = variable.get("value")
            if value is None:
                secret = variable["valueFrom"]["secretKeyRef"]
                value = self.secrets[secret["name"]][secret["key"]]
            told[variable["name"]] = f"{root}{value}" if value.startswith("/") else value
        return inherited | told

    def _mount(self, volumes: list[dict[str, Any]], mounts: list[dict[str, Any]], root: Path) -> None:
        named = {volume["name"]: volume for volume in volumes}
        for mount in mounts:
            place, volume = Path(f"{root}{mount['mountPath']}"), named[mount["name"]]
            place.parent.mkdir(parents=True, exist_ok=True)
            if "emptyDir" in volume:
                place.mkdir()
            elif "configMap" in volume:
                place.write_text(self.config_maps[volume["configMap"]["name"]][mount["subPath"]], "utf-8")
            else:
                place.symlink_to(self.claims[volume["persistentVolumeClaim"]["claimName"]])

    def job(self, name: str) -> dict[str, Any]:
        """A Job, with its status."""
        ended = self.pods[name].poll()
        state = "active" if ended is None else "failed" if ended else "succeeded"
        return {**self.jobs[name], "status": {state: 1}}


def _handler(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._answer(cluster.start(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

        def do_GET(self) -> None:
            name = self.path.partition("?")[0].removesuffix("/status").rpartition("/")[2]
            self._answer(cluster.job(name))

        def _answer(self, body: object) -> None:
            written = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Silent."""

    return Handler
