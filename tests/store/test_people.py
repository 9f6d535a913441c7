import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from truing.core.errors import UsageError
from truing.store.people import WAY_BACK, PersonRole
from truing.store.project import open_store

from .conftest import MakeStore, come


def test_an_invitation_works_once(make_store: MakeStore):
    store = make_store()
    first, second = store.invite(PersonRole.ADJUDICATOR, 2)
    ada = store.claim(first, "Ada")
    assert (ada.name, ada.role) == ("Ada", PersonRole.ADJUDICATOR)
    with pytest.raises(UsageError, match="unknown or was used"):
        store.claim(first, "Eve")
    with pytest.raises(UsageError, match="unknown or was used"):
        store.claim("guessed", "Eve")
    assert store.people() == [ada]
    assert store.open_invitations()[PersonRole.ADJUDICATOR] == 1
    assert store.claim(second, "Bo").id != ada.id


@pytest.mark.parametrize("name", ["", " \n", "x" * 101])
def test_a_name_has_1_to_100_letters_and_the_invitation_stays(make_store: MakeStore, name: str):
    store = make_store()
    [token] = store.invite()
    with pytest.raises(UsageError, match="a name of"):
        store.claim(token, name)
    assert store.claim(token, "Ada\x00\n  Lovelace‮").name == "Ada Lovelace"


def test_a_session_names_its_person(make_store: MakeStore):
    store = make_store()
    owner = store.add_person("owner", PersonRole.ADMIN)
    secret = store.sign_in(owner.id)
    assert store.signed_in(secret) == owner
    assert store.signed_in(secret) == owner, "from memory"
    assert store.signed_in(secret + "x") is None


def test_a_way_back_lets_its_person_in_once(make_store: MakeStore, monkeypatch: pytest.MonkeyPatch):
    store = make_store()
    ada, bo = come(store, "Ada"), come(store, "Bo", PersonRole.ADJUDICATOR)
    stale, token = store.way_back("Bo"), store.way_back("Bo")
    assert [store.returning(each) for each in (stale, token, "guessed")] == [None, bo, None]
    assert store.claim(token, "Eve") == bo
    for used in (stale, token):
        with pytest.raises(UsageError, match="unknown or was used"):
            store.claim(used, "Eve")
    late = store.way_back("Ada")
    later = time.time() + WAY_BACK + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert store.returning(late) is None
    with pytest.raises(UsageError, match="unknown or was used"):
        store.claim(late, "Ada")
    assert store.people() == [ada, bo]


def test_two_who_use_a_way_back_at_once_are_not_both_let_in(make_store: MakeStore):
    store = make_store()
    come(store, "Ada")
    token = store.way_back("Ada")

    def claim(_: int) -> bool:
        try:
            store.claim(token, "Eve")
        except UsageError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(claim, range(4))) == 1


def test_namesakes_come_back_by_their_numbers(make_store: MakeStore):
    store = make_store()
    one, other = come(store, "Ada"), come(store, "Ada")
    assert store.claim(store.way_back(f"Ada ({other.id})"), "") == other
    with pytest.raises(UsageError, match="nobody in the project is called Ada") as caught:
        store.way_back("Ada")
    assert f"Ada ({one.id}), Ada ({other.id})" in caught.value.hint


def test_no_secret_is_in_the_file(tmp_path: Path):
    with open_store(tmp_path / "project.db") as store:
        [token] = store.invite()
        secret = store.sign_in(store.claim(token, "Ada").id)
        back = store.way_back("Ada")
    sqlite3.connect(tmp_path / "project.db").execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = (tmp_path / "project.db").read_bytes()
    assert b"Ada" in content
    assert token.encode() not in content
    assert secret.encode() not in content
    assert back.encode() not in content
