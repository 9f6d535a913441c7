"""`truing arena` as a process: its URL, a question to two real models, a vote on disk, its end."""

import json
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


def test_a_question_is_answered_by_both_models_and_the_vote_becomes_a_row_to_train_on(
    begun: Callable[..., Forked], here: Callable[..., Ended], model_folder: Path, moved_folder: Path
):
    models, folder = [str(model_folder), str(moved_folder)], Path.cwd()
    run = begun("arena", *models, "--project", "votes.db", "--max-new-tokens", 8, "--port", 0, cwd=folder)
    client = enter(url_of(run))
    talk = client.post("/ask", json={"text": "How do I bake bread?"}).json()["talk"]
    vote = {"number": 0, "outcome": "left", "key": "k"}
    while client.post(f"/talks/{talk}/vote", json=vote).status_code == 400:
        time.sleep(0.05)  # the models are opened and write
    run.send(signal.SIGTERM)
    ended = run.wait()
    assert ended.returncode == 0, ended.stderr
    export = "annotate export votes.db --format preference --output votes.jsonl"
    assert f"truing {export}" in ended.stdout + ended.stderr
    with open_store(folder / "votes.db") as store:
        [item], [vote] = list(store.items()), list(store.standing_votes())
    assert [each.model for each in item.responses] == models
    assert here(*export.split()).returncode == 0
    [row] = map(json.loads, Path("votes.jsonl").read_text("utf-8").splitlines())
    assert row["chosen"] == item.responses[vote.order[0]].text


def test_a_signal_while_models_write_ends_the_process(
    begun: Callable[..., Forked], model_folder: Path, moved_folder: Path, tmp_path: Path
):
    flags = ["--project", "votes.db", "--max-new-tokens", 400, "--port", 0]
    run = begun("arena", model_folder, moved_folder, *flags, cwd=tmp_path)
    client = enter(url_of(run))
    talk = client.post("/ask", json={"text": "Hi"}).json()["talk"]
    with client.stream("GET", f"/talks/{talk}/events") as told:
        next(line for line in told.iter_lines() if line == "event: text")
        run.send(signal.SIGTERM)
        ended = run.wait()
    assert ended.returncode == 0 and "Traceback" not in ended.stderr, ended.stderr


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
