"""Controls of a run: only questions with a right plain answer are asked inside an attack."""

from collections.abc import Sequence

from truing.core.records import Record
from truing.redteam.attacks.table import attacks_of
from truing.redteam.controls import Understood
from truing.redteam.understanding import ask_controls, chosen_controls
from truing.sampling.roles import Attempt, Wish, Writing


class Knows:
    """A role that knows the answers of some questions, and nothing in base64."""

    def __init__(self, known: int) -> None:
        self.known = chosen_controls("en", 8)[:known]
        self.asked: list[str] = []

    def write(self, asked: Sequence[Record], wish: Wish, progress: object = None) -> list[list[Attempt]]:
        texts = [one.prompt[-1].content for one in asked]
        self.asked += texts
        return [[Writing(self._one(text))] for text in texts]

    def _one(self, text: str) -> str:
        found = next((one for one in self.known if one.prompt in text), None)
        return "I could not say." if found is None else f"That is {found.answers[0]}."


def ask(known: int, many: int = 8) -> tuple[Knows, dict[str, Understood]]:
    role = Knows(known)
    attacks = attacks_of(["plain", "base64", "role_play"])
    found = ask_controls(role, attacks, ["en"], many, Wish(1, 0.0, 32), lambda *seen: None)  # pyright: ignore[reportArgumentType]
    return role, {name: one.answer for (name, _), one in found.items()}


def test_an_attack_that_hides_known_answers_is_not_understood() -> None:
    role, answers = ask(5)
    assert answers == {"plain": Understood.YES, "base64": Understood.NO, "role_play": Understood.YES}
    assert len(role.asked) == 8 + 3 * 5, "eight asked plainly, and the five known ones inside each attack"


def test_a_model_that_knows_little_says_nothing_about_attacks() -> None:
    assert set(ask(2)[1].values()) == {Understood.UNKNOWN}
    assert ask(5, many=0)[1] == {}


def test_half_of_the_questions_serve_the_swap() -> None:
    for language in ("en", "zh"):
        found = chosen_controls(language, 8)
        assert len({one.id for one in found}) == 8
