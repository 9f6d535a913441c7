"""The console script: the command line, from the first line on without a trace where a signal ends it.

A program that a signal has stopped leaves at once: everything it keeps is on disk by then, and a connection
that a thread still waits for would hold it up.
"""

import os
import sys
from contextlib import suppress

from truing.core.signals import signal_of, terminable, unheard

STOPPED = (130, 143)


def run() -> None:
    """Run the command line. Raises SystemExit with its exit code."""
    try:
        with terminable():
            from truing.cli.main import main  # more than half a second of imports

            main()
    except KeyboardInterrupt as stop:
        _leave(128 + signal_of(stop))
    except SystemExit as ended:
        if ended.code in STOPPED:
            _leave(ended.code)
        raise


def _leave(code: int) -> None:
    with unheard():
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):  # its reader may be gone too
                stream.flush()
        os._exit(code)
