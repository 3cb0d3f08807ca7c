"""The settings of a process, read from the environment when they are needed, never at import.

Every variable of the program is named here and in the table of the README. DAGSTER_HOME is Dagster's; see
runs.home.dagster_home.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TypeAlias

from ccf_assets.errors import CcfError
from ccf_assets.objects import Address, address_of, is_address

ALLEN = "allen"
PHANTOM = "phantom"
KUBERNETES = "k8s"

MOST_SLOTS = 1000
"""Dagster's own bound of the places in a pool."""

Place: TypeAlias = Path | Address
"""A folder: on a disk of this host, or in an object store."""


def _project_root() -> Path | None:
    """The folder of the checkout this package runs from, or None for an installed package."""
    parent = Path(__file__).resolve().parent.parent
    return parent if (parent / "pyproject.toml").is_file() else None


def home() -> Path:
    """CCF_HOME: embedded server, downloads, Dagster home; ``.ccf`` in the project, else ``~/.ccf``."""
    named = os.environ.get("CCF_HOME")
    if named:
        return path(named)
    return (_project_root() or path("~")) / ".ccf"


def path(named: str) -> Path:
    """The whole path of a file or folder that a setting names."""
    try:
        return Path(named).expanduser().resolve()
    except (RuntimeError, FileNotFoundError):  # a user without a name or HOME; a current folder that is gone
        raise CcfError(
            f"There is no telling where {named} is: this user has no home folder, or the current folder is "
            "gone. Set CCF_HOME, and any other setting that names a folder, to a whole path."
        ) from None


def postgres_url() -> str | None:
    """CCF_POSTGRES_URL: an existing PostgreSQL server (15 or newer); None means the embedded one."""
    return os.environ.get("CCF_POSTGRES_URL") or None


def source() -> str:
    """CCF_SOURCE: ``allen`` (default), a base at http(s) or in an object store, a folder, or ``phantom``."""
    return os.environ.get("CCF_SOURCE") or ALLEN


def recordings() -> Place:
    """CCF_RECORDINGS: the folder the recordings sensor watches; ``recordings`` in CCF_HOME."""
    return _place("CCF_RECORDINGS", "recordings")


def _place(variable: str, usual: str) -> Place:
    """The folder that a setting names, on a disk or in an object store; else the usual one in CCF_HOME."""
    named = os.environ.get(variable)
    if named and is_address(named):
        return address_of(named, variable)
    return path(named) if named else home() / usual


def recordings_roots() -> list[Path]:
    """CCF_RECORDINGS_ROOTS: folders, with ``:`` between them, that links of recordings may lead to."""
    named = os.environ.get("CCF_RECORDINGS_ROOTS") or ""
    return [path(one) for one in named.split(os.pathsep) if one]


def frames_files() -> list[Path]:
    """CCF_FRAMES: a TOML file of a lab's own coordinate frames; else ``frames.toml`` in CCF_HOME, if any."""
    named = os.environ.get("CCF_FRAMES")
    if named:
        return [path(named)]
    usual = home() / "frames.toml"
    return [usual] if usual.is_file() else []


def atlases_file() -> Path:
    """CCF_ATLASES: a TOML file of a lab's own atlases; ``atlases.toml`` in CCF_HOME. It need not exist."""
    named = os.environ.get("CCF_ATLASES")
    return path(named) if named else home() / "atlases.toml"


MOST_PARTITIONS = 1024
"""Every partition is some ten relations with its indexes, which each query over all sites opens."""


def site_partitions() -> int:
    """CCF_SITE_PARTITIONS: into how many partitions a new database divides its sites, by recording; 1: none.

    Raises:
        CcfError: it is not a whole number from 1 to MOST_PARTITIONS.
    """
    named = os.environ.get("CCF_SITE_PARTITIONS") or "1"
    number = int(named) if named.isdecimal() else 0
    if not 1 <= number <= MOST_PARTITIONS:
        raise CcfError(
            f"CCF_SITE_PARTITIONS is {named!r}; set it to a whole number from 1 to {MOST_PARTITIONS}."
        )
    return number


def is_set(name: str) -> bool:
    """Whether an environment variable has a value."""
    return bool(os.environ.get(name))


def region_sets() -> Place:
    """CCF_REGION_SETS: the folder of a lab's own region sets; ``region_sets`` in CCF_HOME."""
    return _place("CCF_REGION_SETS", "region_sets")


def alert_url() -> str | None:
    """CCF_ALERT_URL: the web address that is told of failed runs and checks; a secret. None: nobody is."""
    return os.environ.get("CCF_ALERT_URL") or None


def ui_url() -> str | None:
    """CCF_UI_URL: the address of the UI, for links in alerts; ``ccf-assets up`` sets it for its processes."""
    return os.environ.get("CCF_UI_URL") or None


def code_url() -> str | None:
    """CCF_CODE_URL: where the UI links the code of assets to, such as ``https://github.com/lab/x/tree/main``."""
    return os.environ.get("CCF_CODE_URL") or None


def viewer_url() -> str | None:
    """CCF_VIEWER_URL: the address of a viewer that a lab serves, which pages in the UI link to.

    Without a user and a password: whoever opens the UI reads it.
    """
    return re.sub(r"(?<=://)[^/?#]*@", "", os.environ.get("CCF_VIEWER_URL") or "") or None


def owner() -> str:
    """CCF_OWNER: the owner that the UI shows of every asset, a mail address or a team's name."""
    named = (os.environ.get("CCF_OWNER") or "ccf-assets").strip()
    return named if "@" in named or named.startswith("team:") else f"team:{named}"


def engine() -> str | None:
    """CCF_ENGINE: what executes the runs of the UI; None for processes of its own machine.

    ``redis://…`` and ``rediss://…`` are the broker of Celery workers; the address may hold a password.
    ``k8s`` is Kubernetes.
    """
    named = (os.environ.get("CCF_ENGINE") or "").strip()
    if named and named != KUBERNETES and not named.startswith(("redis://", "rediss://")):
        # It may hold a password: it is not repeated.
        raise CcfError(
            "CCF_ENGINE is no engine; write it as redis://:password@host:6379/0 (rediss:// with TLS) for "
            f"Celery workers or {KUBERNETES} for Kubernetes, or unset it for processes of this machine."
        )
    return named or None


def slots() -> int:
    """CCF_SLOTS: how many runs all workers of an engine together execute at a time; 4."""
    named = (os.environ.get("CCF_SLOTS") or "4").strip()
    if not (named.isascii() and named.isdecimal() and 0 < int(named) <= MOST_SLOTS):
        raise CcfError(
            f"CCF_SLOTS is {named!r}; write how many runs may be executed at a time, from 1 to {MOST_SLOTS}."
        )
    return int(named)


def recordings_queue() -> str | None:
    """CCF_RECORDINGS_QUEUE: the queue of the workers that have the folder of recordings; None: any worker."""
    return os.environ.get("CCF_RECORDINGS_QUEUE") or None


def dagster_file(name: str) -> Path:
    """``dagster.yaml`` or ``workspace.yaml``: beside pyproject.toml, or inside an installed package."""
    root = _project_root()
    return root / name if root else Path(__file__).with_name(name)
