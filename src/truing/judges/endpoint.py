"""The options of every judge on a server: a model, its address, and the limits of asking it."""

import os
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from truing.core.errors import ConfigError
from truing.core.records import Turns
from truing.core.secrets import hidden

OPENAI = "https://api.openai.com/v1"
NO_KEY = "none"  # the key where the server asks for none
AROUND = 64  # tokens that a chat template may add to a question, and to each of its turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The options of every judge: a model, its address, and the limits of asking it. Raises ConfigError.

    Budgets are of one start of a run. Prices are of a million tokens, in any one currency.
    """

    model: Annotated[str, Field(min_length=1)]
    base_url: str = OPENAI
    api_key_env: Annotated[str, Field(min_length=1)] | None = "OPENAI_API_KEY"  # None: no key is sent
    temperature: Annotated[float, Field(ge=0)] | None = 0.0  # None: the server's own
    seed: int | None = 0
    max_tokens: Annotated[int, Field(ge=1)] = 1024  # of an answer
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = 0  # alternatives asked for each token of an answer
    timeout: Annotated[float, Field(gt=0)] = 60.0  # seconds for one request as a whole
    retries: Annotated[int, Field(ge=0)] = 5
    concurrency: Annotated[int, Field(ge=1)] = 8  # most requests at once
    max_requests: Annotated[int, Field(ge=1)] | None = None  # retries included
    max_total_tokens: Annotated[int, Field(ge=1)] | None = None  # of questions and answers
    max_cost: Annotated[float, Field(gt=0)] | None = None
    price_prompt: Annotated[float, Field(ge=0)] | None = None
    price_completion: Annotated[float, Field(ge=0)] | None = None

    def __post_init__(self) -> None:
        if not _is_address(self.base_url):
            raise ConfigError(f"base_url is {hidden(self.base_url)!r}, expected an address such as {OPENAI}")
        address = urlsplit(self.base_url)
        if address.username is not None:
            raise ConfigError(
                f"base_url holds the name or password of an account at {address.hostname}",
                hint="put the key into the environment and name the variable as api_key_env",
            )
        if self.max_cost is not None and not self.priced:
            raise ConfigError(
                "max_cost is set without prices",
                hint="set price_prompt and price_completion, the server's prices of a million tokens",
            )

    @property
    def priced(self) -> bool:
        return self.price_prompt is not None and self.price_completion is not None

    @property
    def chat(self) -> str:
        """Return the address that questions are sent to."""
        address = urlsplit(self.base_url)
        return address._replace(path=address.path.rstrip("/") + "/chat/completions").geturl()

    def api_key(self) -> str:
        """Return the key from the environment. Raises ConfigError where it is not set."""
        if self.api_key_env is None:
            return NO_KEY
        key = os.environ.get(self.api_key_env, "").strip()
        if not key:
            raise ConfigError(
                f"the environment variable {self.api_key_env} with the key of {self.base_url} is not set",
                hint="export it, or set api_key_env: null for a server that asks for no key",
            )
        if not (key.isascii() and key.isprintable()):
            raise ConfigError(f"{self.api_key_env} holds characters that cannot be part of a key")
        return key

    def request(self, question: Turns, k: int = 0) -> dict[str, Any]:
        """Return the body of the request that asks `question` for its answer `k`, each with its own seed."""
        # OpenAI's newer models refuse max_tokens; many other servers know nothing else.
        most = (
            "max_completion_tokens" if urlsplit(self.base_url).hostname == "api.openai.com" else "max_tokens"
        )
        weighed = {"logprobs": True, "top_logprobs": self.top_logprobs} if self.top_logprobs else {}
        seed = None if self.seed is None else self.seed + k
        optional = {"temperature": self.temperature, "seed": seed}
        return {
            "model": self.model,
            "messages": [{"role": turn.role, "content": turn.content} for turn in question],
            most: self.max_tokens,
            **{name: value for name, value in optional.items() if value is not None},
            **weighed,
        }

    def most_prompt_tokens(self, question: Turns) -> int:
        """Return a bound on the tokens of a question: a token of text holds one byte at least."""
        return sum(len(turn.content.encode("utf-8", "replace")) + AROUND for turn in question) + AROUND

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return the price of tokens, 0 where there are no prices."""
        prompt, completion = self.price_prompt or 0.0, self.price_completion or 0.0
        return (prompt_tokens * prompt + completion_tokens * completion) / 1e6


def _is_address(text: str) -> bool:
    """Tell whether a text is an address that can be asked: http or https, a host, a port that there is."""
    try:
        address = urlsplit(text)
        host = (address.hostname or "").encode("idna")
        _ = address.port  # read only to see that it is a number in its range
    except ValueError:  # a UnicodeError too
        return False
    return address.scheme in ("http", "https") and bool(host) and text.isprintable() and " " not in text
