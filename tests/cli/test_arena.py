"""`truing arena` as a process: its URL, a question to two real models, a vote on disk, its end."""

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from truing.store.project import open_store
from truing.web.guard import CSRF, Visitor

from ..verbs import Ended, Forked


def url_of(run: Forked) -> str:
    """The URL that the verb prints once it serves."""
    deadline = time.monotonic() + 120
    while not (found := re.search(r"http://\S+", run.streams["stderr"].read_text("utf-8"))):
        assert run.poll() is None and time.monotonic() < deadline, run.wait().stderr
        time.sleep(0.05)
    return found[0]


def enter(url: str) -> httpx2.Client:
    """A client that the URL has let in."""
    base = url.partition("/?")[0]
    client = httpx2.Client(base_url=base, timeout=60)
    client.get(url)
    (session,) = client.cookies.values()
    client.headers.update({"origin": base, CSRF: Visitor(session=session).csrf})
    return client


def test_a_question_is_answered_by_both_models_and_the_vote_outlives_the_process(
    begun: Callable[..., Forked], model_folder: Path, moved_folder: Path, tmp_path: Path
):
    models = [str(model_folder), str(moved_folder)]
    run = begun("arena", *models, "--project", "votes.db", "--max-new-tokens", 8, "--port", 0, cwd=tmp_path)
    client = enter(url_of(run))
    talk = client.post("/ask", json={"text": "How do I bake bread?"}).json()["talk"]
    vote = {"number": 0, "outcome": "tie", "key": "k"}
    while client.post(f"/talks/{talk}/vote", json=vote).status_code == 400:
        time.sleep(0.05)  # the models are opened and write
    run.send(signal.SIGTERM)
    ended = run.wait()
    assert ended.returncode == 0, ended.stderr
    assert (
        "truing annotate export votes.db --format preference --output votes.jsonl"
        in ended.stdout + ended.stderr
    )
    with open_store(tmp_path / "votes.db") as store:
        [item] = store.items()
        assert [each.model for each in item.responses] == models
        assert [vote.answer.choice for vote in store.standing_votes()] == ["tie"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none-such", "{model}"], "the folder none-such does not exist"),
        (["{model}"], "1 model is given, and an arena compares at least two"),
        (["{model}", "{model}"], "is given twice"),
        (["{model}", "{model: m, base_url: nowhere}"], "base_url is 'nowhere'"),
        (["{model}", "{moved}", "--host", "0.0.0.0"], "no password is set"),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_line(
    here: Callable[..., Ended], model_folder: Path, moved_folder: Path, arguments: list[str], told: str
):
    named = [
        str({"{model}": model_folder, "{moved}": moved_folder}.get(argument, argument))
        for argument in arguments
    ]
    ended = here("arena", *named, "--project", "votes.db")
    assert ended.returncode == 2 and told in ended.stderr and "Traceback" not in ended.stderr
