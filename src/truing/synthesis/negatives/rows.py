"""The rows that false answers are made of: those with a true answer, once each, and none of an evaluation.

take_rows(recipe, say) -> TrueRows: the answers to falsify, and every other row with the reason
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from truing.config.negatives import NegativesRecipe
from truing.core.errors import DataError
from truing.core.messages import Say, message
from truing.core.records import Record
from truing.data.load import load_records
from truing.evals.suites import SUITES, load_suite
from truing.evals.suites.headlines import load_headlines
from truing.evals.suites.ordinary import load_ordinary
from truing.synthesis.prompts import PromptSet
from truing.text.overlap import Known, repeats

EXAMPLE = '{"prompt": …, "completion": …}'


class Without(StrEnum):
    """The reason for which a row has no false answer."""

    UNREADABLE = "unreadable"
    BEYOND = "beyond_the_limit"
    NO_ANSWER = "no_true_answer"
    SEVERAL_TURNS = "several_turns"
    EMPTY = "empty"
    DUPLICATE = "duplicate"
    NEAR = "near_duplicate"
    EVALUATED = "in_an_evaluation"
    NOTHING = "nothing_to_change"
    TOO_FEW = "too_few_places"
    SAME = "means_the_same"
    FAILED = "no_text_written"
    CUT = "cut_off"
    REFUSED = "refusal"
    SHORT = "much_shorter"
    UNRELATED = "unrelated"
    NOT_WORSE = "not_worse"
    NO_VERDICT = "no_verdict"


@dataclass(frozen=True)
class TrueRows:
    """Rows with a true answer, and the others by reason: together they are all rows that were read."""

    prompts: PromptSet
    evaluations: dict[str, str]  # SHA-256 of the evaluations' files, by path
    without: Counter[Without]

    @property
    def read(self) -> int:
        return len(self.prompts.records) + self.without.total()


def take_rows(recipe: NegativesRecipe, say: Say) -> TrueRows:
    """Read the rows of a recipe and drop what repeats or is evaluated. DataError where no row is left."""
    loaded = load_records(list(recipe.prompts))
    for source in loaded.sources:
        say(source.describe())
    known, evaluations = _evaluated(recipe)
    without: Counter[Without] = Counter()
    without[Without.UNREADABLE] += sum(source.set_aside.total() for source in loaded.sources)
    without[Without.BEYOND] += len(loaded.records[recipe.limit :]) if recipe.limit else 0
    taken: list[Record] = []
    for record in loaded.records[: recipe.limit]:
        reason = _reason(record) or (Without.EVALUATED if known.in_text(_text(record)) else None)
        if reason is None:
            taken.append(record)
        else:
            without[reason] += 1
    once = list(_once(taken, recipe.near, without))
    if not once:
        told = ", ".join(f"{count} {reason.value}" for reason, count in without.items() if count)
        raise DataError(
            message("no row has a true answer to make a false one of: {reasons}", reasons=told),
            hint=message("a row is {example}, or a preference", example=EXAMPLE),
        )
    return TrueRows(PromptSet(once, loaded.sources), evaluations, without)


def _reason(record: Record) -> Without | None:
    """Return why a record has no true answer: the best response, unless it is labelled as bad."""
    if not record.responses or record.chosen.label is False or not record.prompt:
        return Without.NO_ANSWER
    if len(record.chosen.turns) > 1:
        return Without.SEVERAL_TURNS
    return None if record.chosen.text.strip() else Without.EMPTY


def _text(record: Record) -> str:
    return "\n".join([*(turn.content for turn in record.prompt), record.chosen.text])


def _once(records: Sequence[Record], near: float, without: Counter[Without]) -> Iterator[Record]:
    """Yield each record that repeats no earlier one."""
    texts = [_text(record) for record in records]
    again = repeats(texts, near) if near < 1 else {}
    seen: set[str] = set()
    for place, (record, text) in enumerate(zip(records, texts, strict=True)):
        if text in seen:
            without[Without.DUPLICATE] += 1
        elif place in again:
            without[Without.NEAR] += 1
        else:
            seen.add(text)
            yield record


def _evaluated(recipe: NegativesRecipe) -> tuple[Known, dict[str, str]]:
    """Return what evaluations ask, and the hashes of their files."""
    texts = list(own_prompts()) if recipe.own_suites else []
    hashes: dict[str, str] = {}
    if recipe.against_eval:
        loaded = load_records(list(recipe.against_eval))
        hashes = {source.path: source.sha256 for source in loaded.sources}
        texts += [turn.content for record in loaded.records for turn in record.prompt if turn.role == "user"]
    return Known(texts), hashes


def own_prompts() -> Iterable[str]:
    """Yield the prompts of truing's own suites; of headlines those that are held out."""
    for name in SUITES:
        yield from (item.prompt for item in load_suite(name))
    yield from (one.prompt for one in load_ordinary())
    for headline in load_headlines():
        if headline.split == "held_out":
            yield from (headline.harmful, headline.benign)
