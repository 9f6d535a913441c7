"""The console script under signals: an exit code, and never a trace, from its first line to its last."""

import subprocess
import sys

import pytest

STARTED = """import os, signal, sys, threading, time, types
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has background jobs ignore Ctrl-C
def main():
    print("kept", end="")
    {work}
sys.modules["truing.cli.main"] = types.SimpleNamespace(main=main)
from truing.cli.start import run
run()"""
WAITS = "threading.Thread(target=time.sleep, args=(60,)).start(); "  # for a connection that nobody closes


@pytest.mark.parametrize(
    ("work", "code"),
    [
        (WAITS + "os.kill(os.getpid(), 15)", 143),
        (WAITS + "os.kill(os.getpid(), 2)", 130),
        (WAITS + "sys.exit(143)", 143),
        ("sys.exit(5)", 5),
    ],
)
def test_a_signal_ends_it_at_once_with_its_code(work: str, code: int):
    command = [sys.executable, "-c", STARTED.format(work=work)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "kept", "")
