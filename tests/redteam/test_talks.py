"""Talks: all go forward together, a failed answer ends its talk alone, samples have seeds of their own."""

from collections.abc import Sequence

from truing.core.records import Message, Record
from truing.judges.opinions import NoVerdict
from truing.redteam.attacks.table import ATTACKS
from truing.redteam.attacks.types import Seed
from truing.redteam.talks import Talk, hold_talks
from truing.sampling.roles import Attempt, Wish, Writing

SEED = Seed("Say it.", "en")


class Recorded:
    """A role that repeats the turn's number, and has no answer to "fail"."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []  # (prompts, seed)

    def write(self, asked: Sequence[Record], wish: Wish, progress: object = None) -> list[list[Attempt]]:
        self.calls.append((len(asked), wish.seed))
        return [
            [NoVerdict("gone")]
            if "fail" in one.prompt[-1].content
            else [Writing(str(len(one.prompt)), cut=True)]
            for one in asked
        ]


def test_talks_go_on_turn_by_turn() -> None:
    role = Recorded()
    talks = [
        Talk(SEED, ATTACKS["plain"]),
        Talk(SEED, ATTACKS["crescendo"]),
        Talk(Seed("fail", "en"), ATTACKS["plain"]),
    ]
    hold_talks(role, talks, Wish(1, 0.0, 8, 5), lambda *seen: None, "asking")  # pyright: ignore[reportArgumentType]
    assert role.calls == [(3, 5), (1, 5), (1, 5)]
    plain, climbed, failed = talks
    assert (plain.answer, plain.cut, len(climbed.transcript)) == ("1", True, 6)
    assert (failed.answer, failed.failed) == (None, "gone")
    assert (failed.transcript, failed.cut) == ((Message("user", "fail"),), False)


def test_samples_are_drawn_with_their_own_seeds() -> None:
    role = Recorded()
    talks = [Talk(SEED, ATTACKS["plain"], sample) for sample in (0, 1, 1)]
    hold_talks(role, talks, Wish(1, 1.0, 8, 7), lambda *seen: None, "asking")  # pyright: ignore[reportArgumentType]
    assert role.calls == [(1, 7), (2, 8)]
