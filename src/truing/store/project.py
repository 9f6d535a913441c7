"""A project: the one object that pages, verbs and loops use. Each method is one transaction.

Every method raises StorageError where the database cannot be used.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection, Text, func, insert, select, type_coerce, update

from truing.core.errors import StorageError
from truing.core.messages import message
from truing.store import contests, draw, items, people, schema, settling, votes
from truing.store.contests import ContestVote
from truing.store.database import Database
from truing.store.draw import ShownItem
from truing.store.items import AddedItems, ItemPurpose, NewItem, StoredItem
from truing.store.migrations import holds_project, no_project, prepare
from truing.store.people import Person, PersonRole
from truing.store.schema import project as project_table
from truing.store.settings import ProjectSettings, read_settings
from truing.store.settling import Disagreement
from truing.store.votes import NewVote, SavedVote, SeenItem, Vote

T = TypeVar("T")
_SETTINGS = select(type_coerce(project_table.c.settings, Text))
_SETTINGS_HELD = _SETTINGS.with_for_update(read=True)


def open_store(
    where: str | Path, settings: ProjectSettings | None = None, *, create: bool = True
) -> "ProjectStore":
    """Open the project in a file, or at postgresql://USER@HOST/NAME, and bring its tables up to date.

    A project that is not there is made with `settings`; with `create=False` it is an error. Raises
    StorageError for a place that cannot be written, a file that is no project, and a project of a newer
    truing.
    """
    database = Database(str(where))
    if database.is_file:
        _require_place(database, create=create)
    try:
        with database.drawing() as connection:
            prepare(connection, database.place, create=create)
            if connection.scalar(select(project_table.c.id)) is None:
                row = {
                    "id": 1,
                    "settings": _settings_row(settings or ProjectSettings()),
                    "created": time.time(),
                }
                connection.execute(insert(project_table).values(row))
    except BaseException:
        database.close()
        raise
    return ProjectStore(database)


def _require_place(database: Database, *, create: bool) -> None:
    """Raise the error of a place that can hold no project, before a file is opened for writing."""
    path = Path(database.place)
    if path.is_dir():
        raise StorageError(
            message("{path} is a folder: expected the file of a project", path=path),
            hint=message("name a file in it, such as {path}", path=path / "project.db"),
        )
    if path.exists():
        names = database.tables_of_file()
        holds_project(names, names, database.place, create=create)
        return
    if not create:
        raise no_project(path)
    if not path.parent.is_dir():
        raise StorageError(
            message("there is no folder {path} for the project", path=path.parent),
            hint=message("make the folder, or name a file in another one"),
        )


def _settings_row(settings: ProjectSettings) -> dict[str, object]:
    return settings.model_dump(mode="json")


def _settings(connection: Connection, *, hold: bool = False) -> ProjectSettings:
    """Return the settings; with `hold` nobody changes them before the transaction ends."""
    stored = connection.scalar(_SETTINGS_HELD if hold else _SETTINGS)
    assert stored is not None
    return read_settings(stored)


class ProjectStore:
    """An open project. Threads share it, and processes share the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sessions: dict[str, Person] = {}  # by secret: as many as there are people, or few more
        self.place = database.place  # without a password

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    @property
    def settings(self) -> ProjectSettings:
        """The settings as they stand in the database now."""
        with self._database.reading() as connection:
            return _settings(connection)

    def stamp(self) -> tuple[object, ...]:
        """Return a value that another vote, undo, item, person or setting changes."""
        numbers = (schema.votes.c.id, schema.items.c.id, schema.people.c.id)
        newest = [select(func.max(number)).scalar_subquery() for number in numbers]
        now = select(*newest, select(project_table.c.settings).scalar_subquery())
        with self._database.reading() as connection:
            return tuple(connection.execute(now).one())

    def change_settings(self, settings: ProjectSettings) -> None:
        """Put other settings in place; another overlap opens or closes items."""
        with self._database.drawing() as connection:
            connection.execute(update(project_table).values(settings=_settings_row(settings)))
            votes.rewant(connection, settings)

    def transact(self, work: Callable[[Connection, ProjectSettings], T]) -> T:
        """Return what `work` returns for one transaction, which is undone where it raises."""
        with self._database.drawing() as connection:
            return work(connection, _settings(connection))

    # People

    def invite(self, role: PersonRole = PersonRole.ANNOTATOR, count: int = 1) -> list[str]:
        """Make `count` invitations that work once each, and return their tokens, which are stored nowhere."""
        with self._database.writing() as connection:
            return people.invite(connection, role, count)

    def open_invitations(self) -> dict[PersonRole, int]:
        """Return how many invitations of each role nobody has claimed."""
        with self._database.reading() as connection:
            return people.open_invitations(connection)

    def way_back(self, name: str) -> str:
        """Make a token that lets a person in once more, for a week; the ones before it work no longer.

        Namesakes are told apart by their numbers, "Ada (3)". Raises UsageError where nobody is called so.
        """
        with self._database.writing() as connection:
            return people.way_back(connection, name)

    def returning(self, token: str) -> Person | None:
        """Return the person whose way back a token is, or None."""
        with self._database.reading() as connection:
            return people.returning(connection, token)

    def claim(self, token: str, name: str) -> Person:
        """Use an invitation or a way back. Raises UsageError for a token that is unknown or was used."""
        with self._database.writing() as connection:
            return people.claim(connection, token, name)

    def add_person(self, name: str, role: PersonRole) -> Person:
        """Make a person without an invitation, such as the one who opens the project on their own machine."""
        with self._database.writing() as connection:
            return people.add_person(connection, name, role)

    def sign_in(self, person: int) -> str:
        """Make a session, and return the secret that the browser keeps."""
        with self._database.writing() as connection:
            return people.sign_in(connection, person)

    def signed_in(self, secret: str) -> Person | None:
        """Return the person of a session's secret, or None.

        A person that was found is remembered: no session is ever taken back, and no role changes.
        """
        if (known := self._sessions.get(secret)) is not None:
            return known
        with self._database.reading() as connection:
            found = people.signed_in(connection, secret)
        if found is not None:
            self._sessions[secret] = found
        return found

    def people(self) -> list[Person]:
        """Return all people in the order in which they came."""
        with self._database.reading() as connection:
            return people.list_people(connection)

    # Items

    def add_items(self, given: Iterable[NewItem]) -> AddedItems:
        """Add the items that the project lacks. Raises DataError, and adds none, if one does not fit."""
        with self._database.drawing() as connection:
            return items.add_items(connection, _settings(connection), given)

    def set_priorities(self, priorities: Mapping[int, float]) -> None:
        """Set the priority of items by number; the higher comes first among items of as many votes."""
        with self._database.writing() as connection:
            items.set_priorities(connection, priorities)

    def items(self, purpose: ItemPurpose | None = None) -> Iterator[StoredItem]:
        """Return all items, or those of one purpose, in the order in which they came."""
        with self._database.reading() as connection:
            return items.list_items(connection, purpose)

    def get_items(self, numbers: Iterable[int]) -> dict[int, StoredItem]:
        """Return items by number; a number that is not in the project is left out."""
        with self._database.reading() as connection:
            return items.get_items(connection, numbers)

    def count_items(self) -> dict[ItemPurpose, int]:
        """Return how many items of each purpose there are."""
        with self._database.reading() as connection:
            return items.count_items(connection)

    def next_items(
        self, person: int, count: int = 3, *, training: bool = True, held: Collection[int] = ()
    ) -> list[ShownItem]:
        """Return up to `count` items for a person: those that lie open before them, then new ones.

        `held` are numbers of items that the page has already, votes that it has not sent among them. What is
        returned is the person's until `settings.lease` seconds have passed without another call.
        """
        with self._database.drawing() as connection:
            how = {"training": training, "held": held}
            return draw.next_items(connection, _settings(connection), person, count, **how)

    # Votes

    def save(self, vote: NewVote) -> SavedVote:
        """Append a vote, on disk when this returns; a replay of its key changes nothing.

        A second vote on the same item and look stands in place of the first, which stays in the history.
        Raises NotAskedError for an item that the person was not shown, and UsageError for an answer that is
        no answer to its question.
        """
        with self._database.writing() as connection:
            return votes.save(connection, _settings(connection, hold=True), vote)

    def save_shown(
        self, person: int, seen: SeenItem, vote_of: Callable[[ShownItem], NewVote]
    ) -> tuple[ShownItem, SavedVote] | None:
        """Append, as `save` does, the vote that `vote_of` makes of an item as the person was shown it.

        None where the person was never shown such an item.
        """
        with self._database.writing() as connection:
            settings = _settings(connection, hold=True)
            return votes.save_shown(connection, settings, person, seen, vote_of)

    def undo(self, person: int, vote: str, client_key: str) -> ShownItem | None:
        """Take back the person's vote with the key `vote` by an appended row; return its item, open again.

        None where that vote does not stand. A replay of `client_key` changes nothing.
        """
        with self._database.writing() as connection:
            return votes.undo(connection, _settings(connection, hold=True), person, vote, client_key)

    def latest_key(self, person: int, before: str | None = None) -> str | None:
        """Return the key of the person's latest standing vote, or of the latest older than `before`."""
        with self._database.reading() as connection:
            return votes.latest_key(connection, person, before)

    def standing_count(self, person: int) -> int:
        """Return how many votes of a person stand, skips among them."""
        with self._database.reading() as connection:
            return votes.standing_count(connection, person)

    def count_real(self, kinds: Collection[str]) -> tuple[int, int]:
        """Return how many votes the real items of some kinds have, and how many of them lack votes."""
        with self._database.reading() as connection:
            return items.count_real(connection, kinds)

    def standing_votes(self) -> Iterator[Vote]:
        """Return the votes that stand, of one moment, in the order in which they were stored."""
        with self._database.reading() as connection:
            return votes.standing_votes(connection)

    def settling_votes(self) -> Iterator[Vote]:
        """Return the votes that settle items, one for each."""
        with self._database.reading() as connection:
            return votes.settling_votes(connection)

    def history(self) -> Iterator[Vote]:
        """Return every row: votes that stand, votes that were replaced or undone, undos and settlements."""
        with self._database.reading() as connection:
            return votes.history(connection)

    def disagreements(
        self, *, unsettled: bool = True, count: int | None = None, held: Collection[int] = ()
    ) -> list[Disagreement]:
        """Return the items whose standing votes differ; with `unsettled` only those that none decided.

        At most `count` of them, and none whose number is in `held`.
        """
        how = {"unsettled": unsettled, "count": count, "held": held}
        with self._database.reading() as connection:
            return list(settling.disagreements(connection, **how))

    def count_disagreements(self) -> int:
        """Return how many items there are on which people disagree and that nobody settled."""
        with self._database.reading() as connection:
            return settling.count_disagreements(connection)

    def adjudicate(self, vote: NewVote) -> SavedVote:
        """Append a vote that settles its item. Raises UsageError for a person who may not, and for a skip."""
        with self._database.writing() as connection:
            return settling.adjudicate(connection, _settings(connection), vote)

    # Contests

    def save_contest(self, vote: ContestVote) -> SavedVote:
        """Add an item that was made for one person, and their vote on it, on disk when this returns."""
        with self._database.drawing() as connection:
            return contests.save_contest(connection, _settings(connection), vote)
