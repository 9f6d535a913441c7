"""Roles: models that write or judge, on this machine or behind an address, with every answer kept.

    open_role("runs/mine", cache)                                  a model on this machine
    open_role({"name": "server", "model": "qwen3", "base_url": "http://localhost:8000/v1"}, cache)

    role.write(prompts, Wish(k=4), progress)    k texts for each prompt, drawn at a temperature
    role.ask(questions, read)                   an opinion for each question, drawn greedily (`judges.client`)

An answer is on disk before the next is waited for, so that the same command goes on after a kill and asks
nothing twice. To add a kind of role, write a function of the cache with its options as keyword-only
arguments, and a row in `ROLES`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any, Protocol

from truing.config.fields import NonEmpty, Tokens
from truing.config.options import keyword_options
from truing.config.tables import bound
from truing.config.work import RoleSpec
from truing.core.errors import ConfigError
from truing.core.messages import message
from truing.core.records import Record, Turns, key_of
from truing.data.refusals import RefusedRowError
from truing.judges.budget import Estimate, Used
from truing.judges.cache import AnswerCache
from truing.judges.cache import key_of as key_of_request
from truing.judges.client import Judge
from truing.judges.endpoint import Endpoint
from truing.judges.local import LocalJudge
from truing.judges.opinions import CountOne, NoVerdict, Opinion, uncounted
from truing.models.contents import contents_of_source, weights_hash
from truing.models.trained import Trained
from truing.sampling.decode import context_of
from truing.sampling.speaker import Speaker, shared_speaker
from truing.sampling.types import Finish, OnProgress, Sampling

SEEDS = 2**12  # requests of a server that share a seed of ours, each with its own
AT_ONCE = 32  # texts that a local model writes before they are kept
TOO_LONG = "the prompt is too long for the model"


def unseen(done: int, total: int) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A request for `k` texts a prompt. At temperature 0 all of them would be the same."""

    k: int = 1
    temperature: float = 1.0
    max_new_tokens: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if self.k > 1 and self.temperature == 0:
            raise ConfigError(
                message("k is {k}, and at temperature 0 all texts of a prompt are the same", k=self.k),
                hint=message("set a temperature, such as 1.0"),
            )


@dataclass(frozen=True, slots=True)
class Writing:
    """A text that a role wrote; `cut` where it ended at the limit of tokens."""

    text: str
    cut: bool = False


Attempt = Writing | NoVerdict  # or why there is no text


@dataclass(frozen=True, slots=True)
class RoleReport:
    """The work of a role so far, earlier starts of the same command included; all counts are a server's.

    A request that was under way when a start was killed is not counted.
    """

    title: str
    requests: int = 0
    used: Used = field(default_factory=Used)
    cost: float | None = None
    notes: tuple[str, ...] = ()
    answered: int = 0  # questions that differ
    failed: int = 0  # and those without an answer, or with one that says nothing
    at_once: int = 0  # requests, at the end
    halved: int = 0  # how often the server was overrun


class ModelRole(Protocol):
    """A model that writes and judges."""

    @property
    def title(self) -> str:
        """The name for people."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """The name, and what else decides the answers: hashes of the weights, or the server."""
        ...

    def write(
        self, asked: Sequence[Record], wish: Wish, progress: OnProgress = unseen
    ) -> list[list[Attempt]]:
        """Return `wish.k` texts for each prompt; a text depends on the seed, the prompt and its number."""
        ...

    def ask(
        self, questions: Sequence[Turns], read: Callable[[str], Opinion], tick: CountOne = uncounted
    ) -> list[Opinion | NoVerdict]:
        """Return the opinion that `read` finds in each question's answer; see `opinions.TickingAsker`."""
        ...

    def kept(self, questions: Sequence[Turns], read: Callable[[str], Opinion]) -> list[Opinion | NoVerdict]:
        """Return what the cache answers; nothing is asked."""
        ...

    def estimate(self, questions: Sequence[Turns], read: Callable[[str], Opinion]) -> Estimate:
        """Return the most that asking may take; nothing is asked."""
        ...

    def report(self) -> RoleReport:
        """Return what was asked so far, and what a reader of the answers should know."""
        ...


