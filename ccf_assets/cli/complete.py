"""What the shell completes: acronyms from the cached ontology, keys of atlases, names of frames.

Not a database is asked, and nothing is ever printed: where something is missing there is no suggestion.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable

from ccf_assets import settings


def regions(incomplete: str) -> list[tuple[str, str]]:
    """The acronyms that begin with a text, each with the name of its region."""
    try:
        files = list((settings.home() / "downloads" / "ontology").glob("*/structure_graph.csv"))
        newest = max(files, key=lambda file: file.stat().st_mtime)
        with newest.open(encoding="utf-8", newline="") as lines:
            return _beginning(
                incomplete, ((row["acronym"], row["safe_name"]) for row in csv.DictReader(lines))
            )
    except Exception:
        return []


def atlases(incomplete: str) -> list[tuple[str, str]]:
    """The keys of the catalogue that begin with a text."""
    from ccf_assets.ccf.catalogue import catalogue

    entries = catalogue().entries.values()
    return _beginning(incomplete, ((entry.key, entry.description) for entry in entries))


def frames(incomplete: str) -> list[tuple[str, str]]:
    """The coordinate frames whose names begin with a text, a lab's own included."""
    try:
        from ccf_assets.ccf.frames import files

        known = files.load_frames(*settings.frames_files())
    except Exception:
        return []
    return _beginning(incomplete, ((each.name, each.description) for each in known.values()))


def _beginning(incomplete: str, known: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [each for each in known if each[0].startswith(incomplete)]
