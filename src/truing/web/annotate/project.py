"""The page of whoever looks after a project: live numbers, invitations, items in, votes out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from truing.core.words import t
from truing.store.items import ItemPurpose
from truing.store.people import PersonRole
from truing.store.project import ProjectStore
from truing.store.settings import KINDS, VoteKind
from truing.web.annotate.added import add_rows
from truing.web.annotate.exported import TITLES, votes_file
from truing.web.annotate.live import LiveNumbers
from truing.web.annotate.shown import SentBody
from truing.web.annotate.who import MeAdmin, frame
from truing.web.app import changes, events, page

# Makes the statistics of a project: tables as JSON, each with `title`, `explains`, `columns`, and `rows` of
# cells with `text` and, for a value that has one, `interval` in words and its ends `low`, `middle`, `high` on
# the scale from the table's `least` to its `most`.
VoteNumbers = Callable[[ProjectStore], Sequence[Mapping[str, Any]]]

ROLES = {
    PersonRole.ANNOTATOR: "Annotator",
    PersonRole.ADJUDICATOR: "Adjudicator",
    PersonRole.ADMIN: "Admin",
}
ASKED = {
    "pair": "The better of two",
    "ranking": "A ranking",
    "ratings": "Ratings",
    "safety": "A safety label",
    "edit": "A better text",
}
PURPOSES = {
    ItemPurpose.REAL: "Real items",
    ItemPurpose.GOLD: "Gold items, whose answer is known",
    ItemPurpose.TRAINING: "Training, shown first with its answer",
}


EVERY = 3.0  # seconds between two looks at the numbers that a page follows


class SentInvitations(SentBody):
    """A number of people to invite, and their role."""

    role: PersonRole
    count: Annotated[int, Field(ge=1, le=100)]


class SentRows(SentBody):
    """Rows to add, as the text of a file."""

    name: Annotated[str, Field(max_length=300)]
    text: str
    kind: VoteKind
    purpose: ItemPurpose


def project_router(store: ProjectStore, numbers: VoteNumbers | None) -> APIRouter:
    """Return the routes of the admins."""
    router = APIRouter(prefix="/project")
    live = LiveNumbers(lambda: [dict(table) for table in numbers(store)] if numbers else [], store.stamp)

    @router.get("")
    def show(request: Request, me: MeAdmin) -> HTMLResponse:
        settings = store.settings
        shown: dict[str, Any] = {
            "title": t("Project"),
            "project": settings,
            "roles": [(role.value, t(name)) for role, name in ROLES.items()],
            "kinds": [(kind, t(ASKED[kind])) for kind in KINDS],
            "purposes": [(purpose.value, t(name)) for purpose, name in PURPOSES.items()],
        }
        shown["formats"] = [(name, t(title)) for name, title in TITLES.items()]
        numbers_now = {"tables": live.tables()}
        return page(request, "annotate/project.html.j2", **shown, told=numbers_now, **frame(me, "/project"))

    @router.get("/events")
    async def follow(request: Request, me: MeAdmin) -> Response:
        return events(request, changes(lambda: {"tables": live.tables()}, EVERY))

    @router.post("/invitations")
    def invite(request: Request, me: MeAdmin, given: SentInvitations) -> dict[str, Any]:
        tokens = store.invite(given.role, given.count)
        return {"links": [f"{request.headers['origin']}/join/{token}" for token in tokens]}

    @router.post("/items")
    def add(me: MeAdmin, given: SentRows) -> dict[str, Any]:
        added = add_rows(store, given.name, given.text, given.kind, given.purpose)
        return {"said": t("{new} items added, {known} were there", new=added.new, known=added.known)}

    @router.get("/votes/{format_}")
    def export(me: MeAdmin, format_: str) -> Response:
        if format_ not in TITLES:
            raise HTTPException(404)
        file = votes_file(store, format_)
        headers = {"content-disposition": f'attachment; filename="{file.name}"'}
        return Response(file.content, media_type=file.media_type, headers=headers)

    return router
