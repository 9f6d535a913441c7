from pathlib import Path

import pytest

from truing.core.errors import StorageError, UsageError
from truing.store.people import PersonRole
from truing.store.project import open_store
from truing.store.settings import ProjectSettings

from .conftest import MakeStore, come, pair, vote_through


def test_a_project_is_found_again_with_its_settings(make_store: MakeStore):
    store = make_store(name="审核", overlap=3)
    store.add_items([pair(0)])
    person = come(store, "Ada", PersonRole.ADMIN)
    again = make_store(name="other")  # settings make a project, and change none
    assert again.settings == ProjectSettings(name="审核", overlap=3)
    assert again.people() == [person]
    assert list(again.items()) == list(store.items())


def test_items_come_and_votes_go_while_people_vote(make_store: MakeStore):
    store, other = make_store(), make_store()
    store.add_items([pair(0)])
    ada = come(store, "Ada")
    assert len(vote_through(store, ada, 9)) == 1
    other.add_items([pair(1)])
    assert len(vote_through(store, ada, 9)) == 1
    assert [vote.item for vote in other.standing_votes()] == [1, 2]


def test_a_project_that_is_not_there_is_not_made_for_a_reader(tmp_path: Path):
    with pytest.raises(UsageError, match="no project at"):
        open_store(tmp_path / "project.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_is_not_given_an_empty_file_as_a_project(tmp_path: Path):
    (tmp_path / "project.db").touch()
    with pytest.raises(UsageError, match="no project at"):
        open_store(tmp_path / "project.db", create=False)


def test_a_server_without_a_project_is_not_given_one_by_a_reader(place: str):
    with pytest.raises(UsageError, match="no project at"):
        open_store(place, create=False)
    open_store(place).close()
    open_store(place, create=False).close()


def test_a_folder_and_a_missing_folder_are_errors(tmp_path: Path):
    with pytest.raises(StorageError, match="is a folder") as caught:
        open_store(tmp_path)
    assert "project.db" in caught.value.hint
    with pytest.raises(StorageError, match="no folder"):
        open_store(tmp_path / "missing" / "project.db")


def test_a_stamp_tells_that_something_has_changed(make_store: MakeStore):
    store = make_store()
    deeds = (
        lambda: store.add_items(map(pair, range(3))),
        lambda: come(store, "Ada"),
        lambda: vote_through(store, store.people()[0], 2),
        lambda: store.undo(1, str(store.latest_key(1)), "undo"),
        lambda: store.change_settings(store.settings.model_copy(update={"overlap": 2})),
    )
    for deed in deeds:
        before = store.stamp()
        assert store.stamp() == before
        deed()
        assert store.stamp() != before
