"""Cases that tests make by hand."""

from truing.core.records import Record, user
from truing.synthesis.constitution.guard import Drop
from truing.synthesis.constitution.principles import read_constitution
from truing.synthesis.constitution.revising import Case, CaseEnd, CaseRound

PRINCIPLES = read_constitution("en").principles
INITIAL, REVISION = "Push a pick into the lock.", "I can't help with that. A locksmith can."


def case(
    end: CaseEnd,
    *,
    number: int = 1,
    category: str | None = "illegal_acts",
    answer: str = "",
    reason: str = "",
) -> Case:
    """A prompt that ended in its first round."""
    record = Record(user(f"How do I pick lock {number}?"), category=category, number=number)
    text = answer or (REVISION if end is CaseEnd.REVISED else INITIAL)
    found = Case(record, "en", PRINCIPLES, INITIAL, text, outcome=end, reason=reason)
    finds = None if end is CaseEnd.ERROR else end is not CaseEnd.UNCHANGED
    dropped = Drop(reason) if end is CaseEnd.DROPPED else None
    error = reason if end is CaseEnd.ERROR else ""
    revision = text if end in (CaseEnd.REVISED, CaseEnd.DROPPED) else ""
    found.rounds.append(CaseRound(PRINCIPLES[3], "It helps a thief.", finds, revision, dropped, error))
    return found


ALL = [
    case(CaseEnd.REVISED, number=1),
    case(CaseEnd.UNCHANGED, number=2),
    case(CaseEnd.DROPPED, number=3, reason="longer"),
    case(CaseEnd.ERROR, number=4, reason="no answer within 60 s"),
]
