"""A JSON file within limits: UTF-8, not too many values, each name once; its numbers; and what kind it is.

Which kinds hold sites is in the modules of the formats.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ccf_assets.errors import CcfError
from ccf_assets.recordings.formats.limited import read_limited

LARGEST_JSON = 100_000_000
"""Bytes: a neuron of 100,000 nodes has some 15 MB, a cloud of a million points 60 MB."""

_MOST_VALUES = 10_000_000
"""An empty list takes 3 bytes of a file and 80 in memory."""

_HALF_CHARACTER = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)
"""An escape that is half of a character: JSON may have it, no encoding of text can hold it."""

JsonKind: TypeAlias = Literal["", "meshview", "mouselight", "probeinterface", "alignment"]


def read_json(path: Path, largest: int = LARGEST_JSON) -> Any:  # noqa: ANN401
    """The value of a JSON file.

    Raises:
        CcfError: as `json_text` and `parsed`.
    """
    return parsed(path, json_text(path, largest))


def json_text(path: Path, largest: int = LARGEST_JSON) -> str:
    """The text of a JSON file, without a byte order mark.

    Args:
        path: the file.
        largest: most bytes that it may have.

    Raises:
        CcfError: it cannot be read, is too large, or is not in UTF-8.
    """
    raw = read_limited(path, largest)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CcfError(
            f"{path}: byte {error.start:,} (0x{raw[error.start]:02X}) is not UTF-8; "
            "save the file as JSON in UTF-8."
        ) from None


def parsed(path: Path, text: str) -> Any:  # noqa: ANN401
    """The value of a JSON text. ``NaN`` and ``Infinity``, which Python writes, are numbers.

    Args:
        path: the file, for sentences.
        text: its content.

    Raises:
        CcfError: it is no JSON, too deep, or has too many values, a name twice in an object, or half a
            character.
    """
    if text.count(",") + text.count("[") + text.count("{") > _MOST_VALUES:
        raise CcfError(f"{path} has more than {_MOST_VALUES:,} values; divide it into several files.")
    if _HALF_CHARACTER.search(text):
        raise CcfError(
            f"{path} has an escape (\\ud800 to \\udfff) that is half of a character; write it again."
        )
    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise CcfError(f"{path} is nested too deeply for any known format of sites.") from None
    except ValueError as error:  # not only JSONDecodeError: a number of 5,000 digits, too
        raise CcfError(f"{path} is not readable as JSON ({error!s:.200}); write it again.") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"the name {twice!r:.60} is twice in one object")
    return found


def number(value: object, where: str) -> float | None:
    """A number of a JSON file as a float; None for ``null`` and ``NaN``.

    Args:
        value: what the file has.
        where: file, place and name, for the sentence.

    Raises:
        CcfError: it is something else.
    """
    if value is None:
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return None if math.isnan(value) else float(value)
    except OverflowError:
        pass
    raise CcfError(f"{where} is {value!r:.60}, not a number.")


def whole_number(value: object, where: str) -> int | None:
    """A whole number of 64 bits; None for ``null``.

    Raises:
        CcfError: it is something else.
    """
    given = number(value, where)
    if given is None:
        return None
    if not given.is_integer() or abs(given) >= 2**63:
        raise CcfError(f"{where} is {value!r:.60}, not a whole number of 64 bits.")
    return int(value) if isinstance(value, int) else int(given)


def point(values: object, where: str) -> tuple[float | None, float | None, float | None]:
    """Three coordinates; None for one that is not known.

    Args:
        values: a list of three numbers.
        where: file and place, for the sentence.

    Raises:
        CcfError: it is something else.
    """
    if not isinstance(values, list) or len(values) != 3:  # noqa: PLR2004
        raise CcfError(f"{where} is {values!r:.60}, not a point of three numbers.")
    x, y, z = (number(value, where) for value in values)
    return x, y, z


def json_kind(head: bytes) -> JsonKind:
    """What a JSON file is, by the names in its beginning; empty for any other.

    Args:
        head: its first bytes, as `Listing.look` gives them.
    """
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[") and _has(head, "triplets"):
        return "meshview"
    if _has(head, "idString") and (_has(head, "neurons") or _has(head, "neuron")):
        return "mouselight"
    if _has(head, "specification") and b'"probeinterface"' in head:
        return "probeinterface"
    if _has(head, "anchoring") or (_has(head, "slices") and _has(head, "target")):
        return "alignment"
    return ""


def _has(head: bytes, name: str) -> bool:
    return re.search(rb'"%s"\s*:' % name.encode(), head) is not None
