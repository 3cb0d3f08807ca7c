"""Files in an object store, at s3://, gs:// and az://: which there are, and the bytes of one. By obstore.

Keys come from the environment or the instance, as the store's own tools have them, never from an address.
What the library says quotes whole addresses and answers: each of its errors becomes a sentence of ours here.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import io
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from ccf_assets.errors import CcfError, PassingError
from ccf_assets.files import whole_file

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta
    from obstore.store import AzureStore, ClientConfig, GCSStore, RetryConfig, S3Store

_T = TypeVar("_T")

_SETTINGS: Mapping[str, str] = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}
"""Scheme → how the names of the environment variables of its store begin."""

_KEYS: Mapping[str, str] = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (AWS_SKIP_SIGNATURE=true for a public bucket)",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS (GOOGLE_SKIP_SIGNATURE=true for a public bucket)",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY (AZURE_SKIP_SIGNATURE=true if public)",
}
"""Scheme → the environment variables that the store reads its keys from."""

_ENDPOINTS: Mapping[str, str] = {
    "s3": "AWS_ENDPOINT_URL",
    "gs": "GOOGLE_BASE_URL",
    "az": "AZURE_ENDPOINT",
}
"""Scheme → the environment variable with the address of a store that is not the provider's own."""

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

CONNECT_S, ANSWER_S, RETRY_S = 5, 20, 15
"""Seconds to connect, for one request with its answer, and after which nothing is tried again.

A store that says nothing is given up after some 20 s: a tick of a sensor may take 60."""

RANGE_BYTES = 1 << 22
"""Bytes of one request for a part of an object: in ANSWER_S also over a slow line."""

_BLOCK_BYTES, _KEPT_BLOCKS = 1 << 18, 256
"""Bytes of a block of an object that is read in parts, and how many of them are kept: 64 MB."""

_BUSY = ("408", "429")
"""Besides those from 500 on, the HTTP statuses of a store that may answer later."""

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_KIND = re.compile(r"HttpError \{\s*kind: (\w+)")
_ASKED_FOR_KEYS = re.compile(
    r"/latest/(api/token|meta-data)|/computeMetadata/|/metadata/identity|Account must be specified"
)
"""What is taken from the library's messages: a status, the store's code, the kind of trouble; and that it had
no keys and asked the instance for some, or has no account."""


@dataclass(frozen=True)
class Address:
    """A folder in an object store.

    Attributes:
        url: ``s3://bucket/folder``, without a slash at its end. It holds no secret.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last part of the path, or the bucket."""
        return self.url.rpartition("/")[2]

    @property
    def scheme(self) -> str:
        """``s3``, ``gs`` or ``az``."""
        return self.url.partition("://")[0]

    @property
    def bucket(self) -> str:
        """The bucket, or container."""
        return self.url.partition("://")[2].partition("/")[0]

    @property
    def folder(self) -> str:
        """The path in the bucket; empty for the whole of it."""
        return self.url.partition("://")[2].partition("/")[2]


def is_address(named: str) -> bool:
    """Whether a text begins as the address of an object store does."""
    return named.partition("://")[0].lower() in _SETTINGS and "://" in named


