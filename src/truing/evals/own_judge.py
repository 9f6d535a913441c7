"""A judge of one's own: a function that prefers one response of each pair.

    def shorter(prompts, responses, others) -> list[float | None]: ...

It is given by name what its signature asks for, a list with one entry a pair: `prompts` (turns), `responses`
of the model and `others` of the model it is held against (text). It returns 1 where the first response is
the better one, 0 where the second is, 0.5 for a tie, and None for no verdict.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from truing.config.imports import load_function, told
from truing.core.errors import ConfigError, RewardError
from truing.core.messages import message
from truing.core.records import Turns
from truing.core.threads import in_thread
from truing.rewards.guarded import NoScoresError, RaisedError, guarded, read_scores, shown

WRONG = "the judge {name} returned {returned}: expected a list of {count} numbers from 0 to 1, or None"
GIVEN = ("prompts", "responses", "others")

Preferences = list[float | None]
OwnJudge = Callable[[Sequence[Turns], Sequence[str], Sequence[str]], Preferences]


def own_judge(name: str, options: Mapping[str, Any]) -> OwnJudge:
    """Return the judge that `module:function` names.

    Raise ConfigError for arguments that nothing supplies.
    """
    function = load_function(name)
    takes = inspect.signature(function).parameters
    every = any(one.kind is one.VAR_KEYWORD for one in takes.values())
    asked = [key for key in GIVEN if every or key in takes]
    named = {key: one for key, one in takes.items() if one.kind is not one.VAR_KEYWORD}
    required = [key for key, one in named.items() if one.default is one.empty]
    lacking = [key for key in required if key not in (*asked, *options)]
    if wrong := lacking + [key for key in options if not every and key not in takes]:
        said = "the judge {name} takes {takes}: a judge is given {given} and its options"
        raise ConfigError(
            message(said, name=name, takes=", ".join(map(str, takes.values())), given=", ".join(GIVEN)),
            hint=message("look at {names}", names=", ".join(wrong)),
        )

    def judge(prompts: Sequence[Turns], responses: Sequence[str], others: Sequence[str]) -> Preferences:
        turns = [[turn.as_dict() for turn in prompt] for prompt in prompts]
        given = {"prompts": turns, "responses": list(responses), "others": list(others)}
        try:
            return in_thread(lambda: guarded(lambda: _asked(given, len(responses)))).result()
        except RaisedError as error:
            assert error.__cause__ is not None
            raise RewardError(
                message("the judge {name} raised {error}", name=name, error=told(error.__cause__))
            ) from error
        except NoScoresError as error:
            raise RewardError(message(WRONG, name=name, returned=error, count=len(responses))) from error

    def _asked(given: Mapping[str, Any], count: int) -> Preferences:
        return _preferences(function(**{key: given[key] for key in asked}, **options), count)

    return judge


def _preferences(returned: object, count: int) -> Preferences:
    """Check what a judge returned. Raise NoScoresError for anything but `count` preferences from 0 to 1."""
    try:
        scores = read_scores(returned, count)
    except NoScoresError:
        raise NoScoresError(shown(returned)) from None
    found: Preferences = []
    for score in scores:
        if isinstance(score, str) or (score is not None and not 0 <= score <= 1):
            raise NoScoresError(shown(returned))
        found.append(score)
    return found
