"""The verbs of `truing annotate` that serve no page, against what they print, write and store."""

import csv
import json
from pathlib import Path

from truing.store.answers import PairAnswer
from truing.store.items import ItemPurpose
from truing.store.people import PersonRole
from truing.store.project import open_store
from truing.store.votes import NewVote


def rows(path: Path, *given: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in given), encoding="utf-8")
    return path


def voted(tmp_path: Path) -> Path:
    """Make a project of three pairs: Ada prefers the first responses, Bo too but for the last, a tie."""
    project = tmp_path / "project.db"
    pairs = [{"prompt": f"=q{n}", "answer1": f"a{n}", "answer2": f"b{n}"} for n in (1, 2, 3)]
    from truing.store.exchange import take_in
    from truing.store.foreign import read_votes_file, settings_for

    given = read_votes_file(rows(tmp_path / "pairs.jsonl", *pairs))
    settings = settings_for(given, "pairs").model_copy(update={"overlap": 2})
    with open_store(project, settings) as store:
        take_in(store, given)
        for name, last in (("Ada", "first"), ("Bo", "tie")):
            person = store.claim(store.invite(PersonRole.ANNOTATOR)[0], name)
            for shown in store.next_items(person.id, 3):
                answer = PairAnswer(last if shown.item.id == 3 else "first")  # pyright: ignore[reportArgumentType]
                store.save(NewVote(person.id, shown.item.id, answer, f"{name}-{shown.item.id}", seconds=2.0))
    return project


def test_votes_go_out_as_preferences_and_into_another_project_as_csv(truing, tmp_path):
    project = voted(tmp_path)
    out = tmp_path / "votes.jsonl"
    done = truing("annotate", "export", project, "--output", out, "--names")
    assert done.returncode == 0, done.stderr
    assert f"wrote 3 rows to {out}" in done.stderr
    found = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["chosen_probability"] for row in found] == [1.0, 1.0, 0.75]
    assert found[0]["annotation"]["people"] == ["Ada", "Bo"]
    table = tmp_path / "votes.csv"
    assert truing("annotate", "export", project, "--format", "csv", "-o", table).returncode == 0
    with table.open(encoding="utf-8-sig", newline="") as file:
        assert [row["prompt"] for row in csv.DictReader(file)] == [f"'=q{n}" for n in (1, 1, 2, 2, 3, 3)]
    other = tmp_path / "other.db"
    done = truing("annotate", "import", table, "--project", other)
    assert "3 items and 6 votes taken in; 0 votes were there" in done.stderr, done.stderr
    done = truing("annotate", "import", table, "--project", other)
    assert "0 items and 0 votes taken in; 6 votes were there" in done.stderr
    again = tmp_path / "again.csv"
    assert truing("annotate", "export", other, "--format", "csv", "-o", again).returncode == 0
    assert again.read_bytes() == table.read_bytes()


def test_status_counts_items_votes_and_people(truing, tmp_path):
    project = voted(tmp_path)
    done = truing("annotate", "status", project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "pairs: 3 items, 0 gold, 0 for training",
        "3 have their 2 votes, 0 some, 0 none; 6 votes in all",
        "1 disagreements to settle, 0 invitations open",
        "Ada  annotator: 3 votes, 0 skipped, 0 looked at twice, 0 flagged, 2.0 s each",
        "Bo   annotator: 3 votes, 0 skipped, 0 looked at twice, 0 flagged, 2.0 s each",
    ]
    found = json.loads(truing("annotate", "status", project, "--json").stdout)
    assert (found["done"], found["people"][1]["votes"]) == (3, 3)


def test_add_and_invite_work_while_people_vote(truing, tmp_path):
    project = voted(tmp_path)
    more = rows(tmp_path / "more.jsonl", {"prompt": "q", "chosen": "good", "rejected": "bad"})
    done = truing("annotate", "add", project, more, "--gold")
    assert "1 items added, 0 were there" in done.stderr, done.stderr
    done = truing("annotate", "invite", project, "--role", "adjudicator", "--url", "https://host/")
    with open_store(project) as store:
        [item] = store.items(ItemPurpose.GOLD)
        assert item.gold == PairAnswer("first")
        token = done.stdout.strip().removeprefix("https://host/join/")
        assert store.claim(token, "Cy").role is PersonRole.ADJUDICATOR


def test_a_person_who_was_signed_out_is_let_in_again(truing, tmp_path):
    project = voted(tmp_path)
    done = truing("annotate", "invite", project, "--again", "Bo", "--url", "https://host/")
    assert "for Bo alone" in done.stderr, done.stderr
    with open_store(project) as store:
        token = done.stdout.strip().removeprefix("https://host/join/")
        assert store.claim(token, "") == store.people()[1]
    done = truing("annotate", "invite", project, "--again", "Cy")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nobody in the project is called Cy" in done.stderr and "Ada, Bo" in done.stderr
    assert truing("annotate", "invite", project, "--again", "Bo", "--count", "2").returncode == 2


def test_mistakes_are_told_and_make_no_project(truing, tmp_path):
    for arguments, told in (
        (("status", tmp_path / "no.db"), "there is no project at"),
        (
            ("invite", voted(tmp_path), "--role", "boss"),
            "--role boss: expected annotator, adjudicator, admin",
        ),
        (
            ("export", tmp_path / "project.db", "--format", "xml", "-o", tmp_path / "x"),
            "--format xml: expected",
        ),
        (
            ("add", tmp_path / "project.db", tmp_path / "pairs.jsonl", "--gold", "--training"),
            "--gold and --training",
        ),
    ):
        done = truing("annotate", *arguments)
        assert done.returncode == 2
        assert told in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "no.db").exists()
