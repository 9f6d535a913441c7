"""The routes of a project: joining, voting, settling disagreements, and looking after it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from truing.core.words import t
from truing.store.draw import ShownItem
from truing.store.items import ItemPurpose
from truing.store.people import Person
from truing.store.project import ProjectStore
from truing.store.votes import NewVote, SeenItem
from truing.web.annotate.disagreements import disagreements_router
from truing.web.annotate.project import VoteNumbers, project_router
from truing.web.annotate.shown import (
    SentBody,
    SentHeld,
    SentVote,
    answer_of,
    axis_names,
    item_row,
    said_answer,
    same_answer,
)
from truing.web.annotate.who import Me, People, frame, storage_name
from truing.web.app import page
from truing.web.guard import PageGuard, visitor
from truing.web.markdown import markdown


class SentName(SentBody):
    """The name of somebody who joins; who comes back has one."""

    name: Annotated[str, Field(max_length=200)] = ""


class SentUndo(SentBody):
    """An undo of the vote with the key `vote`; its own key makes a replay nothing."""

    client_key: Annotated[str, Field(min_length=1, max_length=64)]
    vote: Annotated[str, Field(min_length=1, max_length=64)]


def annotate_router(store: ProjectStore, numbers: VoteNumbers | None = None) -> APIRouter:
    """Return the routes of a project. `numbers` makes the statistics of its votes from the store."""
    people = People(store)

    def know_people(request: Request) -> None:
        request.state.people = people

    router = APIRouter(dependencies=[Depends(know_people)])
    router.include_router(join_router(store))
    router.include_router(_vote_router(store, people))
    router.include_router(disagreements_router(store))
    router.include_router(project_router(store, numbers))
    return router


def join_router(store: ProjectStore) -> APIRouter:
    """Return the routes of invitations; its page needs the templates of this package."""
    router = APIRouter()

    @router.get("/join/{token}")
    def invited(request: Request, token: str) -> HTMLResponse:
        shown = {"project": store.settings.name, "known": visitor(request).person}
        back = store.returning(token)
        return page(request, "annotate/join.html.j2", back=back, links=[], path="", **shown)

    @router.post("/join/{token}")
    def join(request: Request, token: str, given: SentName) -> Response:
        person = store.claim(token, given.name)
        guard: PageGuard = request.app.state.guard
        response = JSONResponse({})
        guard.admit(request, response, store.sign_in(person.id))
        return response

    return router


def _vote_router(store: ProjectStore, people: People) -> APIRouter:
    router = APIRouter()

    @router.get("/")
    def vote(request: Request, me: Me) -> Response:
        if visitor(request).owner:  # as a person, whose session outlives this process
            guard: PageGuard = request.app.state.guard
            response = RedirectResponse("/", 303)
            guard.admit(request, response, store.sign_in(me.id))
            return response
        settings = store.settings
        told = {
            "name": storage_name(store, me),
            "next": "/next",
            "save": "/votes",
            "undo": "/undo",
            "names": axis_names(settings.axes),
            "voted": store.standing_count(me.id),
            "last": store.latest_key(me.id),
            "guidelines": bool(settings.guidelines),
        }
        shown = {"told": told, "guidelines": markdown(settings.guidelines), "title": t("Vote")}
        return page(request, "annotate/vote.html.j2", **shown, **frame(me, "/"))

    @router.post("/next")
    def next_items(me: Me, given: SentHeld) -> dict[str, Any]:
        found = store.next_items(me.id, given.count, held=given.held)
        axes = store.settings.axes if any(one.item.kind == "ratings" for one in found) else ()
        return {"items": [item_row(one, axes) for one in found]}

    @router.post("/votes")
    def save(me: Me, given: SentVote) -> dict[str, Any]:
        seen = SeenItem(given.item, given.look, given.key)
        found = store.save_shown(me.id, seen, lambda shown: _new_vote(me, given, shown))
        if found is None:
            raise HTTPException(409, t("The item is not one that you were shown here."))
        shown, saved = found
        told: dict[str, Any] = {"id": saved.id, "new": saved.new}
        if shown.item.purpose is ItemPurpose.TRAINING and given.answer.kind != "skip":
            told["known"] = _known(store, shown, given)
        return told

    @router.post("/undo")
    def undo(me: Me, given: SentUndo) -> dict[str, Any]:
        shown = store.undo(me.id, given.vote, given.client_key)
        before = store.latest_key(me.id, given.vote)
        return {
            "item": None if shown is None else item_row(shown, store.settings.axes),
            "before": before,
        }

    return router


def _new_vote(me: Person, given: SentVote, shown: ShownItem) -> NewVote:
    return NewVote(
        person=me.id,
        item=given.item,
        answer=answer_of(given.answer, shown.order),
        client_key=given.client_key,
        look=given.look,
        seconds=given.seconds,
        comment=given.comment,
        flag=given.flag,
    )


def _known(store: ProjectStore, shown: ShownItem, given: SentVote) -> dict[str, Any]:
    """Return the known answer of a training item in words, and whether it was given."""
    known = shown.item.gold
    assert known is not None
    names = axis_names(store.settings.axes)
    return {
        "right": same_answer(answer_of(given.answer, shown.order), known),
        "said": said_answer(known, shown.order, names),
        "why": str(shown.item.row.get("why", "")),
    }
