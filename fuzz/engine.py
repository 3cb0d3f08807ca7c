"""One run of libFuzzer: ``python -m fuzz.engine TARGET SECONDS FOLDER``; it ends with a crash or the time.

A fault is written down and fuzzing goes on; only what ends the process, or hangs, needs a new run.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # inputs are tiny

import atheris

with atheris.instrument_imports(include=["ccf_assets", "nrrd", "tomllib", "tomli"]):
    from fuzz.target import judge
    from fuzz.targets import target_of

    TARGET = target_of(sys.argv[1])

HANGS_S = 300
"""Of real time: a machine that is busy with other things must not make a hang."""

MOST_MB = 4_096


def main() -> None:
    """Fuzz one target."""
    name, seconds, place = sys.argv[1:]
    folder = Path(place)
    corpus, findings, words = folder / "corpus", folder / "findings", folder / "words"
    for each in (corpus, findings):
        each.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGET.seeds()):
        (corpus / f"seed_{number:02}").write_bytes(seed)
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in TARGET.words))
    with TemporaryDirectory(prefix="fuzz_", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as scratch:
        atheris.Setup(
            [
                name,
                str(corpus),
                f"-dict={words}",
                f"-artifact_prefix={findings}/",
                f"-max_len={TARGET.longest}",
                f"-max_total_time={seconds}",
                f"-timeout={HANGS_S}",
                f"-report_slow_units={HANGS_S}",
                f"-rss_limit_mb={MOST_MB}",
                f"-malloc_limit_mb={1 << 30}",  # asked for and refused is no harm
                "-print_final_stats=1",
            ],
            lambda data: _look(data, Path(scratch), findings),
        )
        atheris.Fuzz()


def _look(data: bytes, scratch: Path, findings: Path) -> None:
    fault = judge(TARGET, data, scratch)
    if fault is None:
        return
    name = hashlib.sha256(fault.place.encode()).hexdigest()[:12]
    if not (findings / name).exists():
        (findings / name).write_bytes(data)
        (findings / f"{name}.txt").write_text(f"{fault.place}\n\n{fault.text}\n", "utf-8", "backslashreplace")
        print(f"FAULT {fault.place}", file=sys.stderr, flush=True)


def _escaped(word: str) -> str:
    return "".join(chr(b) if chr(b).isalnum() and b < 128 else f"\\x{b:02X}" for b in word.encode())


if __name__ == "__main__":
    main()
