"""The routes of the arena: its page, a conversation that is followed, and what a person does in it.

contest = Contest({"before": …, "after": …}, Sampling())
app = make_app("Arena", [WebPart("truing.web.arena", arena_router(contest, store))], guard)
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from truing.core.errors import UsageError
from truing.core.messages import message, told
from truing.core.words import spoken
from truing.store.answers import PairAnswer, PairChoice
from truing.store.contests import ContestVote
from truing.store.items import Candidate, NewItem
from truing.store.project import ProjectStore
from truing.text.shown import SHOWN_CHARACTERS, plain
from truing.web.annotate.who import People
from truing.web.app import events, page
from truing.web.arena.contest import Contest
from truing.web.arena.standings import VotedPairs, standings
from truing.web.arena.talks import (
    ArenaRound,
    ArenaTalk,
    RoundOutcome,
    RoundSide,
    RoundState,
    SideState,
    waited,
)
from truing.web.markdown import text_row

QUIET = 1.0  # seconds without news after which a line says so: a browser that has left is noticed then


class ArenaQuestion(BaseModel):
    """A question of a person, in a talk or at the beginning of one."""

    text: str
    talk: str | None = None


class ArenaVerdict(BaseModel):
    """A verdict of a person on a round. `key` is made once by the page: a replay is the same vote."""

    number: int
    outcome: Literal["left", "right", "tie", "both_bad", "skip"]
    key: Annotated[str, Field(min_length=1, max_length=64)]
    seconds: Annotated[float, Field(ge=0)] | None = None


def arena_router(contest: Contest, store: ProjectStore) -> APIRouter:
    """Make the routes of a contest whose votes go to `store`."""
    router, voted, people = APIRouter(), VotedPairs(store), People(store)
    counting = asyncio.Lock()

    def talk_of(request: Request, name: str) -> ArenaTalk:
        talk = contest.talks.get(name)
        if talk is None or talk.person != people.of(request).id:
            raise HTTPException(404)
        return talk

    @router.get("/")
    async def begin(request: Request) -> Response:
        return page(request, "arena/arena.html.j2", contest=contest, talk=None)

    @router.get("/talks/{name}")
    async def show(request: Request, name: str) -> Response:
        return page(request, "arena/arena.html.j2", contest=contest, talk=talk_of(request, name))

    @router.post("/ask")
    async def ask(request: Request, asked: ArenaQuestion) -> dict[str, str]:
        talk = None if asked.talk is None else talk_of(request, asked.talk)
        return {"talk": contest.ask(talk, people.of(request).id, asked.text).id}

    @router.post("/talks/{name}/stop")
    async def stop(request: Request, name: str) -> dict[str, str]:
        contest.stop(talk_of(request, name))
        return {}

    @router.post("/talks/{name}/vote")
    async def vote(request: Request, name: str, judged: ArenaVerdict) -> dict[str, bool]:
        talk = talk_of(request, name)
        async with talk.voting:
            return {"new": await _judge(contest, store, talk, judged)}

    @router.get("/talks/{name}/events")
    async def follow(request: Request, name: str) -> Response:
        return events(request, _followed(contest, talk_of(request, name)))

    @router.get("/standings")
    async def stand() -> dict[str, Any]:
        async with counting:
            votes = await run_in_threadpool(list, voted)
            found = await run_in_threadpool(standings, votes, list(contest.models))
        rows = [asdict(one) | {"undefined": told(one.undefined, spoken())} for one in found.models]
        notes = [told(note, spoken()) for note in found.notes]
        return {"votes": found.votes, "bad": found.bad, "notes": notes, "models": rows}

    return router


async def _judge(contest: Contest, store: ProjectStore, talk: ArenaTalk, judged: ArenaVerdict) -> bool:
    """Store a vote and settle its round; return False for a round that is settled already."""
    found = next((one for one in talk.rounds if one.number == judged.number), None)
    if found is None:
        raise HTTPException(404)
    if found.state is RoundState.JUDGED:
        return False
    if found.state is not RoundState.READY:
        raise UsageError(
            message("there are no two responses to compare"),
            hint=message("wait until both have ended, or stop them"),
        )
    if judged.outcome != "skip":
        kept = _as_vote(contest, talk.person, found, judged)
        await run_in_threadpool(store.save_contest, kept)
    contest.judge(talk, found, judged.outcome)
    return True


def _as_vote(contest: Contest, person: int, found: ArenaRound, judged: ArenaVerdict) -> ContestVote:
    """Return a round as an item with a vote: responses are numbered in the order of the arena's models."""
    names = list(contest.models)
    order = tuple(sorted((0, 1), key=lambda side: names.index(found.sides[side].model)))
    responses = tuple(_candidate(found, found.sides[side]) for side in order)
    numbers = tuple(order.index(side) for side in (0, 1))  # of the responses, from left to right
    item = NewItem(found.prompt, responses, kind="pair", row={"source": "arena", "blind": contest.blind})
    answer = PairAnswer(_choice(judged.outcome, numbers))
    return ContestVote(person, item, numbers, answer, judged.key, judged.seconds)


def _choice(outcome: RoundOutcome, numbers: tuple[int, ...]) -> PairChoice:
    """Return an outcome by the numbers of the responses."""
    if outcome == "tie" or outcome == "both_bad":
        return outcome
    return "first" if numbers[outcome == "right"] == 0 else "second"


def _candidate(found: ArenaRound, side: RoundSide) -> Candidate:
    how = found.sampling
    meta = {
        "temperature": how.temperature,
        "max_new_tokens": how.max_new_tokens,
        "seed": how.seed,
        "finish": "stopped" if side.finish is None else side.finish.value,
    }
    return Candidate(side.text, side.model, meta)


async def _followed(contest: Contest, talk: ArenaTalk) -> AsyncIterator[tuple[str, Any]]:
    """Yield the whole talk whenever its shape changes, and new text as it comes."""
    shape, sent = -1, [0, 0]
    while True:
        changed = talk.changed
        if talk.shape != shape:
            shape = talk.shape
            newest = talk.newest
            sent = [len(side.text) for side in newest.sides] if newest else [0, 0]
            yield "talk", [_round(contest, one) for one in talk.rounds]
        elif talk.newest is not None:
            for place, side in enumerate(talk.newest.sides):
                text, sent[place] = side.text[sent[place] : SHOWN_CHARACTERS], len(side.text)
                if text:
                    yield "text", {"side": place, "text": plain(text)}
        if not await waited(changed, QUIET):
            yield "", None


def _round(contest: Contest, one: ArenaRound) -> dict[str, Any]:
    """Return a round as the page shows it. Names are there once they spoil nothing."""
    named = not contest.blind or one.spent
    return {
        "number": one.number,
        "question": text_row(one.prompt[-1].content),
        "state": one.state.value,
        "outcome": one.outcome,
        "goes_on": one.goes_on,
        "sides": [_side(side, named) for side in one.sides],
    }


def _side(side: RoundSide, named: bool) -> dict[str, Any]:
    writes = side.state is SideState.WRITING  # its text grows, and is shown as it is until it ends
    return {
        **text_row(side.text),
        **({"tree": None} if writes else {}),
        "model": plain(side.model) if named else None,
        "state": side.state.value,
        "finish": side.finish and side.finish.value,
        "error": told(side.error.message, spoken()) if side.error else None,
        "hint": told(side.error.hint, spoken()) if side.error else None,
    }
