"""Requests, tokens and money: what was spent, what is under way, and whether one more question may be sent.

Before a question is sent its most is held: a token for each byte of the question, and `max_tokens` of answer.
The server's `usage` then says what it was. Nothing is sent that could cross a limit, and where only what is
under way stands in the way, the question waits for it.
"""

import asyncio
import json
from dataclasses import asdict, dataclass

from truing.core.errors import RewardError
from truing.core.messages import Sentence, message
from truing.judges.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Used:
    """Tokens of a question and of its answer."""

    prompt: int = 0
    completion: int = 0

    @property
    def total(self) -> int:
        return self.prompt + self.completion

    def __add__(self, other: "Used") -> "Used":
        return Used(self.prompt + other.prompt, self.completion + other.completion)

    def __sub__(self, other: "Used") -> "Used":
        return Used(self.prompt - other.prompt, self.completion - other.completion)


@dataclass(frozen=True, slots=True)
class Spent:
    """Requests that were sent, and what they took."""

    requests: int = 0
    used: Used = Used()
    reported: Used = Used()  # the part of it that the server told
    unreported: int = 0  # requests without a `usage`, which count as their most

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.requests + other.requests,
            self.used + other.used,
            self.reported + other.reported,
            self.unreported + other.unreported,
        )

    def as_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of_text(cls, text: str) -> "Spent":
        """Return what `as_text` has written; nothing for ""."""
        if not text:
            return cls()
        kept = json.loads(text)
        return cls(kept["requests"], Used(**kept["used"]), Used(**kept["reported"]), kept["unreported"])


@dataclass(frozen=True, slots=True)
class Estimate:
    """The most that questions may take, if each is answered at the first try."""

    questions: int  # that differ
    kept: int  # of them, with an answer in the cache
    most: Used
    cost: float | None  # None: without prices

    @property
    def requests(self) -> int:
        return self.questions - self.kept


class Budget:
    """The spending of one judge. `kept` is where its answers are, for the hint of an error."""

    def __init__(self, endpoint: Endpoint, kept: str) -> None:
        self.endpoint = endpoint
        self.kept = kept
        self.sent = Spent()  # of this start
        self._under_way = 0  # requests
        self._held = Used()
        self._changed = asyncio.Event()

    @property
    def requests(self) -> int:
        """Return the requests sent so far, those under way included."""
        return self.sent.requests + self._under_way

    @property
    def spent(self) -> Used:
        return self.sent.used

    @property
    def cost(self) -> float | None:
        return self.cost_of(self.sent)

    def cost_of(self, spent: Spent) -> float | None:
        """Return the price of what was spent; None without prices."""
        return self.endpoint.cost(spent.used.prompt, spent.used.completion) if self.endpoint.priced else None

    async def hold(self, most: Used) -> None:
        """Count a request that is about to be sent. Raises RewardError where it may cross a limit."""
        while reason := self._crossed(most):
            if not self._held.total:
                raise self._over(reason)
            self._changed.clear()
            await self._changed.wait()
        limit = self.endpoint.max_requests
        if limit is not None and self.requests >= limit:
            told = "the judge {model!r} has been sent max_requests = {limit} requests"
            raise self._over(message(told, model=self.endpoint.model, limit=limit))
        self._under_way += 1
        self._held += most

    def settle(self, most: Used, used: Used | None) -> Spent:
        """Replace a held `most` by what was used; None where the server may have worked and does not say."""
        one = Spent(1, most if used is None else used, used or Used(), int(used is None))
        self.release(most)
        self.sent += one
        return one

    def release(self, most: Used) -> None:
        """Give back a held `most` of a request that is not sent."""
        self._held -= most
        self._under_way -= 1
        self._changed.set()

    def _crossed(self, most: Used) -> Sentence | None:
        """Return why `most` more does not fit beside what is spent and held."""
        whole, end = self.spent + self._held + most, self.endpoint
        if end.max_total_tokens is not None and whole.total > end.max_total_tokens:
            told = (
                "the judge {model!r} has used {used} tokens; one more question may cross"
                " max_total_tokens = {limit}"
            )
            return message(told, model=end.model, used=self.spent.total, limit=end.max_total_tokens)
        if end.max_cost is not None and end.cost(whole.prompt, whole.completion) > end.max_cost:
            told = "the judge {model!r} has cost {used:.4g}; one more question may cross max_cost = {limit:g}"
            return message(told, model=end.model, used=self.cost or 0.0, limit=end.max_cost)
        return None

    def _over(self, reason: Sentence) -> RewardError:
        hint = "raise the limit, or start again to go on with a new one; {kept}"
        return RewardError(reason, hint=message(hint, kept=self.kept))
