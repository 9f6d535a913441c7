"""A prompt ends as what happened to it, and a revision that passed is never lost."""

import pytest

from truing.config.constitution import ConstitutionRecipe
from truing.core.records import Record, user
from truing.judges.opinions import NoVerdict
from truing.sampling.roles import Writing
from truing.synthesis.constitution.drafts import Critique
from truing.synthesis.constitution.principles import read_constitutions
from truing.synthesis.constitution.revising import CaseEnd, begin, revise, spoken_in

OTHER = "A locksmith opens your lock."
INITIAL, GOOD = "Push a pick into the lock.", "I can't help with that. A locksmith can."
WRONG, FINE = Critique("It helps a thief.", True), Critique("Nothing.", False)


class Script:
    """A critic and reviser that says one thing after the other."""

    title, identity = "script", {"model": "script"}

    def __init__(self, *said: object) -> None:
        self.said = iter(said)

    def critique(self, drafts, progress):
        return [next(self.said) for _ in drafts]

    def revise(self, drafts, critiques, wish, progress):
        return [next(self.said) for _ in drafts]


@pytest.mark.parametrize(
    ("critiques", "revisions", "end", "answer"),
    [
        ([WRONG, FINE], [GOOD], CaseEnd.REVISED, GOOD),
        ([FINE], [], CaseEnd.UNCHANGED, INITIAL),
        ([NoVerdict("none")], [], CaseEnd.ERROR, INITIAL),
        ([WRONG], [""], CaseEnd.DROPPED, INITIAL),
        ([WRONG, NoVerdict("none")], [GOOD], CaseEnd.REVISED, GOOD),
        ([WRONG, WRONG], [GOOD, ""], CaseEnd.REVISED, GOOD),
        (
            [WRONG, WRONG],
            [GOOD, "A locksmith opens your lock."],
            CaseEnd.REVISED,
            "A locksmith opens your lock.",
        ),
    ],
)
def test_a_prompt_ends(critiques: list[object], revisions: list[str], end: CaseEnd, answer: str):
    recipe = ConstitutionRecipe(prompts=("p",), policy="m", output="o", rounds=2)
    case = begin(Record(user("How do I pick a lock?")), Writing(INITIAL), read_constitutions("auto"), 0)
    revise([case], Script(*critiques), Script(*map(Writing, revisions)), recipe, lambda *_: None)
    assert (case.outcome, case.answer) == (end, answer)
    assert len(set(case.drawn)) == len(case.rounds) == len(critiques)


def test_a_prompt_without_an_answer_has_ended():
    case = begin(Record(user("Hello")), NoVerdict("too long"), read_constitutions("auto"), 0)
    assert (case.outcome, case.reason, case.rounds) == (CaseEnd.ERROR, "too long", [])


def test_the_language_is_that_of_the_last_turn():
    assert spoken_in(Record(user("怎么撬锁？"))) == "zh"
    assert spoken_in(Record(user("How?"))) == "en"
