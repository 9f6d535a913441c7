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
still run. A result of nan, inf, text or a wrong count is a failure. A function inside C code that holds the
interpreter cannot be cut off.
"""

import asyncio
import inspect
import math
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from numbers import Real
from typing import Annotated, Any, TypeVar

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
from truing.rewards.types import Failed, Item, NotMine, RewardOutcome, ScoredItem, place_of

GRACE = 0.5  # seconds beyond the timeout, in which a cancelled coroutine may end by itself

_Result = TypeVar("_Result")


class HungError(Exception):
    """A call took longer than it may."""


class GaveUpError(Exception):
    """A function gave no scores, for the reason in the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """The options of every function: the time limit of a call and the number of retries."""

    timeout: Annotated[float, Field(gt=0)] = 60.0  # seconds
    retries: Annotated[int, Field(ge=0)] = 2
    backoff: Annotated[float, Field(ge=0)] = (
        1.0  # seconds before the first retry, doubled for each further one
    )


def own_reward(name: str, options: Mapping[str, Any]) -> "FunctionReward":
    """Make a reward of `module:function`, with its options and those of `Patience`."""
    function = load_function(name)
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError as error:
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
            returned = self._tried(self._arguments(items))
            return self._outcomes(_plain(returned), items)
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

    def _tried(self, arguments: dict[str, Any]) -> object:
        """Call the function until a try succeeds; return its result. Raises GaveUpError after all tries."""
        tries = Tries(self.patience.retries + 1, self.patience.backoff)
        while True:
            try:
                return self._once(arguments)
            except HungError:
                raise GaveUpError(f"took longer than {self.patience.timeout:g} s") from None
            except TurnsAreNoTextError as error:
                raise GaveUpError(f"raised {told(error.in_the_function())}") from error
            except (
                Exception,
                SystemExit,
                asyncio.CancelledError,
            ) as error:  # not ours: it may raise anything
                pause = tries.failed()
                if pause is None:
                    raise GaveUpError(f"raised {told(error)}") from error
                time.sleep(pause)

    def _once(self, arguments: dict[str, Any]) -> object:
        runner = self._runner
        future = in_thread(lambda: self._run(arguments, runner))
        done, _ = wait([future], self.patience.timeout + GRACE)
        if not done:
            self._runner = asyncio.Runner()  # the other may still be at work
            raise HungError
        return future.result()

    def _run(self, arguments: dict[str, Any], runner: asyncio.Runner) -> object:
        returned = self.function(**arguments)
        if not inspect.isawaitable(returned):
            return returned
        return runner.run(_within(returned, self.patience.timeout))

    def _outcomes(self, returned: object, items: Sequence[Item]) -> list[RewardOutcome]:
        if not isinstance(returned, list | tuple):
            raise GaveUpError(f"returned {_shown(returned)}, expected a list of {len(items)} numbers")
        if len(returned) != len(items):
            raise GaveUpError(f"returned {len(returned)} values for {len(items)} responses")
        found: list[RewardOutcome] = []
        for index, value in enumerate(map(_plain, returned)):
            if value is None:
                found.append(NotMine())
                continue
            score = _score(value)
            place = place_of(items[index], index)
            found.append(
                Failed(f"{self.name} on {place}: returned {_shown(value)}")
                if score is None
                else ScoredItem(score)
            )
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


def _plain(value: Any) -> object:
    """Turn tensors and arrays into lists and numbers."""
    tolist = getattr(value, "tolist", None)
    return tolist() if callable(tolist) else value


def _score(value: object) -> float | None:
    """Return a finite number as a float, and None for anything else."""
    if not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _shown(value: object) -> str:
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"