@dataclass
class LocalRole:
    """A model on this machine. It is loaded when it is first needed, unless it is `opened` already.

    Roles of one model share its weights.
    """

    path: str
    cache: AnswerCache | None
    max_new_tokens: int = 512  # of the answer to a question
    opened: Trained | None = None

    @property
    def title(self) -> str:
        return self.path

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"model": self.path, "contents": self._contents}

    @cached_property
    def _contents(self) -> object:
        """The hashes of the weights, which of a model in memory may have changed since the last call."""
        if self.opened is None:
            return contents_of_source(self.path)
        return {"weights": weights_hash(self.opened.model)}

    @cached_property
    def speaker(self) -> Speaker:
        return shared_speaker(self.path, self.opened)

    @cached_property
    def _judge(self) -> LocalJudge:
        said = f"{json.dumps(self._contents)}, greedy, {self.max_new_tokens} tokens"
        return LocalJudge(said, self._answers, self.cache)

    def ask(
        self, questions: Sequence[Turns], read: Callable[[str], Opinion], tick: CountOne = uncounted
    ) -> list[Opinion | NoVerdict]:
        return self._judge.ask(questions, read, tick)

    def kept(self, questions: Sequence[Turns], read: Callable[[str], Opinion]) -> list[Opinion | NoVerdict]:
        return self._judge.kept(questions, read)

    def estimate(self, questions: Sequence[Turns], read: Callable[[str], Opinion]) -> Estimate:
        return self._judge.estimate(questions, read)

    def report(self) -> RoleReport:
        return RoleReport(self.title)

    def _answers(self, questions: Sequence[Turns]) -> list[str | None]:
        sampling = Sampling(max_new_tokens=self.max_new_tokens, logprobs=False)
        short = [one for one in questions if self._unwritable(Record(one)) is None]
        said = {short[one.prompt]: one for one in self.speaker.answer(short, sampling)} if short else {}
        return [
            None if (one := said.get(question)) is None or one.finish is Finish.LENGTH else one.text
            for question in questions
        ]

    def _unwritable(self, record: Record) -> str | None:
        """Say why the model cannot be asked a prompt; None where it can."""
        try:
            length = len(self.speaker.prompt_ids(record))
        except RefusedRowError as error:
            return error.words
        context = context_of(self.speaker.model)
        return None if context is None or length < context else message(TOO_LONG)

    def write(
        self, asked: Sequence[Record], wish: Wish, progress: OnProgress = unseen
    ) -> list[list[Attempt]]:
        total = len(asked) * wish.k
        found = {record: self._kept(record, wish) for record in dict.fromkeys(asked)}
        missing = [record for record, texts in found.items() if texts is None]
        for record in missing:
            if (why := self._unwritable(record)) is not None:
                found[record] = [NoVerdict(why) for _ in range(wish.k)]
        missing = [record for record in missing if found[record] is None]
        at_once = max(1, AT_ONCE // wish.k)
        for start in range(0, len(missing), at_once):
            part = missing[start : start + at_once]
            done = (len(asked) - len(missing) + start) * wish.k
            found |= self._drawn(part, wish, lambda ended, _, done=done: progress(done + ended, total))
        progress(total, total)
        return [list(found[record] or ()) for record in asked]

    def _drawn(
        self, part: Sequence[Record], wish: Wish, progress: OnProgress
    ) -> dict[Record, list[Attempt] | None]:
        sampling = Sampling(
            max_new_tokens=wish.max_new_tokens, temperature=wish.temperature, seed=wish.seed, logprobs=False
        )
        keys = [key_of(record.prompt) for record in part]
        drawn = self.speaker.answer(part, sampling, group_size=wish.k, keys=keys, on_progress=progress)
        texts = [Writing(one.text, one.finish is Finish.LENGTH) for one in drawn]
        found: dict[Record, list[Attempt] | None] = {}
        for place, record in enumerate(part):
            own = texts[place * wish.k : (place + 1) * wish.k]
            found[record] = list(own)
            if self.cache is not None:
                rows = [[one.text, one.cut] for one in own]
                self.cache.put(self._key(record, wish), json.dumps(rows, ensure_ascii=False))
        return found

    def _kept(self, record: Record, wish: Wish) -> list[Attempt] | None:
        kept = self.cache.get(self._key(record, wish)) if self.cache is not None else None
        return None if kept is None else [Writing(text, cut) for text, cut in json.loads(kept)]

    def _key(self, record: Record, wish: Wish) -> str:
        return key_of_request(
            {
                "writes": self._contents,
                "messages": [turn.as_dict() for turn in record.prompt],
                "given": record.given,
                "k": wish.k,
                "temperature": wish.temperature,
                "max_new_tokens": wish.max_new_tokens,
                "seed": wish.seed,
            }
        )


@dataclass
class ServerRole:
    """A model behind an OpenAI-compatible address. Each of k texts is a request with a seed of its own."""

    endpoint: Endpoint
    cache: AnswerCache | None
    judge: Judge = field(init=False)

    def __post_init__(self) -> None:
        self.judge = Judge(self.endpoint, self.cache)

    @property
    def title(self) -> str:
        return self.endpoint.model

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"model": self.endpoint.model, "server": self.endpoint.base_url}

    def ask(
        self, questions: Sequence[Turns], read: Callable[[str], Opinion], tick: CountOne = uncounted
    ) -> list[Opinion | NoVerdict]:
        return self.judge.ask(questions, read, tick)

    def kept(self, questions: Sequence[Turns], read: Callable[[str], Opinion]) -> list[Opinion | NoVerdict]:
        return self.judge.kept(questions, read)

    def estimate(self, questions: Sequence[Turns], read: Callable[[str], Opinion]) -> Estimate:
        return self.judge.estimate(questions, read)

    def report(self) -> RoleReport:
        judge, spent = self.judge, self.judge.spent
        answered = sum(judge.ends.values())
        return RoleReport(
            self.title,
            spent.requests,
            spent.reported,
            judge.budget.cost_of(spent),
            tuple(judge.notes()),
            answered=answered,
            failed=len(judge.ends) - answered,
            at_once=int(judge.pace.limit),
            halved=judge.pace.overruns,
        )

    def write(
        self, asked: Sequence[Record], wish: Wish, progress: OnProgress = unseen
    ) -> list[list[Attempt]]:
        done, total = count(1), len(asked) * wish.k
        texts = self.judge.write(
            [record.prompt for record in asked],
            wish.k,
            lambda text: Writing(str(text), text.cut),
            lambda: progress(next(done), total),
            temperature=wish.temperature,
            max_tokens=wish.max_new_tokens,
            seed=(wish.seed * SEEDS) % 2**31,
            top_logprobs=0,
        )
        return [list(own) for own in texts]


