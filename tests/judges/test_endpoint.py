"""The options of a judge on a server: a wrong one is told before anything is asked."""

from typing import Any

import pytest

from truing.core.errors import ConfigError
from truing.core.records import user
from truing.judges.client import Judge
from truing.judges.endpoint import Endpoint


def test_openai_itself_is_told_of_max_completion_tokens():
    request = Endpoint(model="m", max_tokens=9).request(user("a"))
    assert request["max_completion_tokens"] == 9
    assert "max_tokens" not in request


@pytest.mark.parametrize(
    "url",
    ["localhost:8000/v1", "ftp://host/v1", "http://", "", "http://[::1", "http://host:99999/v1", "http://host:a/v1",
     "http://\udc80.de/v1", "http://a b/v1", "http://host/\x00v1"],
)  # fmt: skip
def test_an_address_that_is_none(url: str):
    with pytest.raises(ConfigError, match="expected an address such as https"):
        Endpoint(model="m", base_url=url)


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(ConfigError, match="account at host") as error:
        Endpoint(model="m", base_url="https://me:hunter2@host/v1")
    assert "hunter2" not in str(error.value) + error.value.hint
    with pytest.raises(ConfigError, match="expected an address") as error:
        Endpoint(model="m", base_url="https://me:hunter2@host:port/v1")
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "told"), [(None, "is not set"), (" ", "is not set"), ("a\nb", "cannot be")]
)
def test_a_key_that_is_none(monkeypatch: pytest.MonkeyPatch, value: str | None, told: str):
    monkeypatch.delenv("MY_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(ConfigError, match=f"MY_KEY .*{told}"):
        Judge(Endpoint(model="m", api_key_env="MY_KEY"))


@pytest.mark.parametrize(
    ("base_url", "chat"),
    [
        ("http://host/v1", "http://host/v1/chat/completions"),
        ("http://host/v1/", "http://host/v1/chat/completions"),
        ("https://host/v1?api-version=1", "https://host/v1/chat/completions?api-version=1"),
    ],
)
def test_the_address_that_questions_are_sent_to(base_url: str, chat: str):
    assert Endpoint(model="m", base_url=base_url).chat == chat


def test_a_token_of_a_question_holds_a_byte_at_least():
    assert Endpoint(model="m").most_prompt_tokens(user("评分")) == 6 + 64 + 64


@pytest.mark.parametrize(
    "options", [{"max_cost": 1.0}, {"max_cost": 1.0, "price_prompt": 1.0, "price_completion": None}]
)
def test_money_needs_prices(options: dict[str, Any]):
    with pytest.raises(ConfigError, match="max_cost is set without prices"):
        Endpoint(model="m", **options)
