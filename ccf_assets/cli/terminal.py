"""Output on terminals and in files: of whatever encoding (what it cannot show has a stand-in) and width.

Not here: what is printed (options, and the commands).
"""

from __future__ import annotations

import codecs
import io
import shutil
import sys
import textwrap
import unicodedata
from typing import TextIO

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


def width() -> int:
    """Columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size().columns


def broken(text: str, stream: TextIO, hanging: int = 0) -> str:
    """A text whose lines end between words where ``stream`` is a terminal; as it is where it is none.

    A word that is longer than the terminal is wide, such as a path, stays whole.

    Args:
        text: lines; those that begin with blanks are broken to the same depth.
        stream: where it goes.
        hanging: blanks more at the beginning of a line that continues another.
    """
    if not stream.isatty():
        return text
    lines = []
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(" "))
        lines += textwrap.wrap(
            line, width(), subsequent_indent=" " * (depth + hanging), break_long_words=False,
            break_on_hyphens=False, drop_whitespace=True,
        ) or [""]  # fmt: skip
    return "\n".join(lines)


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(character: str) -> str:
    """ASCII in place of a character: its own letters without marks, or a question mark."""
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode("ascii")
    return _STAND_INS.get(character) or plain or "?"
