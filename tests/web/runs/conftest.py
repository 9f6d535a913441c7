"""A site of `truing runs` over a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from truing.web.app import WebPart, make_app
from truing.web.guard import PageGuard
from truing.web.runs.router import runs_router


@pytest.fixture
def site_of(served) -> Callable[..., Any]:
    """Serves the pages about the folders below some roots."""

    def serve(*roots: Path, **options: Any) -> Any:
        return served(
            make_app("Runs", [WebPart("truing.web.runs", runs_router(roots))], PageGuard(), **options)
        )

    return serve
