"""Projects for tests of their pages: items, people with a session, and what a person does by keyboard."""

from typing import Any

import httpx2 as httpx

from truing.core.records import Message
from truing.store.answers import PairAnswer
from truing.store.items import Candidate, ItemPurpose, NewItem
from truing.store.people import PersonRole
from truing.store.project import ProjectStore
from truing.web.annotate.project import VoteNumbers
from truing.web.annotate.router import annotate_router
from truing.web.app import WebPart, make_app
from truing.web.guard import CSRF, PageGuard, Visitor

HOSTILE = [
    "<script>alert(1)</script>",
    '<img src="https://elsewhere.test/a.png" onerror="alert(2)">',
    "[press](javascript:alert(3)) ![](https://elsewhere.test/b.png)",
    '<svg onload="alert(4)"><a xlink:href="javascript:alert(5)">x</a></svg>',
    '<math><mtext></p><style>@import "https://elsewhere.test/c.css"</style></mtext></math>',
    "\u202egnp.exe \x1b[31mred\x1b]8;;https://elsewhere.test\x07link\x1b]8;;\x07",
    "</script><iframe srcdoc='<script>alert(6)</script>'></iframe>{{ 7 * 7 }}",
    "x" * 1_000_000,
]


def item(text: str, *responses: str, **more: Any) -> NewItem:
    candidates = tuple(Candidate(each, model=f"model {n}") for n, each in enumerate(responses))
    return NewItem((Message("user", text),), candidates, **more)


def pairs(count: int) -> list[NewItem]:
    return [
        item(f"Which bread is better, {n}?", f"Loaf {n} is brown and warm", f"Loaf {n} is white and cold")
        for n in range(count)
    ]


def lesson() -> NewItem:
    row = {"why": "It names the bread."}
    known = {"purpose": ItemPurpose.TRAINING, "gold": PairAnswer("first"), "row": row}
    return item("Which one is bread?", "Rye bread", "A stone", **known)


def app_of(store: ProjectStore, numbers: VoteNumbers | None = None) -> Any:
    part = WebPart("truing.web.annotate", annotate_router(store, numbers))
    return make_app(store.settings.name, [part], PageGuard(resolve=store.signed_in, open_paths=("/join",)))


def session(
    site: Any, store: ProjectStore, name: str, role: PersonRole = PersonRole.ANNOTATOR
) -> dict[str, Any]:
    """Return the options of a browser in which a new person is signed in."""
    port = site.url.rpartition(":")[2]
    secret = store.sign_in(store.add_person(name, role).id)
    cookie = {"name": f"truing-{port}", "value": secret, "domain": "127.0.0.1", "path": "/"}
    more = {"expires": -1, "httpOnly": True, "secure": False, "sameSite": "Strict"}
    return {"storage_state": {"cookies": [cookie | more], "origins": []}}


def press(page: Any, *keys: str) -> None:
    """Press keys once the item on the screen is there, and wait until another one is."""
    page.wait_for_selector("#task:not([hidden])")
    before = page.text_content("#place")
    for key in keys:
        page.keyboard.press(key)
    wait_for_another(page, before)


def wait_for_another(page: Any, before: str) -> None:
    """Wait until an item with another heading than `before` is on the screen, or none."""
    another = """before => document.getElementById('task').hidden
        || document.getElementById('place').textContent !== before"""
    page.wait_for_function(another, arg=before, timeout=10_000)


def wait_saved(page: Any) -> None:
    page.wait_for_function("() => document.getElementById('unsent').classList.contains('good')")


def visit(site: Any, store: ProjectStore, name: str, role: PersonRole = PersonRole.ANNOTATOR) -> httpx.Client:
    """Return a client in which a new person is signed in, with what a page sends beside a request."""
    secret = store.sign_in(store.add_person(name, role).id)
    headers = {"origin": site.url, CSRF: Visitor(session=secret).csrf, "accept": "application/json"}
    cookies = {f"truing-{site.url.rpartition(':')[2]}": secret}
    return httpx.Client(base_url=site.url, headers=headers, cookies=cookies, timeout=30)


def take(client: httpx.Client, count: int = 1, held: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    """Return the next items as the page gets them."""
    return client.post("/next", json={"count": count, "held": held}).json()["items"]


def ballot(shown: dict[str, Any], key: str, **answer: Any) -> dict[str, Any]:
    """Return what the page sends to answer an item."""
    return {
        **{name: shown[name] for name in ("item", "key", "look")},
        "client_key": key,
        "answer": answer,
        "seconds": 1.5,
    }
