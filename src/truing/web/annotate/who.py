"""The person behind a request, and what their role lets them do."""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from truing.core.words import t
from truing.store.people import Person, PersonRole
from truing.store.project import ProjectStore
from truing.web.guard import visitor

SETTLERS = (PersonRole.ADJUDICATOR, PersonRole.ADMIN)


@dataclass
class People:
    """The people of a project, among them the owner of the process, who votes and administers as an admin."""

    store: ProjectStore
    _owner: Person | None = field(default=None, init=False)

    def owner(self) -> Person:
        """Return the first admin of the project, made where there is none."""
        if self._owner is None:
            admins = [one for one in self.store.people() if one.role is PersonRole.ADMIN]
            self._owner = admins[0] if admins else self.store.add_person(t("Owner"), PersonRole.ADMIN)
        return self._owner

    def of(self, request: Request) -> Person:
        who = visitor(request)
        return who.person if who.person is not None else self.owner()


def _person(request: Request) -> Person:
    people: People = request.state.people
    return people.of(request)


def _settler(request: Request) -> Person:
    return _with_role(request, *SETTLERS)


def _admin(request: Request) -> Person:
    return _with_role(request, PersonRole.ADMIN)


def _with_role(request: Request, *roles: PersonRole) -> Person:
    person = _person(request)
    if person.role not in roles:
        raise HTTPException(403, t("This page is for another role than yours."))
    return person


Me = Annotated[Person, Depends(_person)]
MeSettling = Annotated[Person, Depends(_settler)]
MeAdmin = Annotated[Person, Depends(_admin)]


def frame(person: Person, here: str) -> dict[str, Any]:
    """Return what the navigation of every page of a project shows."""
    links = [("/", t("Vote"))]
    if person.role in SETTLERS:
        links.append(("/disagreements", t("Disagreements")))
    if person.role is PersonRole.ADMIN:
        links.append(("/project", t("Project")))
    return {"links": links, "path": here, "person": person}


def storage_name(store: ProjectStore, person: Person) -> str:
    """Return the name under which a browser keeps a person's votes until they are stored."""
    return f"{sha256(store.place.encode()).hexdigest()[:12]}/{person.id}"
