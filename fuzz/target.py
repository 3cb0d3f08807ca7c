"""What a target is, and the judgement of one input: a result, or a CcfError with a sentence, in bounds.

No fuzzer is needed here, so a test, or a person with a finding in hand, judges an input in the same way.
"""

from __future__ import annotations

import resource
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ccf_assets.errors import CcfError

LONGEST_SENTENCE = 5_000
"""Characters."""

MOST_CPU_S = 5.0
"""Of an input of some kilobytes. Processor time, for the machine may have other things to do."""

MOST_MB = 400
"""By which the process may grow in one input."""


TOML_WORDS = (
    "[[",
    "]]",
    '"""',
    "'''",
    "\\u0000",
    "\\",
    " = ",
    "{",
    "}",
    "[",
    "]",
    "true",
    "1979-05-27",
    "0x",
    ".",
    "#",
)

HOSTILE_TOML = (
    "a = " + 2_000 * "[",
    "a = " + 1_500 * "{a=",
    "a = " + 5_000 * "1",
    "a = 1" + 400 * "0",
    f"[{3_000 * 'a.'}a]",
    3_000 * "a." + "a = 1",
    f"[{9_000 * 'a'}]",
    f'"{9_000 * "a"}" = "{5_000 * "b"}"',
    f"a = '{9_000 * 'b'}'",
    f"a = {300 * '['}{300 * ']'}",
)
"""Deep, long and large: seeds, for mutations hardly come to it."""


@dataclass(frozen=True)
class Target:
    """Something that reads files.

    Attributes:
        read: reads the bytes, put into a file of the folder, and whatever is built on what it read.
        seeds: files to start from, good ones and others that are known to be refused.
        words: what mutations may put in.
        longest: bytes of an input.
    """

    read: Callable[[bytes, Path], object]
    seeds: Callable[[], Sequence[bytes]]
    words: Sequence[str]
    longest: int = 1 << 15


@dataclass(frozen=True)
class Fault:
    """What should not have happened.

    Attributes:
        place: tells it from others: the kind of error and the line it came from.
        text: for people.
    """

    place: str
    text: str


def judge(target: Target, data: bytes, folder: Path) -> Fault | None:
    """Read one input; None if all is well."""
    mb, cpu = _peak_mb(), time.process_time()
    try:
        target.read(data, folder)
    except CcfError as error:
        fault = _of_sentence(str(error), error)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        fault = Fault(_place(error), traceback.format_exc())
    else:
        fault = None
    if fault is None and (took := time.process_time() - cpu) > MOST_CPU_S:
        return Fault("slow", f"It took {took:.1f} s of processor time.")
    if fault is None and (grown := _peak_mb() - mb) > MOST_MB:
        return Fault("memory", f"The process grew by {grown:,.0f} MB.")
    return fault


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)


def _of_sentence(text: str, error: CcfError) -> Fault | None:
    """What is wrong with a sentence: it must be one, and one that every log, table and terminal can hold."""
    if not text.endswith((".", "?", ".)", '"')):
        wrong = "no sentence"
    elif len(text) > LONGEST_SENTENCE:
        wrong = "a sentence too long"
    elif "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        wrong = "a sentence with a NUL or half a character"
    else:
        return None
    return Fault(f"{wrong} {_place(error)}", f"{wrong}: {text[:2000]!r} … {len(text)} characters")


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f"{Path(f.filename).name}:{f.lineno}" for f in frames if "ccf_assets" in f.filename]
    last = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
    deep = isinstance(error, RecursionError)  # which ends at another line each time
    return " ".join((type(error).__name__, ours[0 if deep else -1], *(() if deep else (last,))))
