"""A reply is text, usage and the model that gave it; one that is too long fails its own question."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from truing.core.records import user
from truing.judges.budget import Used
from truing.judges.cache import AnswerCache
from truing.judges.client import Judge
from truing.judges.endpoint import Endpoint
from truing.judges.opinions import NoVerdict
from truing.judges.replies import read_reply, text_with_note

from .said import said

ABCDE = [user(letter) for letter in "abcde"]
MakeEndpoint = Callable[..., Endpoint]


def test_a_reply_of_5_mb_fails_its_own_question(server, endpoint: MakeEndpoint):
    server.script = lambda text, before: said("7" * 5_000_000 if text == "b" else "7")
    found = Judge(endpoint()).ask(ABCDE[:3], float)
    assert found == [7.0, NoVerdict("the reply is longer than 1 MB"), 7.0]
    assert len(server.asked) == 3, "it is not asked again"


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ({"model": "wiser"}, "wise answered as several models or builds: wise (3), wiser (2)."),
        ({"system_fingerprint": "fp2"}, "wise answered as several models or builds: wise (3), wise fp2 (2)."),
    ],
)
def test_a_model_that_changes_in_between_is_noticed(
    server, endpoint: MakeEndpoint, tmp_path: Path, others: dict[str, str], told: str
):
    server.script = lambda text, before: said("7", **(others if text in "de" else {}))
    cache = AnswerCache(tmp_path / "answers.sqlite")
    first = Judge(endpoint(), cache)
    first.ask(ABCDE[:3], float)
    assert first.notes() == []
    again = Judge(endpoint(), cache)
    again.ask(ABCDE, float)
    (note,) = again.notes()
    assert str(note).startswith(told), "answers of an earlier start count too"


@pytest.mark.parametrize(
    "usage", [None, {}, [1], {"prompt_tokens": "many"}, {"prompt_tokens": -1, "completion_tokens": 2}]
)
def test_a_usage_that_is_none_leaves_the_answer_alone(usage: object):
    body = {"choices": [{"message": {"content": "7"}}], "usage": usage}
    reply = read_reply(json.dumps(body).encode())
    assert (reply.text, reply.used) == ("7", None)


def test_a_note_tells_what_the_reply_told():
    reply = read_reply(said("7", system_fingerprint="fp").body)
    assert (reply.used, reply.served) == (Used(100, 20), "wise fp")
    assert text_with_note("7", reply.note) == ("7", "wise fp")
    assert text_with_note("7", "") == ("7", "")
