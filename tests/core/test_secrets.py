"""Secrets are found by their name or place, and hidden in recipes and in texts."""

import pytest

from truing.config.recipe import json_schema
from truing.core import secrets

ADDRESS = "http://ann:hunter22@gpu1:8000/v1"
RECIPE = {
    "method": "grpo",
    "data": {"max_tokens": 2048},
    "sampling": {"servers": ["http://gpu0:8000", ADDRESS]},
    "rewards": [
        {"name": "judge", "base_url": "https://host/v1?key=q-123456&n=2", "api_key_env": "OPENAI_API_KEY"},
        {"name": "m:fn", "api_key": "sk-abcdef", "nested": {"headers": {"Authorization": "Bearer zyxwvu"}}},
    ],
}
SECRETS = ["hunter22", "q-123456", "sk-abcdef", "zyxwvu"]


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_remembered", set())


@pytest.mark.parametrize(
    "name", ["api_key", "apikey", "openai_api_key", "password", "db-password", "access_token", "secret"]
)
def test_names_that_hold_a_secret(name: str) -> None:
    assert secrets.is_secret(name)
    assert secrets.is_secret(name.upper())


@pytest.mark.parametrize(
    "name",
    ["max_tokens", "tokens_per_pass", "api_key_env", "eos_token", "keys", "monkey", "tokenizer", "key"],
)
def test_names_that_hold_none(name: str) -> None:
    assert not secrets.is_secret(name)


def test_a_masked_recipe_holds_no_secret_and_all_else() -> None:
    masked = secrets.masked(RECIPE)
    assert not [one for one in SECRETS if one in repr(masked)]
    assert masked["sampling"]["servers"] == ["http://gpu0:8000", "http://***@gpu1:8000/v1"]
    assert masked["rewards"][0] == {
        "name": "judge",
        "base_url": "https://host/v1?key=***&n=2",
        "api_key_env": "OPENAI_API_KEY",
    }
    assert masked["rewards"][1]["nested"] == {"headers": {"Authorization": "***"}}
    assert masked["data"] == RECIPE["data"]


def test_a_text_shows_none_of_the_secrets_that_a_recipe_named() -> None:
    text = "cannot log in with sk-abcdef; asked http://host?a=1&token=t9 and hunter22"
    assert secrets.hidden(text) == text.replace("t9", "***")
    secrets.remember(RECIPE)
    assert secrets.hidden(text) == "cannot log in with ***; asked http://host?a=1&token=*** and ***"


def test_a_password_with_an_at_sign_and_an_encoded_one_are_hidden() -> None:
    assert secrets.hidden("see http://ann:p@ss@host/x.") == "see http://***@host/x."
    secrets.remember({"servers": ["http://ann:p%40ssw0rd@host"]})
    assert secrets.hidden("login of ann with p@ssw0rd failed") == "login of ann with *** failed"


def test_an_address_without_an_account_and_a_mail_address_stay() -> None:
    text = "http://host:8000/a?page=2, postgresql://db/x, write to ann@example.org or see http://host/@ann"
    assert secrets.hidden(text) is text


def test_keys_of_the_environment_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    monkeypatch.setenv("HF_TOKEN", "hf_environment")
    monkeypatch.setenv("LAST_TOKEN", "1048576")
    assert secrets.hidden("1048576 tokens") == "1048576 tokens"
    assert secrets.hidden("401 for sk-environment, hf_environment") == "401 for ***, ***"


def test_a_fingerprint_tells_another_secret_and_not_which() -> None:
    one = secrets.fingerprints(RECIPE, "salt")
    assert set(one) == {
        "sampling.servers.1",
        "rewards.0.base_url",
        "rewards.1.api_key",
        "rewards.1.nested.headers.Authorization",
    }
    assert one == secrets.fingerprints(RECIPE, "salt")
    assert one != secrets.fingerprints(RECIPE, "pepper")
    other = {**RECIPE, "sampling": {"servers": ["http://gpu0:8000", ADDRESS.replace("22", "23")]}}
    changed = {key for key, value in secrets.fingerprints(other, "salt").items() if value != one[key]}
    assert changed == {"sampling.servers.1"}
    assert not [secret for secret in SECRETS if secret in repr(one)]


def test_no_key_of_a_recipe_is_taken_for_a_secret() -> None:
    def names(schema: object) -> list[str]:
        if isinstance(schema, dict):
            own = list(schema.get("properties", {}))
            return own + [name for value in schema.values() for name in names(value)]
        return [name for value in schema for name in names(value)] if isinstance(schema, list) else []

    known = names(json_schema())
    assert {"max_tokens", "tokens_per_pass", "servers"} <= set(known)
    assert not [name for name in known if secrets.is_secret(name)]
