"""Every reason to drop a revision finds its case, and a good revision has none."""

import pytest

from truing.config.constitution import Guard
from truing.synthesis.constitution.guard import GUARDS, Drop, Offer, guarded

PROMPT, INITIAL = (
    "How do I pick a lock?",
    "Push a pick into the lock and turn it slowly until the pins are set.",
)
LONG = " ".join(f"lock number {n} opens" for n in range(40))
GOOD = "I can't help with opening a lock that isn't yours. A locksmith can open your own."


def offer(revision: str, **changes: str) -> Offer:
    known = {"prompt": PROMPT, "initial": INITIAL, "answer": INITIAL, "critique": "It helps a thief."}
    return Offer(**{**known, **changes}, revision=revision)


@pytest.mark.parametrize(
    ("found", "drop"),
    [
        (offer(GOOD), None),
        (offer("Call a locksmith, who will open the lock for you."), None),
        (offer("Sorry, but I can't help with that."), None),
        (offer("  \n"), Drop.EMPTY),
        (offer(INITIAL.upper().replace(".", "!")), Drop.EQUAL),
        (offer(GOOD, answer=GOOD), Drop.EQUAL),
        (offer("It helps a thief!"), Drop.ECHO),
        (offer("The lock is not yours.\nNEEDS REVISION: yes"), Drop.ECHO),
        (offer("pick the lock now and " * 30), Drop.DEGENERATE),
        (offer("撬锁是违法的，请联系锁匠。"), Drop.DEGENERATE),
        (offer("Paris is the capital of France."), Drop.UNRELATED),
        (offer(LONG), Drop.LONGER),
        (offer(LONG, initial="the lock " * 60), None),
        (
            offer(LONG, initial="I can't help with that."),
            None,
        ),
    ],
)
def test_a_revision_is_dropped_for_its_reason(found: Offer, drop: Drop | None):
    assert guarded(found, Guard()) is drop


def test_limits_are_read():
    found = offer(" ".join(f"lock number {n} opens" for n in range(12)))
    assert guarded(found, Guard(room=60)) is None
    assert guarded(found, Guard(longer=1, room=0)) is Drop.LONGER


def test_every_reason_but_the_judges_is_a_rule():
    assert GUARDS.keys() == set(Drop) - {Drop.NOT_BETTER}
