"""Where the atlas's files come from, and the cache that keeps them.

A source is the Allen Institute, a mirror of it, a local folder, or the phantom that is computed here; a lab's
own atlas comes from the file that its entry names. This
module has addresses, downloads, checksums, and the rules for using a cached file again. Whether the content
of a file is valid is checked in ccf and db.

The cache (``CCF_HOME/downloads``) holds annotation volumes under their catalogue path, shared by all sources
because the catalogue has their checksum, and one ontology per source, because it has no fixed checksum.
Beside each file its origin is recorded: its address and its checksum. A file counts as cached as long as it
has that checksum, so a file that was damaged, or half replaced by a killed process, is fetched again.
"""

from __future__ import annotations

import hashlib
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ccf_assets import settings
from ccf_assets.ccf.catalogue import ALLEN, AtlasEntry
from ccf_assets.ccf.phantom import ontology as phantom_ontology
from ccf_assets.ccf.phantom import shape as phantom_shape
from ccf_assets.ccf.phantom import volume as phantom_volume
from ccf_assets.errors import CcfError
from ccf_assets.files import sha256_of, sha256_of_all, without_secrets
from ccf_assets.objects import Address, address_of, is_address
from ccf_assets.sources import object_store
from ccf_assets.sources.addresses import ALLEN_ARCHIVE_URL, ALLEN_ONTOLOGY_URL, ONTOLOGY_PATH
from ccf_assets.sources.annotation import (
    Annotation,
    checked,
    difference,
    fetched_file,
    refuse_page,
    warning_of,
)
from ccf_assets.sources.cache import FetchedFile, cached_file, exclusive, kept_record, sweep_candidates
from ccf_assets.sources.http import BACKOFF_S, TIMEOUT_S, Report, download

OWN_ONTOLOGY = "structure_graph.csv"
"""Name, in `Sources.own_folder`, of the ontology of an atlas that has its own."""


def silent(_line: str) -> None:
    """The report of a caller that wants none."""


