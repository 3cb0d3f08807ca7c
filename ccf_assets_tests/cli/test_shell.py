"""What people see in a terminal of 80 columns, and what the shell offers: nothing is cut or too wide."""

from __future__ import annotations

import fcntl
import itertools
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
import typer

import ccf_assets
from ccf_assets.cli import complete, main
from ccf_assets.cli.commands import help_of
from ccf_assets.cli.tables import Column, show_aligned
from ccf_assets.cli.watch import Watch
from ccf_assets.progress import Note
from ccf_assets_tests.support.program import COMMAND, ROOT

WIDTH = 80

COMMANDS = sorted(typer.main.get_command(main.app).commands)  # type: ignore[attr-defined]


def on_terminal(*arguments: str, columns: int = WIDTH) -> list[str]:
    """The lines that a command shows on a terminal, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    settings = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env={**settings, "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    try:
        while read := os.read(ours, 65536):
            shown += read
    except OSError:  # on Linux the end of a terminal is an error
        pass
    os.close(ours)
    assert command.wait(60) == 0, shown.decode()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    return [line.rpartition("\r")[2].rstrip() for line in plain.replace("\r\n", "\n").splitlines()]


def too_long(lines: Sequence[str]) -> list[str]:
    """The lines that a terminal would break, other than one long word such as a path."""
    return [line for line in lines if len(line) > WIDTH and " " in line.strip()]


# ---- tables


@pytest.mark.parametrize(
    ("question", "keys"),
    [
        (("status",), ["phantom_50um", "phantom_100um"]),
        (("catalogue",), ["ccf_2017_100um", "phantom_10um"]),
        (("frames",), ["brainglobe_mirrored", "trajectory_explorer"]),
        (("search", "visual"), ["VISp2/3", "VISp"]),
        (("search", "Caudoputomen"), ["CP"]),
        (("region", "grey"), ["grey", "CH"]),
        (("locate", "8900", "1300", "8200"), ["phantom_50um"]),
        (("track", "8900", "0", "8200", "8900", "3840", "8200"), ["VISp1", "outside the brain"]),
        (("compare", "phantom_50um", "phantom_100um"), ["phantom_50um", "phantom_100um"]),
        (("recordings",), ["a_probe_of_a_mouse_whose_name_is_long"]),
        (("sites", "root"), ["a_probe_of_a_mouse_whose_name_is_long", "2 sites, 1 recording"]),
    ],
)
def test_an_answer_fits_the_terminal_and_has_every_key_whole(
    phantom_database: sa.Engine, question: tuple[str, ...], keys: list[str]
) -> None:
    with phantom_database.begin() as connection:
        connection.exec_driver_sql("""
            INSERT INTO ccf.recording_site (recording_id, site_id, ap, dv, ml, frame, source)
            SELECT 'a_probe_of_a_mouse_whose_name_is_long', n, 6600, 3000, 4000, 'ccf',
                   'a_probe_of_a_mouse_whose_name_is_long'
            FROM generate_series(1, 2) AS n;
            INSERT INTO ccf.recording_region
            SELECT recording_id, site_id, ccf_id, 6600, 3000, 4000, 'left', 997, 'assigned', source, 0, 0
            FROM ccf.recording_site, ccf.atlas
        """)
    lines = on_terminal(*question)
    assert too_long(lines) == []
    for key in keys:
        assert any(key in line for line in lines), (key, lines)


def test_a_site_is_shown_by_its_name_where_it_has_one(phantom_database: sa.Engine) -> None:
    with phantom_database.begin() as connection:
        connection.exec_driver_sql("""
            INSERT INTO ccf.recording_site (recording_id, site_id, site_name, ap, dv, ml, frame)
            VALUES ('m', ccf.site_number('tip'), 'tip', 1, 2, 3, 'ccf'),
                   ('m', 9223372036854775807, NULL, 1, 2, 3, 'ccf');
            INSERT INTO ccf.recording_region
            SELECT recording_id, site_id, 903, 1, 2, 3, 'left', 997, 'assigned', source, 0, 0
            FROM ccf.recording_site
        """)
    lines = [line.split() for line in on_terminal("sites", "root")]
    assert ["recording", "site", "region", "hemisphere"] in lines
    assert lines[-2:] == [["m", "tip", "root", "left"], ["m", str(2**63 - 1), "root", "left"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_and_no_sentence_is_broken_early(command: str) -> None:
    lines = on_terminal(command, "--help")
    assert too_long(lines) == []
    prose = lines[: next(i for i, line in enumerate(lines) if "╭" in line)]
    for line, following in itertools.pairwise(prose):
        if line.strip() and following.strip() and not line.endswith(":") and "  ccf-assets" not in f" {line}":
            first = following.split()[0]
            assert len(line) + 1 + len(first) > WIDTH - 2, f"{line!r} has room for {first!r}"


def test_the_help_lists_what_one_asks_before_the_rest() -> None:
    shown = "\n".join(on_terminal("-h"))
    assert re.findall(r"╭─ (\w+) ", shown) == ["Options", "Ask", "Load", "Recordings", "Server"]
    for command in COMMANDS:
        assert re.search(rf"│ {command} ", shown)


def table(columns: Sequence[Column], rows: Sequence[Sequence[object]], width: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        show_aligned(columns, rows)


def test_of_a_table_what_can_be_spared_is_left_out_and_a_key_never_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    columns = (
        Column("key", "key"),
        Column("rows", "number", spare=1),
        Column("words", spare=2),
        Column("size", "number", shown=".1f"),
    )
    row = ("a_key_of_24_characters_x", 1_234_567, "some words that may be broken", 2.25)
    table(columns, [row], 80)
    wide = capsys.readouterr().out
    assert "1,234,567" in wide
    assert "some words that may be broken" in wide
    table(columns, [row], 45)
    assert capsys.readouterr().out.splitlines()[2].split() == [row[0], "1,234,567", "2.2"]
    table(columns, [row], 20)
    narrow = capsys.readouterr().out.splitlines()
    assert max(map(len, narrow)) <= 20
    assert "".join(line[:16].strip() for line in narrow[2:]).startswith("a_key_of")


def test_what_a_table_holds_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    table((Column("key", "key"),), [("\x1b[31mred\n",)], 80)
    assert "\x1b" not in capsys.readouterr().out


# ---- help and versions


def test_a_docstring_is_a_line_a_paragraph_and_a_line_an_example() -> None:
    docstring = """A sentence
    goes on.

    Examples: ccf-assets a; ccf-assets
    b
    """
    assert help_of(docstring) == "A sentence goes on.\n\nExamples:\n  ccf-assets a\n  ccf-assets b"


def test_the_version_is_printed_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCF_POSTGRES_URL", "nonsense")
    (line,) = on_terminal("--version")
    assert line.startswith(f"ccf-assets {ccf_assets.__version__} (tables of version ")


# ---- completion


def completed(*words: str) -> list[str]:
    """What bash would offer for the last word."""
    program = "import sys; sys.argv[0] = 'ccf-assets'; from ccf_assets.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "_CCF_ASSETS_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(["ccf-assets", *words]),
            "COMP_CWORD": str(len(words)),
        },
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


def ontology(home: Path) -> None:
    folder = home / "downloads" / "ontology" / "somewhere"
    folder.mkdir(parents=True)
    rows = "385,VISp,Primary visual area\n669,VIS,Visual areas\n382,CA1,Field CA1\n"
    (folder / "structure_graph.csv").write_text("id,acronym,safe_name\n" + rows, "utf-8")


def test_the_shell_completes_acronyms_keys_and_frames_without_a_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ontology(tmp_path)
    monkeypatch.setenv("CCF_HOME", str(tmp_path))
    monkeypatch.setenv("CCF_POSTGRES_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert completed("region", "VIS") == ["VISp", "VIS"]
    assert completed("region", "VISp", "--atlas", "ccf_2017_1") == ["ccf_2017_10um", "ccf_2017_100um"]
    assert completed("locate", "--frame", "ibl_") == ["ibl_um", "ibl_ccf"]
    assert completed("load", "phantom_5") == ["phantom_50um"]


def test_completion_is_silent_where_there_is_nothing_to_complete_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CCF_HOME", str(tmp_path / "none"))
    assert complete.regions("VIS") == []
    broken = tmp_path / "frames.toml"
    broken.write_text("[", "utf-8")
    monkeypatch.setenv("CCF_FRAMES", str(broken))
    assert complete.frames("ib") == []


# ---- progress


def test_without_a_terminal_a_task_gives_a_sign_of_life_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = time.monotonic()
    monkeypatch.setattr("ccf_assets.cli.watch.time.monotonic", lambda: now)
    with Watch() as watch:
        watch.begin("ccf_2017_25um")
        for second in range(0, 100, 2):
            now += 2
            watch.note(Note("ccf_2017_25um", "step", "voxel_run"))
            watch.note(Note("ccf_2017_25um", "progress", f"voxel_run: copied {second} of 100 rows"))
        watch.note(Note("ccf_2017_25um", "warning", "It is odd."))
        watch.end("ccf_2017_25um")
    assert capsys.readouterr().err.splitlines() == [
        "ccf_2017_25um: voxels",
        "ccf_2017_25um: voxels",
        "ccf_2017_25um: voxels",
        "ccf_2017_25um: warning: It is odd.",
    ]


def test_on_a_terminal_a_load_is_a_line_each_and_nothing_of_the_live_ones_stays(tmp_path: Path) -> None:
    script = (
        "import time\n"
        "from ccf_assets.cli.watch import Watch\n"
        "from ccf_assets.progress import Note\n"
        "with Watch() as watch:\n"
        "    watch.begin('ccf_2017_25um')\n"
        "    watch.note(Note('ccf_2017_25um', 'steps', '2'))\n"
        "    watch.note(Note('ccf_2017_25um', 'step', 'voxel_run'))\n"
        "    watch.note(Note('ccf_2017_25um', 'progress', 'voxel_run: copied ' + 'many ' * 40))\n"
        "    time.sleep(0.6)\n"
        "    watch.say('ccf_2017_25um: loaded in 1 s')\n"
        "    watch.end('ccf_2017_25um')\n"
    )
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=theirs, stderr=theirs, cwd=ROOT, check=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": str(WIDTH)},
    )  # fmt: skip
    assert done.returncode == 0
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert "voxels: copied many" in plain
    assert all(len(part.strip()) <= WIDTH for part in re.split(r"[\r\n]+", plain))
    assert plain.rstrip().count("ccf_2017_25um: loaded in 1 s") == 1
