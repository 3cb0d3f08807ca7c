"""One file out of an object store into the cache: progress, and a sentence for each way it can fail."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ccf_assets.errors import CcfError, PassingError, SourceUnreachableError
from ccf_assets.objects import Address, Objects
from ccf_assets.progress import Progress
from ccf_assets.sources.http import Report


def bring(address: Address, path: str, into: Path, report: Report, *, kept: bool) -> str:
    """Bring the object of a path below an address.

    Args:
        address: the base of the mirror.
        path: of the file below it.
        into: the file to write.
        report: receives the start and the progress.
        kept: an earlier copy stays in use when this fails, which the error then says.

    Returns:
        Its address, to be shown.

    Raises:
        SourceUnreachableError: the store does not answer.
        CcfError: it has no such object, or refuses to give it.
    """
    shown = f"{address}/{path}"
    report(f"fetching {shown}")
    stays = " The copy fetched earlier stays in use." if kept else ""
    try:
        objects = Objects(address)
        entry = objects.entry(path)
        unit = f"bytes of {PurePosixPath(path).name}"
        objects.bring(path, entry, into, Progress(report, "downloaded", unit, entry.size).advance)
    except FileNotFoundError:
        raise CcfError(
            f"{shown} does not exist; put it there, or point CCF_SOURCE at a server, bucket or folder that "
            f"has {path}.{stays}"
        ) from None
    except PassingError as error:
        raise SourceUnreachableError(f"{error}{stays}") from None
    except CcfError as error:
        raise type(error)(f"{error}{stays}") from None
    return shown
