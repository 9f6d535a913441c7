"""Questions to a chat model behind any OpenAI-compatible address; each gets an opinion or fails by itself.

    messages -> cache, or requests until one is answered -> text -> `read` -> an opinion, or `NoVerdict`

An error that concerns one question (no answer, an answer without an opinion) fails this question alone. An
error that would meet every further question (a wrong key, an unknown model, a budget that is used up) raises
RewardError; answers on their way by then still reach the cache. A question gives up its place only when its
answer is on disk. The API key is read from the environment and stays out of messages and files.
"""

import asyncio
import json
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from truing.core.errors import RewardError, TruingError
from truing.core.messages import Sentence, message
from truing.core.pools import pooled
from truing.core.records import Turns
from truing.core.retries import Tries, retry_after
from truing.judges.background import Background
from truing.judges.budget import Budget, Estimate, Spent, Used
from truing.judges.cache import AnswerCache, KeptAnswer, key_of
from truing.judges.endpoint import NO_KEY, Endpoint
from truing.judges.keeper import Keeper
from truing.judges.opinions import CountOne, NoVerdict, NoVerdictError, Opinion, PassingError, uncounted
from truing.judges.pace import RequestPace
from truing.judges.replies import (
    LIMIT,
    ServerReply,
    UnusableReplyError,
    WeighedText,
    read_reply,
    text_with_note,
)

WORKERS = 4  # for each request under way: one whose question waits to be asked again sends nothing
BACKOFF = 0.5  # seconds before the first retry, doubled for each further one, half of it at random
LONGEST_WAIT = 120.0  # seconds; a server that asks for more is not waited for
IDLE = 4.0  # seconds that a connection is kept for the next question; servers close it after 5
HOPELESS = {
    401: "the variable that api_key_env names must hold a key of this server",
    402: "the account behind the key has nothing left to spend",
    404: "check base_url, which usually ends in /v1, and the name of the model",
}
PASSING = {408, 409, 429}  # and everything from 500


class OverrunError(PassingError):
    """No verdict yet, and the server may have too much to do."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A question as it is sent, and its key in the cache."""

    request: Mapping[str, Any]
    key: str
    most: Used
    whole: bool  # whether an answer that is cut off, refuses or is empty is none

    @property
    def top_logprobs(self) -> int:
        return self.request.get("top_logprobs", 0)


def _prepared(endpoint: Endpoint, question: Turns, k: int = 0, whole: bool = True) -> _Prepared:
    request = endpoint.request(question, k)
    most = Used(endpoint.most_prompt_tokens(question), endpoint.max_tokens)
    return _Prepared(request, key_of({"base_url": endpoint.base_url, **request}), most, whole)


