"""The embedded server has its files on a disk of this machine only, whatever the folder above is on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from ccf_assets.errors import CcfError
from ccf_assets.pg import embedded
from ccf_assets.pg.local_disk import refuse_network_disk


def mounted(monkeypatch: pytest.MonkeyPatch, **types: str) -> None:
    disks = [SimpleNamespace(mountpoint="/", fstype="ext4")]
    disks += [SimpleNamespace(mountpoint=place, fstype=fstype) for place, fstype in types.items()]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: disks)


@pytest.mark.parametrize(
    ("fstype", "name"), [("nfs4", "NFS"), ("lustre", "Lustre"), ("gpfs", "GPFS"), ("cifs", "CIFS")]
)
def test_on_a_network_file_system_no_server_is_made_and_the_sentence_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fstype: str, name: str
) -> None:
    mounted(monkeypatch, **{str(tmp_path): fstype})
    with pytest.raises(
        CcfError, match=rf"network file system \({name}\).* Set CCF_HOME to a folder on a local disk"
    ):
        embedded.join(tmp_path / "home/postgres")
    assert not (tmp_path / "home/postgres").exists()


def test_a_local_disk_that_is_mounted_below_a_network_file_system_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted(monkeypatch, **{str(tmp_path): "nfs", str(tmp_path / "scratch"): "xfs"})
    refuse_network_disk(tmp_path / "scratch/postgres")
    with pytest.raises(CcfError, match="NFS"):
        refuse_network_disk(tmp_path / "scratch2/postgres")
