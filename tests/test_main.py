"""`python -m truing` and `torchrun -m truing` start the command line."""

import subprocess
import sys
from collections.abc import Callable

from truing import __version__

from .verbs import Forked

WHOLE = f"truing {__version__}"


def test_the_package_can_be_started_as_a_module():
    command = [sys.executable, "-m", "truing", "--version"]
    started = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
    assert (started.stdout.strip(), started.returncode) == (WHOLE, 0), started.stderr


def test_torchrun_starts_it_too(begun: Callable[..., Forked]):
    asked = ["--nproc-per-node", 1, "-m", "truing", "--version"]
    started = begun(*asked, program="torch.distributed.run:main").wait()
    assert (started.stdout.strip(), started.returncode) == (WHOLE, 0), started.stderr
