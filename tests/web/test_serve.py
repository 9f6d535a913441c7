"""The server: where it listens, what it refuses, how it ends."""

import signal
import socket
import subprocess
import sys

import httpx2 as httpx
import pytest

from truing.core.errors import UsageError
from truing.web.app import make_app
from truing.web.guard import PageGuard
from truing.web.serve import PASSWORD, base_url, guard_for, is_loopback, listen, password_for, serve

from ..verbs import serving

PROGRAM = """
from truing.web.app import make_app
from truing.web.guard import PageGuard
from truing.web.serve import serve

serve(make_app("Runs", [], PageGuard()), port=0, say=lambda line: print(line, flush=True))
"""


def test_other_machines_reach_nothing_without_a_password(monkeypatch):
    monkeypatch.delenv(PASSWORD, raising=False)
    with pytest.raises(UsageError, match="no password is set"):
        password_for("0.0.0.0", False, lambda: "")
    with pytest.raises(UsageError, match="no password is set"):
        serve(make_app("Runs", [], PageGuard()), "0.0.0.0", say=print)
    assert password_for("127.0.0.1", False, lambda: "") is None
    assert password_for("0.0.0.0", True, lambda: "correct horse") == "correct horse"
    with pytest.raises(UsageError, match="has 5 characters"):
        password_for("127.0.0.1", True, lambda: "short")
    monkeypatch.setenv(PASSWORD, "of the environment")
    assert password_for("0.0.0.0", False, lambda: "") == "of the environment"


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("a.example", False),
    ],
)
def test_loopback_is_recognised(host, alone):
    assert is_loopback(host) is alone
    assert guard_for(host, None, ()).any_address is not alone


def test_a_port_that_is_taken_is_an_error_or_the_next_one():
    with listen("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        assert base_url(sock) == f"http://127.0.0.1:{port}"
        with pytest.raises(UsageError, match="cannot be listened on"):
            listen("127.0.0.1", port)
    with listen("127.0.0.1", None) as one, listen("127.0.0.1", None) as other:
        assert one.getsockname() != other.getsockname()
    with pytest.raises(UsageError):
        listen("256.0.0.1", 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_without_a_word(number):
    with serving([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        url = process.stdout.readline().split()[1]
        assert httpx.get(url).status_code == 200
        process.send_signal(number)
        assert (process.wait(10), process.stderr.read()) == (0, "")


def test_the_port_is_bound_on_loopback_alone():
    with listen("127.0.0.1", 0) as sock:
        assert sock.getsockname()[0] == "127.0.0.1" and sock.family == socket.AF_INET
        with socket.create_connection(sock.getsockname()):
            made, _ = sock.accept()
            with made:
                assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), "answers would wait for 40 ms"
