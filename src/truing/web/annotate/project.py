"""The page of whoever looks after a project: live numbers, invitations, items in, votes out."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import HTMLResponse

from truing.core.words import t
from truing.store.people import PersonRole
from truing.store.project import ProjectStore
from truing.web.annotate.numbers import Numbers
from truing.web.annotate.shown import Given
from truing.web.annotate.who import MeAdmin, frame
from truing.web.app import page

ROLES = {
    PersonRole.ANNOTATOR: "Annotator",
    PersonRole.ADJUDICATOR: "Adjudicator",
    PersonRole.ADMIN: "Admin",
}


class GivenInvitations(Given):
    """How many people to invite, and as what."""

    role: PersonRole
    count: Annotated[int, Field(ge=1, le=100)]


def project_router(store: ProjectStore, numbers: Numbers | None) -> APIRouter:
    """Return the routes of the admins."""
    router = APIRouter(prefix="/project")

    @router.get("")
    def show(request: Request, me: MeAdmin) -> HTMLResponse:
        roles = [(role.value, t(name)) for role, name in ROLES.items()]
        shown = {"title": t("Project"), "project": store.settings, "roles": roles}
        told = {"numbers": _numbers(store, numbers)}
        return page(request, "annotate/project.html.j2", **shown, told=told, **frame(me, "/project"))

    @router.get("/numbers")
    def live(me: MeAdmin) -> dict[str, Any]:
        return _numbers(store, numbers)

    @router.post("/invitations")
    def invite(request: Request, me: MeAdmin, given: GivenInvitations) -> dict[str, Any]:
        tokens = store.invite(given.role, given.count)
        return {"links": [f"{request.base_url}join/{token}" for token in tokens]}

    return router


def _numbers(store: ProjectStore, numbers: Numbers | None) -> dict[str, Any]:
    return {"tables": [table.as_row() for table in numbers(store)] if numbers else []}
