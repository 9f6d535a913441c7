"""A role writes the same text for the same prompt, keeps every answer, and asks nothing twice."""

import json
from pathlib import Path

import pytest
import torch
from tests.serving import Request, Server, completion

from truing.core.errors import ConfigError
from truing.core.records import Record, user
from truing.judges.cache import AnswerCache
from truing.judges.opinions import NoVerdict, NoVerdictError
from truing.models.trained import load_trained
from truing.sampling.roles import LocalRole, Wish, Writing, open_role, role_of

PROMPTS = [Record(user("one two")), Record(user("three"))]
WISH = Wish(k=2, temperature=1.0, max_new_tokens=5, seed=3)


def test_a_text_depends_on_its_prompt_and_not_on_the_others(model_folder: Path):
    role = open_role(str(model_folder))
    both = role.write(PROMPTS, WISH)
    assert role.write(PROMPTS[1:], WISH) == both[1:]
    assert [len(texts) for texts in both] == [2, 2]
    assert both[0][0] != both[0][1]


def test_kept_texts_need_no_model(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cache = AnswerCache(tmp_path / "a.sqlite")
    first = open_role(str(model_folder), cache).write(PROMPTS, WISH)
    again = open_role(str(model_folder), cache)
    monkeypatch.setattr(LocalRole, "speaker", property(lambda self: pytest.fail("the model is asked again")))
    seen: list[tuple[int, ...]] = []
    assert again.write(PROMPTS, WISH, lambda done, total: seen.append((done, total))) == first
    assert seen[-1] == (4, 4)


def test_a_model_in_memory_whose_weights_moved_is_asked_again(model_folder: Path, tmp_path: Path):
    cache, loaded = AnswerCache(tmp_path / "a.sqlite"), load_trained(str(model_folder))
    first = open_role("mine", cache, loaded)
    texts = first.write(PROMPTS, WISH)
    with torch.no_grad():
        for weight in loaded.model.parameters():
            weight.mul_(-1.0)
    moved = open_role("mine", cache, loaded)
    assert moved.identity["contents"] != first.identity["contents"]
    assert moved.write(PROMPTS, WISH) != texts


def test_another_seed_is_another_text(model_folder: Path, tmp_path: Path):
    role = open_role(str(model_folder), AnswerCache(tmp_path / "a.sqlite"))
    assert role.write(PROMPTS, WISH) != role.write(PROMPTS, Wish(k=2, max_new_tokens=5, seed=4))


def test_a_prompt_that_is_too_long_has_no_text_and_the_others_have(model_folder: Path):
    found = open_role(str(model_folder)).write([Record(user("word " * 3000)), *PROMPTS], WISH)
    assert all(isinstance(one, NoVerdict) and "too long" in one.reason for one in found[0])
    assert all(isinstance(one, Writing) for one in found[1])


def test_a_server_is_asked_once_a_text_with_its_own_seed(tmp_path: Path):
    received: list[dict[str, object]] = []

    def answer(request: Request):
        received.append(request.body)
        return completion(f"{request.body['messages'][0]['content']} {request.body['seed']}")

    server = Server(answer)
    try:
        spec = {"name": "server", "model": "m", "base_url": f"{server.url}/v1", "api_key_env": None}
        cache = AnswerCache(tmp_path / "a.sqlite")
        seen: list[tuple[int, ...]] = []
        first = open_role(spec, cache).write(PROMPTS, WISH, lambda *told: seen.append(told))
        assert first == open_role(spec, cache).write(PROMPTS, WISH)
    finally:
        server.close()
    assert len(received) == 4
    assert seen == [(done, 4) for done in (1, 2, 3, 4)], "a text counts as it comes"
    assert len({(json.dumps(one["messages"]), one["seed"]) for one in received}) == 4
    assert all(one["temperature"] == 1.0 and one["max_tokens"] == 5 for one in received)
    assert first[0][0] != first[0][1]


def test_a_role_reads_opinions(model_folder: Path):
    """Of an answer drawn greedily; a reader that finds none says why."""

    def none(text: str) -> str:
        raise NoVerdictError("never")

    role = open_role({"path": str(model_folder), "max_new_tokens": 400})
    [[written]] = role.write([Record(user("one"))], Wish(temperature=0, max_new_tokens=400))
    assert isinstance(written, Writing)
    assert role.ask([user("one")], str) == [written.text]
    (found,) = role.ask([user("one")], none)
    assert isinstance(found, NoVerdict)
    assert found.reason == "never"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"name": "servr", "model": "m"}, "did you mean 'server'"),
        ({"name": "local"}, "needs path"),
        ({"name": "server", "model": "m", "temprature": 1}, "temprature"),
    ],
)
def test_a_wrong_role_is_named_before_it_is_opened(spec: dict[str, object], told: str):
    with pytest.raises(ConfigError, match=told):
        role_of(spec)


def test_many_texts_at_temperature_zero_are_refused():
    with pytest.raises(ConfigError, match="the same"):
        Wish(k=2, temperature=0)
