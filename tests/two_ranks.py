"""Runs a function in two processes that know each other over gloo."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch.multiprocessing.spawn import start_processes

from truing.core.errors import TruingError
from truing.models.world import World, joined

Work = Callable[[World], object]
Two = Callable[[Work], list[Any]]


def _run(rank: int, work: Work, port: int, folder: Path) -> None:
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()}, MASTER_ADDR="127.0.0.1")
    told = folder / str(rank)
    try:
        with joined("cpu") as here:
            told.write_text(json.dumps(work(here)), "utf-8")
    except TruingError as error:
        facts = [type(error).__name__, str(error), error.hint, getattr(error, "items", None), error.told]
        told.write_text(json.dumps(facts), "utf-8")


@pytest.fixture
def two(tmp_path: Path) -> Two:
    """Runs a function in two processes that know each other; returns results, or facts of errors."""

    def both(work: Work) -> list[Any]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        for rank in range(2):
            (tmp_path / str(rank)).unlink(missing_ok=True)
        start_processes(_run, (work, port, tmp_path), nprocs=2, start_method="fork")
        found = [tmp_path / str(rank) for rank in range(2)]
        return [json.loads(one.read_text("utf-8")) if one.exists() else None for one in found]

    return both
