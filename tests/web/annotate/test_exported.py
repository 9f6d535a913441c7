"""Votes leave the page as files that training, spreadsheets and Label Studio read."""

import json

from truing.data.load import load_records
from truing.store.people import PersonRole
from truing.web.annotate.exported import TITLES, votes_file

from .projects import app_of, ballot, item, pairs, take, visit


def test_an_admin_takes_votes_out_while_people_vote(project, served, tmp_path):
    store = project([*pairs(3), item("q", "=1+1", "no")])
    site = served(app_of(store))
    with visit(site, store, "Ada") as ada, visit(site, store, "Cy", PersonRole.ADMIN) as admin:
        assert admin.get("/project/votes/preference").status_code == 400, "nobody voted yet"
        for shown in take(ada, 4):
            ada.post("/votes", json=ballot(shown, f"k{shown['item']}", kind="pair", side=0))
        files = {name: admin.get(f"/project/votes/{name}") for name in TITLES}
        assert admin.get("/project/votes/passwd").status_code == 404
        assert ada.get("/project/votes/csv").status_code == 403
    assert {name: file.status_code for name, file in files.items()} == dict.fromkeys(TITLES, 200)
    assert all("attachment" in file.headers["content-disposition"] for file in files.values())
    path = tmp_path / "votes.jsonl"
    path.write_bytes(files["preference"].content)
    assert len(load_records([str(path)]).records) == 4
    assert "'=1+1" in files["csv"].text
    assert len(json.loads(files["label-studio"].text)) == 4
    assert votes_file(store, "kto").content == files["kto"].content