@dataclass(frozen=True)
class Sources:
    """The configured source and its cache.

    Attributes:
        source: ``allen``, ``phantom``, a base at http(s) or in an object store, or a folder.
            It may hold a password: never print it.
        cache: folder of the cached files.
        backoff_s: pauses between download attempts, in seconds; one attempt more than there are pauses.
        timeout_s: seconds to connect, and seconds without data.
    """

    source: str = field(repr=False)
    cache: Path
    backoff_s: tuple[float, ...] = BACKOFF_S
    timeout_s: tuple[float, float] = TIMEOUT_S

    @classmethod
    def from_settings(cls) -> Sources:
        """The source and cache that the environment names."""
        return cls(source=settings.source(), cache=settings.home() / "downloads")

    @property
    def is_phantom(self) -> bool:
        """True when everything comes from the analytic stand-in."""
        return self.source == settings.PHANTOM

    @property
    def is_allen(self) -> bool:
        """True when files come from the Allen Institute itself."""
        return self.source == settings.ALLEN

    @property
    def is_remote(self) -> bool:
        """True when files travel over the network."""
        return self.is_allen or "://" in self.source

    @cached_property
    def label(self) -> str:
        """The source in words, without user, password or query."""
        if self.is_phantom:
            return "the phantom"
        if self.is_allen:
            return "the Allen Institute"
        if is_address(self.source):
            return str(self._address)
        return without_secrets(self._base) if self.is_remote else str(self._folder)

    def structure_graph(self, *, refresh: bool = False, report: Report = silent) -> FetchedFile:
        """The ontology as a candidate, to be validated by the caller and then accepted.

        A copy accepted earlier is returned as it is: from a remote source unless ``refresh`` is set, from a
        folder or the phantom as long as their content is unchanged. A new file is kept aside until
        ``accept_structure_graph``, so that a bad release does not replace the accepted one.

        Args:
            refresh: ask a remote source again.
            report: receives a line if something takes time or is unusual.

        Raises:
            SourceUnreachableError: the source does not answer.
            CcfError: the source answers with something else, or the folder has no such file.
        """
        target = self._graph
        with exclusive(target, report) as partial:
            sweep_candidates(target.parent)
            accepted = cached_file(target, report)
            if accepted and self.is_remote and not refresh:
                return accepted
            if self.is_phantom:
                partial.write_bytes(phantom_ontology.structure_graph_csv())
                shown = "phantom:structure_graph"
            else:
                shown = self._fetch(ONTOLOGY_PATH, partial, report, kept=accepted is not None)
                refuse_page(partial, shown)
            fresh = fetched_file(partial, shown)
            if accepted and accepted.sha256 == fresh.sha256 and not self.is_remote:
                return accepted
            candidate = target.with_name(f"candidate-{uuid.uuid4().hex}.csv")
            partial.replace(candidate)
            return replace(fresh, path=candidate)

    def accept_structure_graph(self, candidate: FetchedFile) -> FetchedFile:
        """Put a validated candidate in the place of the accepted ontology, in one step.

        Args:
            candidate: what ``structure_graph`` returned; an accepted copy is left as it is.

        Returns:
            The same file under its lasting path.
        """
        if candidate.path == self._graph:
            return candidate
        with exclusive(self._graph, silent):
            return kept_record(candidate, self._graph)

    def accepted_ontology(self, entry: AtlasEntry | None) -> FetchedFile | None:
        """The ontology that this host has accepted; None if it has accepted none.

        Args:
            entry: the atlas, with this source's ontology, its own, or the phantom's; None for the source.

        Raises:
            CcfError: the source is the phantom, which has no ontology of a real atlas.
        """
        if entry is not None and entry.is_phantom:
            # Computed here and tested with the code: it needs no other validation.
            own = replace(self, source=settings.PHANTOM)
            return own.accept_structure_graph(own.structure_graph())
        if entry is not None and entry.ontology == ALLEN:
            self._refuse_real_from_phantom(entry)
        target = self._graph_of(entry)
        with exclusive(target, silent):
            return cached_file(target, silent)

    def ontology(self, entry: AtlasEntry) -> FetchedFile:
        """As `accepted_ontology`, where there must be one.

        Raises:
            CcfError: none has been accepted yet, or the source is the phantom, which has no other.
        """
        accepted = self.accepted_ontology(entry)
        if accepted is None and entry.ontology != ALLEN:
            raise CcfError(
                f"The ontology of {entry.key} has not been read yet; materialise annotation first."
            )
        if accepted is None:
            raise CcfError(
                f"There is no ontology of {self.label} for {entry.key} in {self.cache} yet, and no host has "
                "accepted one; materialise structure_graph first."
            )
        return accepted

    def ontology_name(self, entry: AtlasEntry | None) -> str:
        """What identifies an ontology (`accepted_ontology`) on every host: its place in a cache."""
        return self._graph_of(entry).parent.relative_to(self.cache).as_posix()

    def take_ontology(self, content: bytes, url: str, entry: AtlasEntry | None) -> FetchedFile:
        """Put an ontology that another host has accepted into the cache.

        Args:
            content: of the file.
            url: where it came from, as `FetchedFile.url`.
            entry: as for `accepted_ontology`.
        """
        target = self._graph_of(entry)
        with exclusive(target, silent) as partial:
            partial.write_bytes(content)
            return kept_record(fetched_file(partial, url), target)

    @contextmanager
    def new_annotation(
        self, entry: AtlasEntry, *, refresh: bool = False, report: Report = silent
    ) -> Iterator[Annotation]:
        """The annotation volume of an atlas, from the cache or fetched, to be checked by the caller.

        A fetched file is put into the cache when the block ends; after an error in the block, the cached file
        is unchanged. A volume in another form than the official ones is made into that form, with its own
        ontology.

        Args:
            entry: the atlas.
            refresh: fetch it again even if the cached file is whole.
            report: receives a line when something takes time or is odd.

        Raises:
            SourceUnreachableError: the source does not answer.
            CcfError: the source has no such file, or one that is not the catalogue's.
        """
        if not entry.own or entry.ontology == ALLEN:
            self._refuse_real_from_phantom(entry)
        if not entry.is_canonical:
            from ccf_assets.sources.own_files import converted

            with converted(self, entry, refresh=refresh, report=report) as made:
                yield made
            return
        target = self.cache / entry.annotation
        with exclusive(target, report) as partial:
            cached = cached_file(target, report)
            if cached and not self._still_wanted(cached, entry):
                report(f"{target} is not the file that {entry.key} now asks for; fetching it again.")
                cached = None
            if cached and not refresh:
                yield Annotation.official(replace(cached, warning=warning_of(cached, entry)), entry)
                return
            if entry.is_phantom:
                phantom_volume.write_annotation(partial, int(entry.resolution_um or 0), report)
                shown = _phantom_url(entry)
            else:
                shown = self._fetch(entry.annotation, partial, report, kept=cached is not None)
            fetched = checked(fetched_file(partial, shown), entry)
            yield Annotation.official(fetched, entry)
            kept_record(fetched, target)

    def annotation(self, entry: AtlasEntry, *, refresh: bool = False, report: Report = silent) -> Annotation:
        """The annotation volume of an atlas in the cache, as `new_annotation` gives it, without checks.

        One that was made of another form is not compared with its original again.
        """
        if entry.is_canonical:
            with self.new_annotation(entry, refresh=refresh, report=report) as file:
                pass
            return replace(file, path=self.cache / entry.annotation)
        from ccf_assets.sources.own_files import made

        there = None if refresh else made(self, entry, report)
        if there is None:
            with self.new_annotation(entry, refresh=refresh, report=report):
                pass
            there = made(self, entry, report)
        if there is None:
            raise CcfError(f"The volume of {entry.key} is gone from the cache again; load it again.")
        return there

    def local_copy(
        self, entry: AtlasEntry, place: str, folder: Path, what: str, refresh: bool, report: Report
    ) -> FetchedFile:
        """A file or folder that an entry names, on this machine; fetched if it is at an address.

        Args:
            entry: the atlas.
            place: the path or address.
            folder: of the cache, for what is fetched.
            what: its key in the entry.
            refresh: fetch it again.
            report: receives a line when something takes time or is odd.

        Raises:
            CcfError: it does not exist, or cannot be fetched.
        """
        remote = "://" in place
        if not remote and (entry.own or not self.is_remote):
            path = Path(place) if entry.own else self._file_in_folder(place)
            if not path.exists():
                raise CcfError(
                    f"{entry.key}: {path} does not exist on {socket.gethostname()}; mount it there, or "
                    f"correct its {what} in the catalogue."
                )
            return FetchedFile(path, path.as_uri(), sha256_of_all(path), 0, fetched=False)
        name = Path(urlsplit(place).path).name
        target = folder / f"original-{what}-{name}"
        with exclusive(target, report) as partial:
            cached = cached_file(target, report)
            address = hashlib.sha256(place.encode()).hexdigest()  # the whole of it may hold a secret
            if cached and not refresh and cached.more.get("address", address) == address:
                return cached
            if remote:
                shown = without_secrets(place)
                try:
                    download(
                        place, partial, shown, report,
                        backoff_s=self.backoff_s, timeout_s=self.timeout_s, kept=cached is not None,
                    )  # fmt: skip
                except CcfError as error:
                    advice = f"or correct its {what} in the catalogue of atlases"
                    raise type(error)(f"{entry.key}: {str(error).rstrip('.')}, {advice}.") from None
            else:
                shown = self._fetch(place, partial, report, kept=cached is not None)
            refuse_page(partial, shown)
            return kept_record(replace(fetched_file(partial, shown), more={"address": address}), target)

    def own_folder(self, entry: AtlasEntry) -> Path:
        """Where a volume that is made into the official form is kept, with what belongs to it."""
        return self.cache / "converted" / entry.key

    def _graph_of(self, entry: AtlasEntry | None) -> Path:
        """Where the accepted ontology of an atlas lies."""
        own = entry is not None and entry.ontology != ALLEN
        return self.own_folder(entry) / OWN_ONTOLOGY if entry and own else self._graph

    @property
    def _graph(self) -> Path:
        """Where the accepted ontology of this source lies."""
        if self.is_allen or self.is_phantom:
            folder = self.source
        else:
            name = urlsplit(self.label).hostname if self.is_remote else self._folder.name
            folder = f"{name}-{hashlib.sha256(self.label.encode()).hexdigest()[:8]}"
        return self.cache / "ontology" / folder / "structure_graph.csv"

    @cached_property
    def _address(self) -> Address:
        """The base of a mirror in an object store, known to be valid."""
        return address_of(self.source, "CCF_SOURCE")

    @cached_property
    def _base(self) -> str:
        """The base address of a mirror, known to be valid."""
        try:
            parts = urlsplit(self.source)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            # Without the value: if it cannot be parsed, a password in it cannot be hidden.
            raise CcfError(
                "CCF_SOURCE is not a usable address; "
                "set it to allen, phantom, http(s)://server/path, s3://bucket/path or an existing folder."
            )
        return self.source

    @cached_property
    def _folder(self) -> Path:
        """The folder of a local source, known to exist."""
        folder = Path(self.source).expanduser().resolve()
        if not folder.is_dir():
            raise CcfError(
                f"CCF_SOURCE names {folder}, which is not a folder on {socket.gethostname()}; mount it "
                "there, or set it to allen, phantom, http(s)://server/path, s3://bucket/path or an existing "
                "folder."
            )
        return folder

    def _file_in_folder(self, path: str) -> Path:
        file = self._folder / path
        if not file.is_file():
            raise CcfError(
                f"{file} does not exist; "
                f"put it there, or point CCF_SOURCE at a folder or server that has {path}."
            )
        return file

    def _refuse_real_from_phantom(self, entry: AtlasEntry) -> None:
        if self.is_phantom and not entry.is_phantom:
            instead = "" if entry.own else f", or load phantom_{entry.resolution_um or 25:g}um"
            raise CcfError(
                f"{entry.key} needs files of the Allen Institute and CCF_SOURCE is phantom, which has none; "
                f"unset CCF_SOURCE{instead}."
            )

    def _still_wanted(self, cached: FetchedFile, entry: AtlasEntry) -> bool:
        """Whether a whole cached file is the one that would be fetched now."""
        if entry.is_phantom:
            return cached.url == _phantom_url(entry)
        if entry.checksum_from == "file" and entry.sha256:
            return difference(cached, entry) is None
        # Nothing binding is pinned. A remote file is not asked for twice; a folder is cheap to compare with.
        if self.is_remote:
            return True
        original = self._folder / entry.annotation
        return not original.is_file() or sha256_of(original) == cached.sha256

    def _fetch(self, path: str, into: Path, report: Report, *, kept: bool) -> str:
        """Bring the file at ``path`` below the source's base to ``into``; returns the address to show."""
        if self.is_allen:
            # The ontology is the answer to a query; its query part is no secret.
            url = ALLEN_ONTOLOGY_URL if path == ONTOLOGY_PATH else _joined(ALLEN_ARCHIVE_URL, path)
            shown = url
        elif is_address(self.source):
            return object_store.bring(self._address, path, into, report, kept=kept)
        elif self.is_remote:
            url = _joined(self._base, path)
            shown = without_secrets(url)
        else:
            original = self._file_in_folder(path)
            shutil.copyfile(original, into)
            return original.as_uri()
        download(url, into, shown, report, backoff_s=self.backoff_s, timeout_s=self.timeout_s, kept=kept)
        return shown


def _joined(base: str, path: str) -> str:
    """The address of ``path`` below ``base``, with base's query (a token, say) kept."""
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{path}"))


def _phantom_url(entry: AtlasEntry) -> str:
    """The phantom's address names the code it was computed by, so that changed code is computed anew."""
    code = hashlib.sha256(phantom_ontology.structure_graph_csv())
    for file in sorted(Path(phantom_shape.__file__).parent.iterdir()):
        if file.is_file():
            code.update(file.read_bytes())
    return f"phantom:{entry.resolution_um:g}um?code={code.hexdigest()[:12]}"
