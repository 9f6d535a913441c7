"""A server that criticises and revises by a script, and counts what it is asked."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from tests.serving import Reply, Request, Server, completion

CRITIQUE, REVISION, VERDICT = "critique", "revision", "verdict"


def kind_of(text: str) -> str:
    """Return the kind of a question, by its last line."""
    if text.endswith(("NEEDS REVISION: no", "需要修改：否")):
        return CRITIQUE
    return VERDICT if "VERDICT: TIE" in text else REVISION


@dataclass
class Scripted:
    """A server by a function from a kind and a question to a text."""

    answer: Callable[[str, str], str | Reply]
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = Server(self._reply)

    def _reply(self, request: Request) -> Reply:
        text = request.body["messages"][-1]["content"]
        self.asked.append((kind_of(text), text))
        found = self.answer(kind_of(text), text)
        return completion(found) if isinstance(found, str) else found

    @property
    def role(self) -> dict[str, object]:
        return {"name": "server", "model": "m", "base_url": f"{self.server.url}/v1", "api_key_env": None}

    def count(self, kind: str) -> int:
        return sum(one == kind for one, _ in self.asked)


@pytest.fixture
def scripted() -> Iterator[Callable[[Callable[[str, str], str | Reply]], Scripted]]:
    """Starts servers, and stops them when the test is over."""
    started: list[Scripted] = []

    def start(answer: Callable[[str, str], str | Reply]) -> Scripted:
        started.append(Scripted(answer))
        return started[-1]

    yield start
    for one in started:
        one.server.close()
