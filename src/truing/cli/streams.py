"""Set up the terminal and the names of files, so that no locale ends a verb."""

import io
import json
import locale
import os
import sys
from contextlib import suppress
from typing import Any

_UTF8 = "PYTHONUTF8"


def settle_encodings() -> None:
    """Let every character be printed, and every file be named and opened as UTF-8, whatever the locale says.

    A character that the terminal does not have is printed as an escape such as `\\u4f60`. Where the locale is
    ASCII, Python cannot name a file in Chinese, and the program starts again in Python's UTF-8 mode.
    """
    if sys.getfilesystemencoding() == "ascii" and os.environ.get(_UTF8) != "1":
        _restart_in_utf8()
    with suppress(locale.Error):  # macOS has no such locale, and none that is not UTF-8 by default
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")  # other packages open files without naming an encoding
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, io.TextIOWrapper) and sys.stdin.encoding.lower() in ("ascii", "us-ascii"):
        sys.stdin.reconfigure(encoding="utf-8", errors="strict")


def _restart_in_utf8() -> None:
    """Replace this process by the same command in UTF-8 mode; the terminal's own encoding is kept."""
    spoken = os.environ.get("PYTHONIOENCODING") or sys.stdout.encoding
    env = {**os.environ, _UTF8: "1", "PYTHONIOENCODING": spoken}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], env)  # noqa: S606


def shows(text: str) -> bool:
    """Tell whether the terminal has every character of `text`."""
    try:
        text.encode(sys.stderr.encoding)
    except UnicodeEncodeError:
        return False
    return True


def print_json(value: Any, *, indent: int | None = None) -> None:
    """Print a value as JSON, with JSON's own escapes on a terminal that is not Unicode."""
    unicode = sys.stdout.encoding.lower().startswith("utf")
    print(json.dumps(value, ensure_ascii=not unicode, indent=indent))
