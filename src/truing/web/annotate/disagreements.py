"""Disagreements: items whose votes differ, and the vote of an adjudicator that settles each."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse

from truing.core.words import t
from truing.store.draw import ShownItem
from truing.store.items import StoredItem
from truing.store.project import ProjectStore
from truing.store.settling import Disagreement
from truing.store.votes import NewVote
from truing.web.annotate.shown import SentHeld, SentVote, answer_of, axis_names, item_row, said_answer
from truing.web.annotate.who import MeSettling, frame, storage_name
from truing.web.app import page
from truing.web.markdown import markdown


def disagreements_router(store: ProjectStore) -> APIRouter:
    """Return the routes of the adjudicators."""
    router = APIRouter(prefix="/disagreements")

    @router.get("")
    def show(request: Request, me: MeSettling) -> HTMLResponse:
        settings = store.settings
        told = {
            "name": storage_name(store, me) + "/settling",
            "next": "/disagreements/next",
            "save": "/disagreements/settle",
            "undo": None,
            "names": axis_names(settings.axes),
            "voted": 0,
            "last": None,
            "guidelines": bool(settings.guidelines),
        }
        shown = {"told": told, "guidelines": markdown(settings.guidelines), "title": t("Disagreements")}
        return page(request, "annotate/vote.html.j2", **shown, **frame(me, "/disagreements"))

    @router.post("/next")
    def next_items(me: MeSettling, given: SentHeld) -> dict[str, Any]:
        people = {person.id: person.name for person in store.people()}
        axes = store.settings.axes
        waiting = store.disagreements(count=given.count, held=given.held)
        return {"items": [disagreement_row(one, people, axes) for one in waiting]}

    @router.post("/settle")
    def settle(me: MeSettling, given: SentVote) -> dict[str, Any]:
        item = store.get_items([given.item]).get(given.item)
        if item is None or item.key != given.key:
            raise HTTPException(409, t("The item is not one that you were shown here."))
        vote = NewVote(
            person=me.id,
            item=item.id,
            answer=answer_of(given.answer, _own_order(item)),
            client_key=given.client_key,
            seconds=given.seconds,
            comment=given.comment,
            flag=given.flag,
        )
        saved = store.adjudicate(vote)
        return {"id": saved.id, "new": saved.new}

    return router


def disagreement_row(found: Disagreement, people: Mapping[int, str], axes: tuple[str, ...]) -> dict[str, Any]:
    """Return a disagreement as the page takes it: the item, and who said what about it."""
    order, names = _own_order(found.item), axis_names(axes)
    row = item_row(ShownItem(found.item, look=1, order=order, position=0), axes)
    votes = [
        {
            "name": people[vote.person],
            "said": said_answer(vote.answer, order, names),
            "comment": vote.comment,
        }
        for vote in found.votes
        if vote.answer is not None
    ]
    return row | {"votes": votes}


def _own_order(item: StoredItem) -> tuple[int, ...]:
    return tuple(range(len(item.responses)))