def address_of(named: str, variable: str) -> Address:
    """The address that a setting names.

    Args:
        named: the address.
        variable: the setting, for sentences.

    Raises:
        CcfError: it is none, or holds a user, a password or a key. The text does not quote it.
    """
    scheme, _, rest = named.partition("://")
    bucket, _, folder = rest.partition("/")
    if scheme.lower() not in _SETTINGS or not _BUCKET.fullmatch(bucket) or "?" in rest or "#" in rest:
        raise CcfError(
            f"{variable} is not a usable address of an object store: write s3://bucket/folder, "
            "gs://bucket/folder or az://container/folder, without user, password, key or query. Keys are "
            "read from the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    return Address("/".join([f"{scheme.lower()}://{bucket}", *filter(None, folder.split("/"))]))


class _Parts(io.RawIOBase):
    """A file of which blocks are read when they are asked for; the last ones are kept.

    Args:
        part: gives the bytes from one place to another.
        size: of the file, in bytes.
    """

    def __init__(self, part: Callable[[int, int], bytes], size: int) -> None:
        super().__init__()
        self._size, self._at = size, 0

        @functools.lru_cache(_KEPT_BLOCKS)
        def block(number: int) -> bytes:
            start = number * _BLOCK_BYTES
            return part(start, min(start + _BLOCK_BYTES, size))

        self._block = block

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another place."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever has a buffer
        """Bytes up to the end of a block."""
        if self._at >= self._size:
            return 0
        number, start = divmod(self._at, _BLOCK_BYTES)
        got = self._block(number)[start : start + len(buffer)]
        buffer[: len(got)] = got
        self._at += len(got)
        return len(got)


def nothing_below(address: Address, what: str, variable: str) -> str:
    """The sentence for an address below which there is no object.

    Args:
        address: the folder.
        what: what it is for.
        variable: the setting that names it.
    """
    return f"There is no object below {address}; put {what} there, or correct {variable}."


@dataclass(frozen=True)
class Entry:
    """An object.

    Attributes:
        size: in bytes.
        mtime_ns: when it was written, ns since 1970.
        version: changes whenever its content is replaced: its ETag.
    """

    size: int
    mtime_ns: int
    version: str

    @classmethod
    def of(cls, meta: ObjectMeta) -> Entry:
        """As the library describes an object."""
        size, when = meta["size"], meta["last_modified"]
        version = meta["e_tag"] or meta["version"] or f"{size} {when}"
        return cls(size, int(when.timestamp() * 1e6) * 1000, version)


class StoreError(CcfError):
    """A store cannot be read from here; it says nothing of what it holds."""


class ReplacedError(CcfError):
    """An object is no longer the one that was listed."""


class Objects:
    """The objects below an address.

    Args:
        address: the folder.
    """

    def __init__(self, address: Address) -> None:
        self.address = address

    @cached_property
    def _store(self) -> AzureStore | GCSStore | S3Store:
        try:
            from obstore.store import AzureStore, GCSStore, S3Store
        except ImportError:
            raise StoreError(
                f"{self.address} is in an object store, which needs a further library: "
                "pip install 'ccf_assets[objects]'."
            ) from None
        allow = os.environ.get(f"{_SETTINGS[self.address.scheme]}_ALLOW_HTTP", "").lower() in {"true", "1"}
        client: ClientConfig = {
            "connect_timeout": timedelta(seconds=CONNECT_S),
            "timeout": timedelta(seconds=ANSWER_S),
            "allow_http": allow,
        }
        retry: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=RETRY_S)}
        kinds: Mapping[str, type[AzureStore] | type[GCSStore] | type[S3Store]]
        kinds = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
        return self._asked(
            lambda: kinds[self.address.scheme](
                self.address.bucket,
                prefix=self.address.folder or None,
                client_options=client,
                retry_config=retry,
            )
        )

    def entries(self) -> dict[str, Entry]:
        """All objects below the address, path → what the list says of it; empty if there is none.

        Objects that stand for a folder, as some programs write them, are left out.

        Raises:
            CcfError: the bucket is not there, the keys are refused, or the store cannot be reached.
        """
        store = self._store  # first: it says which library is missing
        import obstore

        listed = self._asked(lambda: [each for page in obstore.list(store) for each in page])
        found = {each["path"]: Entry.of(each) for each in listed}
        folders = {path.rpartition("/")[0] for path in found if "/" in path}
        return {path: entry for path, entry in found.items() if path and (entry.size or path not in folders)}

    def entry(self, path: str) -> Entry:
        """What there is to know of one object.

        Raises:
            FileNotFoundError: there is none.
            CcfError: as `entries`.
        """
        store = self._store
        import obstore

        return Entry.of(self._asked(lambda: obstore.head(store, path), path))

    def is_empty(self) -> bool:
        """Whether there is no object below the address.

        Raises:
            CcfError: as `entries`.
        """
        store = self._store
        import obstore

        return not self._asked(lambda: next(iter(obstore.list(store, chunk_size=1)), []))

    def read(self, path: str, version: str, start: int, end: int) -> bytes:
        """Bytes ``start`` to ``end`` of an object, or as many as it has.

        Raises:
            FileNotFoundError: it is gone.
            ReplacedError: it is no longer of this version.
            CcfError: the keys are refused, or the store cannot be reached.
        """
        import obstore

        options: GetOptions = {"range": (start, end)}
        if version.startswith('"'):  # an ETag, and no weak one, with which nothing can be compared
            options["if_match"] = version
        return self._asked(lambda: bytes(obstore.get(self._store, path, options=options).bytes()), path)

    def bring(
        self, path: str, entry: Entry, into: Path, arrived: Callable[[int], object] = lambda _: None
    ) -> None:
        """Write an object into a file on this host.

        Args:
            path: of the object.
            entry: as it was listed.
            into: the file.
            arrived: receives the number of bytes of each part.

        Raises:
            FileNotFoundError: the object is gone.
            ReplacedError: it is no longer the one that was listed.
            CcfError: the keys are refused, or the store cannot be reached.
        """
        with into.open("wb") as file:
            for start in range(0, entry.size, RANGE_BYTES):
                part = self.read(path, entry.version, start, min(start + RANGE_BYTES, entry.size))
                file.write(part)
                arrived(len(part))

    def opened(self, path: str, entry: Entry, failed: Callable[[Exception], object]) -> BinaryIO:
        """An object as a file that is opened: only the parts that are asked for are read.

        Args:
            path: of the object.
            entry: as it was listed.
            failed: receives the error of a part that cannot be read, which is raised as well; a library that
                reads the file may hide it.
        """

        def part(start: int, end: int) -> bytes:
            try:
                return self.read(path, entry.version, start, end)
            except (CcfError, OSError) as error:
                failed(error)
                raise

        return io.BufferedReader(_Parts(part, entry.size), _BLOCK_BYTES)

    def _asked(self, ask: Callable[[], _T], path: str = "") -> _T:
        """What the library answers; what it raises becomes a sentence, without its own text."""
        where = f"{self.address}/{path}" if path else str(self.address)
        raised: Exception
        try:
            return ask()
        except FileNotFoundError as error:
            raised = FileNotFoundError(errno.ENOENT, "there is no such object", where)
            if "NoSuchBucket" in str(error) or "ContainerNotFound" in str(error):
                raised = self._no_bucket()
        except Exception as error:  # the library has no class for most of what can go wrong
            raised = self._sentence(error, where)
        # Outside the handlers: the library's own error is then no part of what a log prints.
        raise raised

    def _no_bucket(self) -> StoreError:
        return StoreError(
            f"There is no bucket {self.address.bucket} for {self.address}; correct the address, or "
            f"the address of the store in {_ENDPOINTS[self.address.scheme]}."
        )

    def _sentence(self, error: Exception, where: str) -> CcfError:
        """The sentence for an error of the library, told by its class and what its text quotes."""
        said, kind = str(error), type(error).__name__
        status, code, trouble = (
            found[1] if (found := pattern.search(said)) else "" for pattern in (_STATUS, _CODE, _KIND)
        )
        prefix, keys = _SETTINGS[self.address.scheme], _KEYS[self.address.scheme]
        endpoint = _ENDPOINTS[self.address.scheme]
        answer = f"HTTP status {status}{f' ({code})' if code else ''}"
        refused = kind in {"PermissionDeniedError", "UnauthenticatedError"} or status in {"401", "403"}
        if kind == "PreconditionError":
            return ReplacedError(f"{where} was replaced while it was read.")
        if kind == "InvalidPathError":
            what = (
                f"{where} holds an object whose name is no path: a part of it is empty, is .., or has "
                "characters that are no text. Rename it, or name another folder."
            )
        elif _ASKED_FOR_KEYS.search(said):
            what = f"There are no keys for {where}: set {keys}, or run where the instance has a role."
        elif refused:
            what = f"The store refuses access to {where}{f' ({code})' if code else ''}; check {keys}."
        elif status == "404":
            return self._no_bucket()
        elif "BadScheme" in said:
            what = (
                f"{where} cannot be read: {endpoint} is no https address; for one with http set "
                f"{prefix}_ALLOW_HTTP=true as well."
            )
        elif status and status not in _BUSY and not status.startswith("5"):
            what = (
                f"{where} cannot be read: the store answered with {answer}; check the address, {endpoint} "
                "and the region."
            )
        elif not (status or trouble):  # nothing was asked of the store
            what = f"{where} cannot be read with the keys that are set; check {keys}."
        else:
            silent = {"Timeout": "it did not answer in time", "Connect": "no connection could be made"}
            reason = silent.get(trouble, f"it answered with {answer}" if status else "the request failed")
            return PassingError(
                f"The object store of {where} cannot be reached: {reason}. Check the network and {endpoint}, "
                "and try again."
            )
        return StoreError(what)


def copies(address: Address, into: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Copies of the objects in a folder, not below it, by name; those that have not changed are kept.

    Args:
        address: the folder.
        into: where they are kept on this host, each version below a name of its own.
        suffixes: how the names of the wanted objects end, in lower case.

    Raises:
        CcfError: the store cannot be read.
        OSError: a copy cannot be written.
    """
    objects = Objects(address)
    found = []
    for path, entry in sorted(objects.entries().items()):
        if "/" in path or not path.lower().endswith(suffixes):
            continue
        version = hashlib.sha256(f"{address}/{path}\n{entry.version}".encode()).hexdigest()[:16]
        copy = into / version / path
        if not copy.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(copy) as aside:
                objects.bring(path, entry, aside)
        found.append(copy)
    return found
