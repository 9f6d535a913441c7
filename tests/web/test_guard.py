"""X4 and X6 of the frame: who gets in, from where, and what no path reaches."""

import socket

import httpx2 as httpx
import pytest
from fastapi import APIRouter, Request

from truing.web.app import WebPart, body_of, make_app, page
from truing.web.guard import CSRF, PageGuard, Visitor, visitor

SESSION = "a-session-of-anna"


def routes() -> APIRouter:
    router = APIRouter()

    @router.get("/")
    async def first(request: Request):
        return page(request, "error.html.j2", said="hello", hint="")

    @router.get("/open/{name}")
    async def opened(name: str):
        return {"name": name}

    @router.post("/change")
    async def change(request: Request):
        who = visitor(request)
        return {"owner": who.owner, "person": who.person, **await body_of(request)}

    return router


@pytest.fixture
def site(served):
    guard = PageGuard(
        resolve=lambda session: "anna" if session == SESSION else None,
        open_paths=("/open",),
        password="correct horse",
        most_bytes=1000,
    )
    return served(make_app("Runs", [WebPart("truing.web", routes())], guard))


def bare(site, **headers: str) -> httpx.Client:
    return httpx.Client(base_url=site.url, headers={"accept": "text/html", **headers})


def test_the_token_becomes_a_cookie_that_scripts_cannot_read(site):
    with bare(site) as client:
        assert client.get("/").status_code == 403
        entered = client.get(site.entry)
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie
        assert site.app.state.guard.token not in cookie and site.app.state.guard.token not in entered.text
        assert "hello" in client.get("/").text
        assert client.get("/?token=" + "x" * 32).status_code == 200, "a cookie outlives a wrong link"


@pytest.mark.parametrize("query", ["?token=", "?token=wrong", "?token=%00", "?token=é", "?Token={token}"])
def test_another_token_lets_nobody_in(site, query):
    with bare(site) as client:
        got = client.get("/" + query.replace("{token}", site.app.state.guard.token))
        assert got.status_code == 403 and "set-cookie" not in got.headers


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil@127.0.0.1", "localhost:x", "", "10.0.0.1"]
)
def test_no_other_name_is_answered_to(site, host):
    got = site.client.get("/", headers={"host": host})
    assert got.status_code in (400, 403) and "hello" not in got.text


def test_every_name_of_this_machine_is_answered_to(site):
    port = site.url.rpartition(":")[2]
    for name in ("localhost", "127.0.0.1", "LOCALHOST"):
        assert site.client.get("/", headers={"host": f"{name}:{port}"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "file://"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {CSRF: ""},
        {CSRF: "0" * 64},
        {CSRF: Visitor(session=SESSION).csrf},
    ],
)
def test_another_page_changes_nothing(site, headers):
    assert site.client.post("/change", json={}).json() == {"owner": True, "person": None}
    assert site.client.post("/change", json={}, headers=headers).status_code == 403


def test_without_a_session_nothing_is_changed_either(site):
    anonymous = {"origin": site.url, CSRF: Visitor().csrf}
    with bare(site, **anonymous) as client:
        assert client.post("/change", json={}).status_code == 403


def test_an_invited_person_comes_in_by_a_session_of_their_own(site):
    port = site.url.rpartition(":")[2]
    headers = {"origin": site.url, CSRF: Visitor(session=SESSION).csrf, "cookie": f"truing-{port}={SESSION}"}
    with bare(site, **headers) as client:
        assert client.post("/change", json={"a": 1}).json() == {"owner": False, "person": "anna", "a": 1}
        stranger = {"cookie": f"truing-{port}=another", CSRF: Visitor(session="another").csrf}
        assert client.post("/change", json={}, headers=stranger).status_code == 403


def test_an_open_path_needs_no_session_and_opens_no_other(site):
    with bare(site) as client:
        assert client.get("/open/x").json() == {"name": "x"}
        for path in ("/opened", "/open/../", "/open%2f..%2f", "/openx/y"):
            assert "hello" not in client.get(path).text


@pytest.mark.parametrize("given", [{"password": "wrong horse"}, {"password": 1}, {}, []])
def test_a_wrong_password_is_refused(site, given, monkeypatch):
    monkeypatch.setattr("truing.web.app.WRONG_PASSWORD", 0.0)
    with bare(site, **{"origin": site.url, CSRF: Visitor().csrf}) as client:
        got = client.post("/enter", json=given)
        assert got.status_code in (400, 403) and "set-cookie" not in got.headers


def test_the_password_lets_in(site):
    with bare(site, **{"origin": site.url, CSRF: Visitor().csrf}) as client:
        assert client.post("/enter", json={"password": "correct horse"}).status_code == 200
        assert "hello" in client.get("/").text


def test_a_body_is_bounded_whether_or_not_its_length_is_told(site):
    assert site.client.post("/change", json={"a": "x" * 2000}).status_code == 413
    told = (b'{"a": "%s"}' % (b"x" * 2000) for _ in range(1))
    assert site.client.post("/change", content=told).status_code == 413
    assert site.client.post("/change", content=b"[" * 900).status_code == 400


def test_every_answer_forbids_code_and_frames_of_others(site):
    with bare(site) as client:
        answers = [client.get(p) for p in ("/", "/static/base.css", "/static/none", "/none", "/open/x")]
        answers.append(client.get("/", headers={"host": "evil.example"}))
        answers.append(site.client.get("/"))
    for got in answers:
        policy = got.headers["content-security-policy"]
        assert (
            "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        )
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../guard.py",
        "/static/%2e%2e/guard.py",
        "/static/..%2fguard.py",
        "/static/%2e%2e%2fguard.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/base.css%00.js",
        "/static/./base.css",
        "/static/..\\guard.py",
        "/static/",
    ],
)
def test_no_path_leaves_the_static_files(site, path):
    """Sent as it stands: a client would tidy the path first."""
    host, port = site.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.split(b" ")[1] in (b"404", b"400", b"403")
    assert b"def " not in answer and b"root:" not in answer


@pytest.mark.parametrize(
    ("host", "known"),
    [("192.168.1.5", True), ("[::1]", True), ("evil.example", False), ("team.example", True)],
)
def test_a_server_of_a_network_answers_to_addresses_and_to_its_names(host, known):
    assert PageGuard(any_address=True, names=("Team.example",)).is_host(host) is known
