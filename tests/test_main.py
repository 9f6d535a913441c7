import subprocess
import sys

import pytest

from truing import __version__


@pytest.mark.parametrize("torchrun", [False, True], ids=["python", "torchrun"])
def test_the_package_can_be_started_as_a_module(torchrun: bool):
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "1"] if torchrun else []
    command = [sys.executable, *launcher, "-m", "truing", "--version"]
    started = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
    assert started.stdout.strip() == f"truing {__version__}", started.stderr
    assert started.returncode == 0
