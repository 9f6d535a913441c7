"""The options of a judge on a server: its address, its key, its request."""

import pytest

from truing.core.errors import ConfigError
from truing.core.records import user
from truing.judges.endpoint import Endpoint


def test_questions_go_to_the_chat_of_the_address():
    assert Endpoint(model="m", base_url="http://a:1/v1/").chat == "http://a:1/v1/chat/completions"
    assert Endpoint(model="m", base_url="http://a/v1?x=1").chat == "http://a/v1/chat/completions?x=1"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base_url": "a:1"}, "expected an address"),
        ({"base_url": "http://me:secret@a"}, "name or password"),
        ({"max_cost": 1.0}, "without prices"),
    ],
)
def test_mistakes_are_told_and_no_password_is_shown(options: dict, said: str):
    with pytest.raises(ConfigError, match=said) as caught:
        Endpoint(model="m", **options)
    assert "secret" not in str(caught.value)


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MINE", " k \n")
    assert Endpoint(model="m", api_key_env="MINE").api_key() == "k"
    assert Endpoint(model="m", api_key_env=None).api_key() == "none"
    monkeypatch.setenv("MINE", "\u4f60")
    with pytest.raises(ConfigError, match="cannot be part of a key"):
        Endpoint(model="m", api_key_env="MINE").api_key()
    monkeypatch.delenv("MINE")
    with pytest.raises(ConfigError, match="MINE with the key of"):
        Endpoint(model="m", api_key_env="MINE").api_key()


def test_a_request_has_what_the_server_knows():
    body = Endpoint(model="m", base_url="http://a", seed=5, top_logprobs=3).request(user("Hi"), k=2)
    assert (body["seed"], body["max_tokens"], body["top_logprobs"], body["temperature"]) == (7, 1024, 3, 0.0)
    openai = Endpoint(model="m", temperature=None, seed=None).request(user("Hi"))
    assert "max_completion_tokens" in openai and not {"temperature", "seed", "logprobs"} & openai.keys()


def test_a_question_is_bounded_by_its_bytes_and_priced_by_the_million():
    one = Endpoint(model="m", price_prompt=2.0, price_completion=4.0)
    assert one.most_prompt_tokens(user("\u4f60")) >= 3 and one.cost(10**6, 500_000) == 4.0
