"""The contest: who competes, who writes now, and what a vote means for the conversation."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from truing.core.errors import ModelError, TruingError, UsageError
from truing.core.messages import message
from truing.core.records import user
from truing.sampling.streaming import Streamer
from truing.sampling.types import Sampling
from truing.web.arena.drawing import draw_pair, draw_seed, draw_side
from truing.web.arena.talks import ArenaRound, ArenaTalk, RoundOutcome, RoundSide, RoundState, SideState

log = logging.getLogger(__name__)

MOST_TALKS = 500  # of all people; the oldest that nobody writes in is forgotten
MOST_ROUNDS = 100  # of one talk
LONGEST_QUESTION = 100_000  # characters


@dataclass
class Contest:
    """The models by their names, and the conversations with them. Belongs to one event loop.

    `compared` counts the votes on each pair of models, those of earlier days too; `blind` hides names until
    the vote.
    """

    models: Mapping[str, Streamer]
    sampling: Sampling
    compared: "Counter[frozenset[str]]" = field(default_factory=lambda: Counter[frozenset[str]]())
    blind: bool = True
    seed: int = 0
    begun: int = 0  # rounds so far
    talks: dict[str, ArenaTalk] = field(default_factory=dict[str, ArenaTalk])

    def __post_init__(self) -> None:
        if len(self.models) < 2:
            raise UsageError(
                message("{n} model is given, and an arena compares at least two", n=len(self.models)),
                hint=message("name another one, such as the model before training"),
            )

    def ask(self, talk: ArenaTalk | None, person: int, question: str) -> ArenaTalk:
        """Begin a round of a talk, or of a new one; return the talk. Raises UsageError where it may not.

        A person has one round written at a time, so that nobody keeps the models from the others.
        """
        if not question.strip() or len(question) > LONGEST_QUESTION:
            raise UsageError(
                message(
                    "a question of {n} characters: expected 1 to {most}",
                    n=len(question.strip()),
                    most=LONGEST_QUESTION,
                )
            )
        if talk is not None and talk.newest is not None and not talk.newest.over:
            raise UsageError(message("the last question is open"), hint=message("vote on it, or skip it"))
        if talk is not None and len(talk.rounds) >= MOST_ROUNDS:
            raise UsageError(
                message("the conversation has {n} questions, the most", n=MOST_ROUNDS),
                hint=message("begin a new conversation"),
            )
        if any(any(other.running()) for other in self.talks.values() if other.person == person):
            raise UsageError(
                message("another question of yours is still being answered"),
                hint=message("wait for its responses, or stop them in its conversation"),
            )
        talk = self._begin(person) if talk is None else talk
        number, self.begun = self.begun, self.begun + 1
        left, right = draw_pair(list(self.models), self._with_open_ones(), self.seed, number)
        sampling = replace(self.sampling, seed=draw_seed(self.seed, number))
        prompt = (*talk.turns, *user(question))
        opened = ArenaRound(number, prompt, sampling, (RoundSide(left), RoundSide(right)))
        talk.rounds.append(opened)
        for side in opened.sides:
            side.task = asyncio.create_task(self._write(talk, opened, side))
        talk.touch()
        return talk

    def stop(self, talk: ArenaTalk) -> None:
        """Stop what is being written; the text so far is kept, and a side without any has failed."""
        for side in talk.running():
            assert side.task is not None
            side.state = SideState.STOPPED if side.text else SideState.FAILED
            if not side.text:
                side.error = ModelError(message("it was stopped before its first word"))
            side.task.cancel()
        talk.touch()

    def judge(self, talk: ArenaTalk, judged: ArenaRound, outcome: RoundOutcome) -> None:
        """Settle a round; a vote on it is stored already."""
        judged.outcome = outcome
        judged.goes_on = {"left": 0, "right": 1, "tie": draw_side(self.seed, judged.number)}.get(outcome)
        if outcome != "skip":
            self.compared[_pair_of(judged)] += 1
        talk.touch()

    async def _write(self, talk: ArenaTalk, opened: ArenaRound, side: RoundSide) -> None:
        """Have one side written. An error is this side's alone."""

        def take(piece: str) -> None:
            if side.state is SideState.WRITING:
                side.text += piece
                talk.touch(shape=False)

        try:
            said = await self.models[side.model].speak(opened.prompt, opened.sampling, take)
            side.text, side.finish, side.state = said.text, said.finish, SideState.DONE
        except TruingError as error:
            side.error, side.state = error, SideState.FAILED
            log.warning("%s: %s", side.model, error)
        except Exception as error:  # of a library: the other side goes on, and the terminal has the rest
            log.exception("%s failed", side.model)
            kind = type(error).__name__
            told = message("{model} failed: {kind}: {error}", model=side.model, kind=kind, error=error)
            side.error, side.state = ModelError(told), SideState.FAILED
        talk.touch()

    def _begin(self, person: int) -> ArenaTalk:
        if len(self.talks) >= MOST_TALKS:
            idle = (id_ for id_, old in self.talks.items() if not any(old.running()))
            self.stop(self.talks.pop(next(idle, next(iter(self.talks)))))
        talk = ArenaTalk(person)
        self.talks[talk.id] = talk
        return talk

    def _with_open_ones(self) -> "Counter[frozenset[str]]":
        """Return the comparisons of each pair, with those that are under way."""
        rounds = (one.newest for one in self.talks.values())
        waiting = (one for one in rounds if one and one.state in (RoundState.WRITING, RoundState.READY))
        return self.compared + Counter(map(_pair_of, waiting))


def _pair_of(one: ArenaRound) -> frozenset[str]:
    return frozenset(side.model for side in one.sides)
