"""The user's own function as a reward: called with a whole batch, and every result of it checked.

    def tone(prompts, responses, **columns) -> list[float]: ...
    async def ask(responses, reference, *, model="small") -> list[float]: ...

A function is given the arguments of its signature by name, each a list with one entry per response:

    prompts        turns, as [{"role": …, "content": …}, …]
    responses      text
    completions    the responses as one assistant turn each, or text; see `given.py` for functions of TRL
    reference, category, and every other field of the row; None where a row lacks it

It returns a list of one number per response, and None for a response that it does not score. `**columns`
receives all of these arguments; an argument that the recipe sets is an option and no column. Plain functions
run in a thread, coroutines on one event loop that stays open, so that clients can keep their connections.

Each response gets a score or a reason for having none, whatever a function does. After an exception the
function is called again. A call that hangs is cut off and not repeated: its time is spent, and its thread may
still run. A result of nan, inf, text or a wrong count is a failure (`guarded.py`). A function inside C code
that holds the interpreter cannot be cut off.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from truing.config.imports import load_function, told
from truing.config.options import called, check_options, keyword_options
from truing.core.errors import ConfigError
from truing.core.retries import Tries
from truing.core.threads import in_thread
from truing.rewards.given import (
    BATCH,
    TurnsAreNoTextError,
    offered,
    require_given,
    require_possible,
    required,
    texts_of,
)
from truing.rewards.guarded import (
    HungError,
    NoScoresError,
    RaisedError,
    guarded,
    read_scores,
    standing_streams,
)
from truing.rewards.types import Failed, Item, NotMine, RewardOutcome, ScoredItem, place_of

LONGEST = 1e6  # seconds, beyond which threads cannot wait
GRACE = 0.5  # seconds beyond the timeout, in which a cancelled coroutine may end by itself


class GaveUpError(Exception):
    """A function gave no scores after its tries, for the reason in the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """The options of every function: the time limit of a call and the number of retries."""

    timeout: Annotated[float, Field(gt=0, le=LONGEST)] = 60.0  # seconds
    retries: Annotated[int, Field(ge=0)] = 2
    backoff: Annotated[float, Field(ge=0, le=LONGEST)] = (
        1.0  # seconds before the first retry, doubled for each further one
    )


def own_reward(name: str, options: Mapping[str, Any]) -> "FunctionReward":
    """Make a reward of `module:function`, with its options and those of `Patience`."""
    function = load_function(name)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{name} does not say what its arguments are") from error
    named = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    takes = {one.name: _as_option(one) for one in named if one.name not in BATCH}
    patience = keyword_options(Patience)
    check_options(called("reward", name), {**takes, **patience}, options)
    own = {key: value for key, value in options.items() if key not in patience}
    rest = {key: value for key, value in options.items() if key in patience}
    require_possible(name, required(function, own))
    return FunctionReward(name, function, own, Patience(**rest))


def _as_option(parameter: inspect.Parameter) -> inspect.Parameter:
    """Turn an argument into an option: of its annotated kind where that is known, and never required."""
    known = parameter.annotation if parameter.annotation in (bool, int, float, str) else Any
    return parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=known, default=None)


class FunctionReward:
    """A function as a `Reward`. Failures call it `name`."""

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        options: Mapping[str, Any] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.name = name
        self.function = function
        self.options = options or {}
        self.patience = patience or Patience()
        self._runner = asyncio.Runner()  # makes its event loop with the first coroutine

    def require_columns(self, columns: Collection[str]) -> None:
        """Raise ConfigError where the function asks for an argument that rows with these columns lack."""
        require_given(self.name, required(self.function, self.options), columns)

    def __call__(self, items: Sequence[Item]) -> list[RewardOutcome]:
        if not items:
            return []
        try:
            return self._outcomes(self._tried(items), items)
        except GaveUpError as error:
            return [Failed(f"{self.name} on {place_of(item, i)}: {error}") for i, item in enumerate(items)]

    def _arguments(self, items: Sequence[Item]) -> dict[str, Any]:
        found = {**offered(items, texts_of(self.function)), **self.options}
        parameters = inspect.signature(self.function).parameters.values()
        if any(one.kind is one.VAR_KEYWORD for one in parameters):
            taken = found
        else:
            taken = {one.name: found[one.name] for one in parameters if one.name in found}
        for name in required(self.function, self.options):
            if name not in taken:
                raise GaveUpError(f"it asks for {name!r}, and no row has such a field")
        return taken

    def _tried(self, items: Sequence[Item]) -> list[float | str | None]:
        """Call the function until a try succeeds; return its scores. Raises GaveUpError after all tries."""
        tries = Tries(self.patience.retries + 1, self.patience.backoff)
        while True:
            try:
                return self._once(self._arguments(items), len(items))  # a failed try may have changed them
            except HungError:
                raise GaveUpError(f"took longer than {self.patience.timeout:g} s") from None
            except NoScoresError as error:
                raise GaveUpError(str(error)) from None
            except RaisedError as raised:
                error = raised.__cause__
                assert error is not None
                if isinstance(error, TurnsAreNoTextError):
                    raise GaveUpError(f"raised {told(error.in_the_function())}") from error
                pause = tries.failed()
                if pause is None:
                    raise GaveUpError(f"raised {told(error)}") from error
                time.sleep(pause)

    def _once(self, arguments: dict[str, Any], count: int) -> list[float | str | None]:
        runner = self._runner
        with standing_streams() as closed:
            future = in_thread(lambda: self._run(arguments, runner, count))
            done, _ = wait([future], self.patience.timeout + GRACE)
        if not done:
            self._runner = asyncio.Runner()  # the other may still be at work
            raise HungError
        if closed:
            raise GaveUpError(f"closed sys.{closed[0]}, which others write to")
        return future.result()

    def _run(self, arguments: dict[str, Any], runner: asyncio.Runner, count: int) -> list[float | str | None]:
        def work() -> list[float | str | None]:
            returned = self.function(**arguments)
            if inspect.isawaitable(returned):
                returned = runner.run(_within(returned, self.patience.timeout))
            return read_scores(returned, count)

        return guarded(work)

    def _outcomes(self, scores: Sequence[float | str | None], items: Sequence[Item]) -> list[RewardOutcome]:
        found: list[RewardOutcome] = []
        for index, score in enumerate(scores):
            if score is None:
                found.append(NotMine())
            elif isinstance(score, str):
                found.append(Failed(f"{self.name} on {place_of(items[index], index)}: returned {score}"))
            else:
                found.append(ScoredItem(score))
        return found


async def _within(awaitable: Awaitable[object], timeout: float) -> object:
    """Await a result; raise HungError, told apart from the awaitable's own TimeoutError, after `timeout`."""
    deadline = asyncio.timeout(timeout)
    try:
        async with deadline:
            return await awaitable
    except TimeoutError:
        if deadline.expired():
            raise HungError from None
        raise
    except (KeyboardInterrupt, SystemExit) as error:  # of the function; either would end the event loop
        raise RaisedError from error
