"""Whether a folder is on a disk of this machine, where the embedded server may have its files."""

from __future__ import annotations

from pathlib import Path

import psutil

from ccf_assets.errors import CcfError

_NETWORK = {
    "nfs": "NFS", "nfs4": "NFS", "lustre": "Lustre", "gpfs": "GPFS", "beegfs": "BeeGFS",
    "cifs": "CIFS", "smb3": "CIFS", "smbfs": "CIFS",
}  # fmt: skip
"""File systems that several machines mount, by the name that the kernel has for them."""


def refuse_network_disk(data: Path) -> None:
    """Refuse a folder that another machine may have, too: two servers on it would destroy the database.

    The locks that keep a second server away may be known to one machine only: it depends on the mount.

    Raises:
        CcfError: it is on a file system that several machines mount.
    """
    mounts = {Path(disk.mountpoint): disk.fstype for disk in psutil.disk_partitions(all=True)}
    fstype = next((mounts[folder] for folder in (data, *data.parents) if folder in mounts), "")
    if fstype in _NETWORK:
        raise CcfError(
            f"{data} is on a network file system ({_NETWORK[fstype]}), where the embedded PostgreSQL is not "
            "safe: two machines could start it on the same files. Set CCF_HOME to a folder on a local disk, "
            "moving this one there if it holds anything; or set CCF_POSTGRES_URL to a server of your lab."
        )