def local(
    cache: AnswerCache | None, opened: Trained | None, *, path: NonEmpty, max_new_tokens: Tokens = 512
) -> ModelRole:
    """Open a model on this machine; `max_new_tokens` bounds its answer to a question of a judge."""
    return LocalRole(path, cache, max_new_tokens, opened)


def server(
    cache: AnswerCache | None, _opened: Trained | None, *, model: NonEmpty, **options: Any
) -> ModelRole:
    """Open a model behind an OpenAI-compatible address; `options` are those of `Endpoint`."""
    return ServerRole(Endpoint(model=model, **options), cache)


ROLES: dict[str, Callable[..., ModelRole]] = {"local": local, "server": server}


def role_options(spec: RoleSpec) -> dict[str, Any]:
    """Return a role as `{name: …, options}`: text is a model on this machine, `model` the key of a server."""
    options = {"path": spec} if isinstance(spec, str) else dict(spec)
    return {"name": "server" if "model" in options else "local", **options}


def role_of(spec: RoleSpec, table: Mapping[str, Callable[..., Any]] = ROLES) -> Callable[..., Any]:
    """Return the role that a recipe describes; calling it with a cache, and perhaps a loaded model, opens it.

    A verb whose parts need no model, such as a rule, gives a `table` with its own rows beside `ROLES`. Raises
    ConfigError for a wrong name or option now, not when the role is opened.
    """
    options = role_options(spec)
    name = options.pop("name")
    also = keyword_options(Endpoint) if name == "server" else {}
    return bound("role", table, name, options, also=also, hint="{name: server, model: …, base_url: …}")


def live_of(spec: RoleSpec, opened: Mapping[str, Trained]) -> Trained | None:
    """Return the model of a role that is in memory; `opened` holds such models by their name in a recipe."""
    return opened.get(spec) if isinstance(spec, str) else None


def open_role(spec: RoleSpec, cache: AnswerCache | None = None, opened: Trained | None = None) -> ModelRole:
    """Open the role that a recipe describes. Raises ConfigError for a wrong name or option."""
    return role_of(spec)(cache, opened)
