"""Tables for a program that reads them, and for a terminal of 80 columns: nothing is cut in either."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

COLUMNS = ("At", "Event", "State / Reason", "By", "Note")
AT = "2026-11-25 09:15:30"
ROWS = [
    (AT, "order created", "New / New", "shop/web-100042", None),
    (AT, "order sent to fulfillment", "Validated / Sent to fulfillment", "waybill/orchestrate, step send", "x" * 99),
    (AT, "provider action failed", "On Hold / Needs attention", "waybill/perform", "lines[/0].sku [bold]: none"),
]
SCRIPT = f"from app.commands import output\noutput.table({COLUMNS!r}, {ROWS!r}, 'Timeline')\noutput.line('{'y' * 200}')"


def on_a_terminal(columns: int) -> str:
    """What the script says to a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    environment["TERM"] = "xterm"
    said = b""
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=theirs, env=environment):
        os.close(theirs)
        try:
            while some := os.read(ours, 65_536):
                said += some
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;]*m", "", said.decode()).replace("\r\n", "\n")


def test_a_program_gets_every_row_on_one_line() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=180, check=True)
    rows = [line for line in done.stdout.splitlines() if AT in line]
    assert len(rows) == len(ROWS)
    for row, cells in zip(rows, ROWS, strict=True):
        assert all(str(cell) in row for cell in cells if cell is not None)
    assert "y" * 200 in done.stdout.splitlines()
    assert "…" not in done.stdout


def test_a_terminal_of_80_columns_shows_all_of_it_within_its_width() -> None:
    said = on_a_terminal(80)
    table = said.partition("y" * 80)[0].splitlines()
    assert "…" not in said
    assert all(len(line) <= 80 for line in table)
    assert sum(AT in line for line in table) == len(ROWS)
    assert said.count("x") >= 99
    for word in ("Validated", "fulfillment", "attention", "[bold]:", "provider"):
        assert word in said
