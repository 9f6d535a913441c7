"""A project in a file, and its pages on a port."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from truing.store.items import NewItem
from truing.store.project import ProjectStore, open_store
from truing.store.settings import ProjectSettings


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Callable[..., ProjectStore]]:
    """Makes a project with items and settings."""
    opened: list[ProjectStore] = []

    def make(items: Iterable[NewItem], **settings: Any) -> ProjectStore:
        given = ProjectSettings(**{"name": "Bread", **settings})
        opened.append(open_store(tmp_path / "project.db", given))
        opened[-1].add_items(items)
        return opened[-1]

    yield make
    for store in opened:
        store.close()
