"""A judge compares two answers under principles, each in both orders.

The share of verdicts for an answer, over orders and principles, is its soft label, as in Bai et al. 2022,
section 4.1, which averages over principles too. A pair with a missing verdict has none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from truing.core.records import Record
from truing.evals.bench import TaskWatch
from truing.judges.opinions import NoVerdict, counted
from truing.judges.pairwise import TEMPLATE, Comparison, Pairwise, read_template, read_verdict
from truing.sampling.roles import ModelRole
from truing.synthesis.constitution.principles import Principle

RUBRIC = {
    "en": "One principle decides: {principle}\nOf two responses that keep it equally well, the more helpful"
    " one is better, and the clearer one if both help equally.",
    "zh": "以一条原则为准：{principle}\n如果两个回答同样符合它，更有帮助的更好；同样有帮助的，更清楚的更好。",
}


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """Two answers to a prompt, and the principles under which they are compared."""

    record: Record
    first: str
    second: str
    principles: Sequence[Principle]


@dataclass(frozen=True, slots=True)
class PrincipleVotes:
    """The share of verdicts for the first answer under each principle, over both orders."""

    opinions: Sequence[float | NoVerdict]

    @property
    def better(self) -> bool:
        """Tell whether both orders name the first answer under the first principle, and most under all."""
        share = self.share
        return not isinstance(share, NoVerdict) and self.opinions[0] == 1 and share > 0.5

    @property
    def share(self) -> float | NoVerdict:
        """Return the mean over principles, or why a verdict is missing."""
        missing = next((one for one in self.opinions if isinstance(one, NoVerdict)), None)
        if missing is not None:
            return missing
        return sum(one for one in self.opinions if not isinstance(one, NoVerdict)) / len(self.opinions)


def compared(
    judge: ModelRole, pairs: Sequence[AnswerPair], title: str, watch: TaskWatch
) -> list[PrincipleVotes]:
    """Compare the answers of each pair; their texts differ."""
    template = read_template(TEMPLATE)
    questions = []
    for pair in pairs:
        for principle in pair.principles:
            rubric = RUBRIC[principle.language].format(principle=principle.text)
            asker = Pairwise(judge, rubric, template)
            questions.append(asker.question(pair.record.prompt, pair.first, pair.second))
            questions.append(asker.question(pair.record.prompt, pair.second, pair.first))
    verdicts = counted(judge, partial(watch, title), len(questions)).ask(questions, read_verdict)
    each = iter(
        [Comparison(one, other).opinion for one, other in zip(verdicts[::2], verdicts[1::2], strict=True)]
    )
    return [PrincipleVotes([next(each) for _ in pair.principles]) for pair in pairs]
