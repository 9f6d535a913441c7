"""Measure a vote and the draw after it, in this process, for some numbers of groups of people.

    python benchmarks/draw.py --groups 10 1000

A group are the people who have voted on an item that still lacks votes. Each of 1000 items has two of its
three votes, of as many different pairs of people as asked for; then somebody new votes. Times are of the
processor.
"""

import argparse
import tempfile
import time
from itertools import combinations
from pathlib import Path

from truing.core.records import user
from truing.store.answers import PairAnswer
from truing.store.exchange import VoteRow, take_in
from truing.store.items import Candidate, NewItem
from truing.store.people import PersonRole
from truing.store.project import open_store
from truing.store.settings import ProjectSettings
from truing.store.votes import NewVote

ITEMS, VOTES = 1000, 30
PEOPLE = [f"person {n}" for n in range(46)]  # who make 1035 pairs


def cost(path: Path, groups: int) -> float:
    """Return the milliseconds of a vote and the draw of the next item."""
    with open_store(path, ProjectSettings(overlap=3)) as store:
        couples = list(combinations(PEOPLE, 2))[:groups]
        items = [
            NewItem(user(f"q{n}"), (Candidate(f"a{n}"), Candidate(f"b{n}")), "pair") for n in range(ITEMS)
        ]
        rows = [
            VoteRow(item, name, PairAnswer("first"))
            for place, item in enumerate(items)
            for name in couples[place % groups]
        ]
        take_in(store, rows)
        person = store.add_person("somebody new", PersonRole.ANNOTATOR).id
        begun = time.process_time()
        for number in range(VOTES):
            (shown,) = store.next_items(person, 1)
            store.save(NewVote(person, shown.item.id, PairAnswer("tie"), f"vote {number}"))
        return 1000 * (time.process_time() - begun) / VOTES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", type=int, nargs="+", default=[10, 1000])
    with tempfile.TemporaryDirectory(prefix="truing-draw-") as folder:
        for groups in parser.parse_args().groups:
            print(f"{groups} groups: {cost(Path(folder) / f'{groups}.db', groups):.1f} ms")


if __name__ == "__main__":
    main()
