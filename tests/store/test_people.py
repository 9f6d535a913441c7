import sqlite3
from pathlib import Path

import pytest

from truing.core.errors import UsageError
from truing.store.people import PersonRole
from truing.store.project import open_store

from .conftest import MakeStore


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


def test_no_secret_is_in_the_file(tmp_path: Path):
    with open_store(tmp_path / "project.db") as store:
        [token] = store.invite()
        secret = store.sign_in(store.claim(token, "Ada").id)
    sqlite3.connect(tmp_path / "project.db").execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = (tmp_path / "project.db").read_bytes()
    assert b"Ada" in content
    assert token.encode() not in content
    assert secret.encode() not in content