class Judge:
    """A judge on a server. Only one thread may call `ask` at a time."""

    def __init__(self, endpoint: Endpoint, cache: AnswerCache | None = None) -> None:
        self.endpoint = endpoint
        self.cache = cache
        kept = "answers so far are in {path}" if cache else "with a cache, answers are kept"
        self.budget = Budget(endpoint, message(kept, path=cache.path) if cache else message(kept))
        self.served: Counter[str] = Counter()  # answers by the model that the server names
        self.unweighed = 0  # answers without the log-probabilities that were asked for
        self.ends: dict[str, bool] = {}  # whether a question has an answer, by its key
        self._spent_before = Spent()  # by earlier starts, on the questions of this one
        self.pace = RequestPace(endpoint.concurrency)
        self._api_key = endpoint.api_key()
        self._over: TruingError | None = None  # why nothing more is sent
        self._background: Background | None = None
        self._client: httpx2.AsyncClient | None = None
        self._keeper = Keeper(cache)

    @property
    def spent(self) -> Spent:
        """Return what the questions so far have taken, earlier starts that the cache knows included."""
        return self._spent_before + self.budget.sent

    def ask(
        self, questions: Sequence[Turns], read: Callable[[str], Opinion], tick: CountOne = uncounted
    ) -> list[Opinion | NoVerdict]:
        """Return the opinion that `read` finds in each question's answer, in order; ask equal ones once.

        `read` raises NoVerdictError on an answer that gives no opinion; such an answer is not kept. It is
        given a `replies.WeighedText`, with log-probabilities where they were asked for and given. `tick` is
        called as `opinions.TickingAsker` says, from a thread beside.
        """
        return self._asked([_prepared(self.endpoint, question) for question in questions], read, tick)

    def write(
        self,
        questions: Sequence[Turns],
        k: int,
        read: Callable[[WeighedText], Opinion],
        tick: CountOne = uncounted,
        **how: Any,
    ) -> list[list[Opinion | NoVerdict]]:
        """Return `k` texts for each question, read by `read`, each a request with a seed of its own.

        `how` are other options of the endpoint: temperature, max_tokens, seed. A text that is cut off,
        refuses or is empty is a text too. Spending and pace are those of this judge.
        """
        endpoint = replace(self.endpoint, **how)
        asked = [_prepared(endpoint, each, number, whole=False) for each in questions for number in range(k)]
        texts = self._asked(asked, read, tick)
        return [texts[start : start + k] for start in range(0, len(texts), k)]

    def _asked(
        self, prepared: Sequence[_Prepared], read: Callable[[WeighedText], Opinion], tick: CountOne
    ) -> list[Opinion | NoVerdict]:
        """Return an opinion for each question, in order; equal ones are asked once."""
        different = {each.key: each for each in prepared}
        found = {key: self._kept(each, read) for key, each in different.items()}
        asked = [key for key, opinion in found.items() if opinion is None]
        for _ in range(len(prepared) - len(asked)):
            tick()
        if asked:
            self._over = None
            opinions = self._start().run(self._ask([different[key] for key in asked], read, tick))
            found.update(zip(asked, opinions, strict=True))
        ended = {key: opinion for key, opinion in found.items() if opinion is not None}
        return [ended[each.key] for each in prepared]

    def kept(self, questions: Sequence[Turns], read: Callable[[str], Opinion]) -> list[Opinion | NoVerdict]:
        """Return what the cache answers; nothing is asked."""
        found = [self._kept(_prepared(self.endpoint, each), read, False) for each in questions]
        return [NoVerdict("not in the cache") if each is None else each for each in found]

    def estimate(self, questions: Sequence[Turns], read: Callable[[str], Opinion]) -> Estimate:
        """Return the most that asking `questions` may take; nothing is asked, and kept answers are free."""
        different = [_prepared(self.endpoint, question) for question in dict.fromkeys(questions)]
        asked = [each for each in different if self._kept(each, read, False) is None]
        most = sum((each.most for each in asked), Used())
        cost = self.endpoint.cost(most.prompt, most.completion) if self.endpoint.priced else None
        return Estimate(len(different), len(different) - len(asked), most, cost)

    def notes(self) -> list[Sentence]:
        """Return what a reader of the opinions should know of how they came about."""
        notes, name = [], self.endpoint.model
        if len(self.served) > 1:
            told = "{name} answered as several models or builds: {models}. Its opinions are not of one judge."
            models = ", ".join(f"{served} ({count})" for served, count in self.served.most_common())
            notes.append(message(told, name=name, models=models))
        if self.unweighed:
            told = "{name} gave no log-probabilities with {count} answers: those verdicts count as certain."
            notes.append(message(told, name=name, count=self.unweighed))
        unreported = self.spent.unreported
        if unreported and (self.endpoint.max_cost or self.endpoint.max_total_tokens):
            told = "{name} did not say what {count} requests used: they count with the most that is possible."
            notes.append(message(told, name=name, count=unreported))
        if self.pace.overruns:
            told = "{name} was overrun {count} times: in the end it was asked {now} at once, of {most}."
            pace = {"now": int(self.pace.limit), "most": self.pace.most}
            notes.append(message(told, name=name, count=self.pace.overruns, **pace))
        return notes

    def _kept(
        self, question: _Prepared, read: Callable[[WeighedText], Opinion], count: bool = True
    ) -> Opinion | NoVerdict | None:
        """Return what the cache has of a question: an opinion, or why its answer gave none, or nothing."""
        if count and question.key not in self.ends:
            self.ends[question.key] = False
            self._spent_before += self._spent_on(question)
        if self.cache is None:
            return None
        text = self.cache.get(question.key)
        if text is None:
            return self._failure(question)
        said, served = text_with_note(text, self.cache.note(question.key))
        if said.cut and question.whole:  # kept when the same was asked for a text
            return self._failure(question)
        try:
            opinion = read(said)
        except NoVerdictError:  # kept when answers were read otherwise
            return self._failure(question)
        if count:
            self._count(question, served, said)
        return opinion

    def _spent_on(self, question: _Prepared) -> Spent:
        return Spent.of_text(self.cache.spent(question.key)) if self.cache else Spent()

    def _failure(self, question: _Prepared) -> NoVerdict | None:
        failure = self.cache.failure(question.key) if self.cache and question.whole else ""
        return NoVerdict(failure) if failure else None

    def _count(self, question: _Prepared, served: str, said: WeighedText) -> None:
        self.ends[question.key] = True
        self.served.update([served] if served else [])
        self.unweighed += question.top_logprobs > 0 and not said.tokens

    def _start(self) -> Background:
        if self._background is None:
            self._background = Background()
            self._client = client = self._connect()
            weakref.finalize(self, _close, self._background, client)
        return self._background

    def _connect(self) -> httpx2.AsyncClient:
        most = self.endpoint.concurrency
        limits = httpx2.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=IDLE)
        return httpx2.AsyncClient(
            headers={
                "Authorization": f"Bearer {self._api_key}",
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",  # so that a reply is no larger than it looks
            },
            timeout=None,
            limits=limits,
            transport=pooled(limits),
        )

    async def _ask(
        self, questions: Sequence[_Prepared], read: Callable[[WeighedText], Opinion], tick: CountOne
    ) -> list[Opinion | NoVerdict]:
        found: dict[int, Opinion | NoVerdict] = {}
        wrong: dict[int, Exception] = {}
        coming = iter(enumerate(questions))

        async def work() -> None:
            for place, question in coming:
                try:
                    found[place] = await self._one(question, read)
                except Exception as error:  # the others go on: their answers may have been paid for
                    wrong[place] = error
                else:
                    tick()

        await asyncio.gather(*(work() for _ in range(WORKERS * self.endpoint.concurrency)))
        if wrong:
            raise wrong[min(wrong)]
        return [found[place] for place in range(len(questions))]

    async def _one(self, question: _Prepared, read: Callable[[WeighedText], Opinion]) -> Opinion | NoVerdict:
        """Ask until an answer comes, within the tries that the endpoint allows."""
        tries = Tries(self.endpoint.retries + 1, BACKOFF, LONGEST_WAIT, spread=0.5)
        paid = [self._spent_on(question)]
        while True:
            try:
                return await self._in_its_place(question, read, paid)
            except PassingError as error:
                pause = tries.failed(error.wait)
                if pause is None:
                    times = f"; asked {tries.done} times" if tries.done > 1 else ""
                    return await self._without(question, paid, f"{error}{times}")
                if error.wait > LONGEST_WAIT:
                    told = f"{error}; it asks to wait {error.wait:g} s"
                    return await self._without(question, paid, told)
                await asyncio.sleep(pause)
            except NoVerdictError as error:
                return await self._without(question, paid, str(error), failure=str(error))
            except TruingError as error:
                self._over = error
                raise

    async def _without(
        self, question: _Prepared, paid: Sequence[Spent], reason: str, failure: str = ""
    ) -> NoVerdict:
        """Keep what a question has taken without an opinion, and why an answer to it gave none."""
        await self._keeper.keep(KeptAnswer(question.key, None, "", _sum(paid), failure))
        return NoVerdict(reason)

    async def _in_its_place(
        self, question: _Prepared, read: Callable[[WeighedText], Opinion], paid: list[Spent]
    ) -> Opinion:
        entered = await self.pace.enter()
        try:
            reply = await self._once(question, paid)
            self.pace.answered()
            opinion = read(reply.text)
            await self._keeper.keep(KeptAnswer(question.key, reply.text, reply.note, _sum(paid)))
        except OverrunError as error:
            self.pace.overrun(entered, error.wait if error.wait <= LONGEST_WAIT else 0.0)
            raise
        finally:
            self.pace.leave()
        self._count(question, reply.served, reply.text)
        return opinion

    async def _once(self, question: _Prepared, paid: list[Spent]) -> ServerReply:
        if self._over:
            raise self._over
        await self.budget.hold(question.most)
        if self._over:  # since it waited
            self.budget.release(question.most)
            raise self._over
        used: Used | None = None  # unknown, unless the server says
        try:
            async with asyncio.timeout(self.endpoint.timeout):
                response, body = await self._send(question)
            if response.status_code >= 400:
                used = Used()
                raise self._refusal(response, body)
            reply = read_reply(body, question.whole)
            used = reply.used
            return reply
        except TimeoutError:
            raise OverrunError(f"no answer within {self.endpoint.timeout:g} s") from None
        except httpx2.ConnectError as error:
            used = Used()
            raise OverrunError(f"the connection failed: {self._told(error)}") from None
        except httpx2.RequestError as error:
            told = self._told(str(error) or type(error).__name__)
            raise OverrunError(f"the connection failed: {told}") from None
        except UnusableReplyError as error:
            used = error.used
            raise
        finally:
            paid.append(self.budget.settle(question.most, used))

    async def _send(self, question: _Prepared) -> tuple[httpx2.Response, bytes]:
        """Send a request and take in its reply up to a limit. Raises NoVerdictError for a longer one."""
        assert self._client is not None
        limit, taken = LIMIT * (1 + question.top_logprobs), bytearray()
        content = json.dumps(question.request).encode()
        async with self._client.stream("POST", self.endpoint.chat, content=content) as response:
            async for part in response.aiter_bytes():
                taken += part
                if len(taken) > limit:
                    raise NoVerdictError(f"the reply is longer than {limit / 1e6:g} MB")
        return response, bytes(taken)

    def _refusal(self, response: httpx2.Response, body: bytes) -> NoVerdictError | RewardError:
        """Return the error that a status stands for: of one question, or of all questions."""
        said, code = _error_of(body)
        told = f"{response.status_code} {self._told(said or response.reason_phrase)}"
        status = 402 if code == "insufficient_quota" else response.status_code
        if status in HOPELESS:
            where = f"{self.endpoint.base_url} does not answer as {self.endpoint.model!r}"
            return RewardError(f"{where}: {told}", hint=HOPELESS[status])
        wait = retry_after(response.headers.get("retry-after"))
        if status == 429 or status >= 500:
            return OverrunError(told, wait)
        return PassingError(told, wait) if status in PASSING else NoVerdictError(told)

    def _told(self, said: object) -> str:
        """Return the words of a server or library in one short line without the key."""
        known = str(said) if self._api_key == NO_KEY else str(said).replace(self._api_key, "***")
        text = " ".join(known.split())
        return text if len(text) <= 200 else text[:197] + "..."


def _sum(paid: Sequence[Spent]) -> str:
    return sum(paid, Spent()).as_text()


def _close(background: Background, client: httpx2.AsyncClient) -> None:
    background.close(client.aclose())


def _error_of(body: bytes) -> tuple[str, object]:
    """Return the message and the code of an error, in the forms of OpenAI, vLLM, FastAPI and a proxy."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return body[:300].decode("utf-8", "replace"), None
    error = told.get("error", told.get("detail", told)) if isinstance(told, dict) else told
    if isinstance(error, dict):
        return str(error.get("message", error)), error.get("code")
    return str(error), None
