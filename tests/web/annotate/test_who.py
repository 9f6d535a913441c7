"""A role opens its own pages and no others."""

import pytest

from truing.store.people import PersonRole

from .projects import app_of, pairs, visit

PAGES = ("/", "/disagreements", "/project")


@pytest.mark.parametrize(
    ("role", "opened"),
    [(PersonRole.ANNOTATOR, 1), (PersonRole.ADJUDICATOR, 2), (PersonRole.ADMIN, 3)],
)
def test_a_role_opens_its_pages(project, served, role, opened):
    store = project(pairs(1))
    site = served(app_of(store))
    with visit(site, store, "Ada", role) as client:
        assert [client.get(path).status_code for path in PAGES] == [200] * opened + [403] * (3 - opened)
        links = client.get("/", headers={"accept": "text/html"}).text
        assert [f'href="{path}"' in links.partition("<main")[0] for path in PAGES[1:]] == [
            n < opened for n in (1, 2)
        ]
        invited = client.post("/project/invitations", json={"role": "admin", "count": 1})
        assert invited.status_code == (200 if role is PersonRole.ADMIN else 403)
