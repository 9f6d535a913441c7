"""The options of a verb that serves pages, down to the server."""

import pytest

from truing.cli import serving
from truing.core.errors import UsageError
from truing.web import serve

ASKED = {"host": "127.0.0.1", "port": None, "password": False, "names": None, "language": None}


@pytest.fixture
def begun_with(monkeypatch):
    """The app and the address that a server would begin with; none is started."""
    found = {}
    monkeypatch.setattr(
        serve, "serve", lambda app, host, port, say, opened: found.update(app=app, host=host, port=port)
    )
    monkeypatch.delenv(serve.PASSWORD, raising=False)
    return found


def test_nothing_is_opened_before_the_address_is_allowed(begun_with):
    with pytest.raises(UsageError, match="no password"):
        serving.serve_pages("Runs", lambda: pytest.fail("opened"), **{**ASKED, "host": "0.0.0.0"})


def test_a_password_is_typed_and_never_an_argument(begun_with, monkeypatch):
    monkeypatch.setattr(serving.typer, "prompt", lambda text, **how: "typed in" if how["hide_input"] else "")
    asked = {**ASKED, "host": "0.0.0.0", "password": True, "names": ["a.example"], "port": 9}
    serving.serve_pages("Runs", list, **asked, open_paths=("/join",))
    guard = begun_with["app"].state.guard
    assert (guard.password, guard.any_address, guard.is_open("/join/x")) == ("typed in", True, True)
    assert guard.is_host("a.example") and begun_with["port"] == 9
