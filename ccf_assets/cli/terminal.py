"""Output on terminals and in files of whatever encoding: what it cannot show has a stand-in.

Not here: what is printed (options, and the commands).
"""

from __future__ import annotations

import codecs
import io
import sys
import unicodedata

_STAND_INS = {"→": "->", "µ": "u", "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "×": "x"}


def show_anything() -> None:
    """Let standard output and error show a stand-in for what their encoding lacks, instead of failing."""
    codecs.register_error("stand_in", _stand_in)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="stand_in")


def is_unicode() -> bool:
    """Whether standard output can show every character."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(character: str) -> str:
    """ASCII in place of a character: its own letters without marks, or a question mark."""
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode("ascii")
    return _STAND_INS.get(character) or plain or "?"
