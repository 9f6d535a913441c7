"""Questions to a chat model behind any OpenAI-compatible address; each gets an opinion or fails by itself.

    messages -> cache, or requests until one is answered -> text -> `read` -> an opinion, or `NoVerdict`

An error that concerns one question (no answer, an answer without an opinion) fails this question alone. An
error that would meet every further question (a wrong key, an unknown model, a budget that is used up) raises
RewardError; answers on their way by then still reach the cache. The API key is read from the environment and
stays out of messages and files.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from openai import APIConnectionError, APIStatusError, AsyncOpenAI
from pydantic import BaseModel, Field, ValidationError

from truing.core.errors import ConfigError, RewardError, TruingError
from truing.core.records import Turns
from truing.core.retries import Tries, retry_after
from truing.judges.cache import AnswerCache, key_of
from truing.judges.opinions import NoVerdict, NoVerdictError, Opinion, PassingError

OPENAI = "https://api.openai.com/v1"
NO_KEY = "none"  # sent where the server asks for none: without one the library would look for its own
BACKOFF = 0.5  # seconds before the first retry, doubled for each further one, half of it at random
LONGEST_WAIT = 120.0  # seconds; a server that asks for more is not waited for
HOPELESS = {
    401: "the variable that api_key_env names must hold a key of this server",
    402: "the account behind the key has nothing left to spend",
    404: "check base_url, which usually ends in /v1, and the name of the model",
}
PASSING = {408, 409, 429}  # and everything from 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The options of every judge: a model, its address, and the limits of asking it. Raises ConfigError."""

    model: Annotated[str, Field(min_length=1)]
    base_url: str = OPENAI
    api_key_env: Annotated[str, Field(min_length=1)] | None = "OPENAI_API_KEY"  # None: no key is sent
    temperature: Annotated[float, Field(ge=0)] | None = 0.0  # None: the server's own
    seed: int | None = 0
    max_tokens: Annotated[int, Field(ge=1)] = 1024  # of an answer
    timeout: Annotated[float, Field(gt=0)] = 60.0  # seconds for one request as a whole
    retries: Annotated[int, Field(ge=0)] = 5
    concurrency: Annotated[int, Field(ge=1)] = 8  # most requests at once
    max_requests: Annotated[int, Field(ge=1)] | None = None  # of one start of a run, retries included

    def __post_init__(self) -> None:
        address = urlsplit(self.base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ConfigError(f"base_url is {self.base_url!r}, expected an address such as {OPENAI}")
        if address.username is not None:
            raise ConfigError(
                f"base_url holds the name or password of an account at {address.hostname}",
                hint="put the key into the environment and name the variable as api_key_env",
            )

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

    def request(self, question: Turns) -> dict[str, Any]:
        """Return the body of the request that asks `question`."""
        # OpenAI's newer models refuse max_tokens; many other servers know nothing else.
        most = (
            "max_completion_tokens" if urlsplit(self.base_url).hostname == "api.openai.com" else "max_tokens"
        )
        optional = {"temperature": self.temperature, "seed": self.seed}
        return {
            "model": self.model,
            "messages": [{"role": turn.role, "content": turn.content} for turn in question],
            most: self.max_tokens,
            **{name: value for name, value in optional.items() if value is not None},
        }


class Judge:
    """A judge on a server. Only one thread may call `ask` at a time."""

    def __init__(self, endpoint: Endpoint, cache: AnswerCache | None = None) -> None:
        self.endpoint = endpoint
        self.cache = cache
        self.requests = 0  # sent so far
        self._api_key = endpoint.api_key()
        self._over: TruingError | None = None  # why nothing more is sent

    def ask(self, questions: Sequence[Turns], read: Callable[[str], Opinion]) -> list[Opinion | NoVerdict]:
        """Return the opinion that `read` finds in each question's answer, in order; ask equal ones once.

        `read` raises NoVerdictError on an answer that gives no opinion; such an answer is not kept.
        """
        found: dict[Turns, Opinion | NoVerdict] = {}
        asked: list[Turns] = []
        for question in dict.fromkeys(questions):
            kept = self._kept(question, read)
            if isinstance(kept, NoVerdict):
                asked.append(question)
            else:
                found[question] = kept
        if asked:
            found.update(zip(asked, asyncio.run(self._ask(asked, read)), strict=True))
        return [found[question] for question in questions]

    def _kept(self, question: Turns, read: Callable[[str], Opinion]) -> Opinion | NoVerdict:
        text = self.cache.get(self._key(question)) if self.cache else None
        if text is None:
            return NoVerdict("not in the cache")
        try:
            return read(text)
        except NoVerdictError as error:  # kept when answers were read otherwise
            return NoVerdict(str(error))

    def _key(self, question: Turns) -> str:
        return key_of({"base_url": self.endpoint.base_url, **self.endpoint.request(question)})

    async def _ask(
        self, questions: Sequence[Turns], read: Callable[[str], Opinion]
    ) -> list[Opinion | NoVerdict]:
        self._over = None
        places = asyncio.Semaphore(self.endpoint.concurrency)
        address, key = self.endpoint.base_url, self._api_key
        async with AsyncOpenAI(api_key=key, base_url=address, timeout=None, max_retries=0) as client:

            async def one(question: Turns) -> Opinion | NoVerdict:
                async with places:  # kept while it waits for a retry: a server that is overrun gets less
                    return await self._one(client, question, read)

            # One that raises does not cut off the others, whose answers may have been paid for.
            ended = await asyncio.gather(*map(one, questions), return_exceptions=True)
        found: list[Opinion | NoVerdict] = []
        for each in ended:
            if isinstance(each, BaseException):
                raise each
            found.append(each)
        return found

    async def _one(
        self, client: AsyncOpenAI, question: Turns, read: Callable[[str], Opinion]
    ) -> Opinion | NoVerdict:
        try:
            text = await self._answer(client, question)
            opinion = read(text)
            if self.cache:
                self.cache.put(self._key(question), text)
        except NoVerdictError as error:
            return NoVerdict(str(error))
        except TruingError as error:
            self._over = error
            raise
        return opinion

    async def _answer(self, client: AsyncOpenAI, question: Turns) -> str:
        """Ask until an answer comes, within the tries that the endpoint allows."""
        tries = Tries(self.endpoint.retries + 1, BACKOFF, LONGEST_WAIT, spread=0.5)
        while True:
            try:
                return await self._once(client, question)
            except PassingError as error:
                pause = tries.failed(error.wait)
                if pause is None:
                    times = f"; asked {tries.done} times" if tries.done > 1 else ""
                    raise NoVerdictError(f"{error}{times}") from None
                if error.wait > LONGEST_WAIT:
                    raise NoVerdictError(f"{error}; it asks to wait {error.wait:g} s") from None
                await asyncio.sleep(pause)

    async def _once(self, client: AsyncOpenAI, question: Turns) -> str:
        self._spend()
        request = self.endpoint.request(question)
        try:
            async with asyncio.timeout(self.endpoint.timeout):
                reply = await client.chat.completions.with_raw_response.create(**request)
        except TimeoutError:
            raise PassingError(f"no answer within {self.endpoint.timeout:g} s") from None
        except APIConnectionError as error:
            raise PassingError(f"the connection failed: {self._told(error.__cause__ or error)}") from None
        except APIStatusError as error:
            raise self._refusal(error) from None
        return _text_of(reply.content)

    def _spend(self) -> None:
        """Count a request that is about to be sent; raise where no more may be sent."""
        if self._over:
            raise self._over
        most = self.endpoint.max_requests
        if most is not None and self.requests >= most:
            kept = (
                f"answers so far are in {self.cache.path}" if self.cache else "with a cache, answers are kept"
            )
            raise RewardError(
                f"the judge {self.endpoint.model!r} has been sent max_requests = {most} requests",
                hint=f"raise max_requests, or start again to go on; {kept}",
            )
        self.requests += 1

    def _refusal(self, error: APIStatusError) -> NoVerdictError | RewardError:
        """Return the error that a status stands for: of one question, or of all questions."""
        message = error.body.get("message") if isinstance(error.body, Mapping) else None
        told = f"{error.status_code} {self._told(message or error.message)}"
        status = 402 if error.code == "insufficient_quota" else error.status_code
        if status in HOPELESS:
            where = f"{self.endpoint.base_url} does not answer as {self.endpoint.model!r}"
            return RewardError(f"{where}: {told}", hint=HOPELESS[status])
        if status in PASSING or status >= 500:
            return PassingError(told, retry_after(error.response.headers.get("retry-after")))
        return NoVerdictError(told)

    def _told(self, said: object) -> str:
        """Return the words of a server or library in one short line without the key."""
        known = str(said) if self._api_key == NO_KEY else str(said).replace(self._api_key, "***")
        text = " ".join(known.split())
        return text if len(text) <= 200 else text[:197] + "..."


class _Turn(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Turn
    finish_reason: str | None = None


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)


def _text_of(body: bytes) -> str:
    """Return the text of a chat completion that came to its end."""
    try:
        choice = _Completion.model_validate_json(body).choices[0]
    except ValidationError:
        raise PassingError(f"the reply is no chat completion: {body[:60]!r}") from None
    if choice.message.refusal:
        raise NoVerdictError(f"the model refuses: {choice.message.refusal[:100]!r}")
    if choice.finish_reason == "length":  # a number at its end may lack digits
        raise NoVerdictError("the answer is cut off at max_tokens")
    if choice.finish_reason == "content_filter":
        raise NoVerdictError("the answer is withheld by the server's filter")
    if not (choice.message.content or "").strip():
        raise NoVerdictError("the answer is empty")
    return choice.message.content or ""
