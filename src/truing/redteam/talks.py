"""Talks between an attack and a model: all of them go forward a turn at a time.

An answer is kept by the model's role before the next is asked, so that a talk which was cut off goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from truing.core.records import Message, Record, Turns
from truing.evals.bench import TaskWatch
from truing.judges.opinions import NoVerdict
from truing.redteam.attacks.types import Attack, Seed
from truing.sampling.roles import ModelRole, Wish


@dataclass
class Talk:
    """One attack on a prompt, the turns so far, and the reason where an answer did not come.

    `cut` says that the last answer ended at the limit of tokens.
    """

    seed: Seed
    attack: Attack
    sample: int = 0
    transcript: Turns = ()
    failed: str | None = None
    cut: bool = False

    @property
    def answer(self) -> str | None:
        """The last answer; None where none came."""
        if self.failed is not None or not self.transcript:
            return None
        return self.transcript[-1].content


def hold_talks(role: ModelRole, talks: Sequence[Talk], wish: Wish, watch: TaskWatch, title: str) -> None:
    """Let every talk come to its end.

    A sample is drawn with a seed of its own. `wish.k` is not read: a talk has one answer a turn.
    """
    turn = 0
    while going := [(talk, said) for talk in talks if (said := _next(talk)) is not None]:
        turn += 1
        told = title if turn == 1 else f"{title} · {turn}"
        for sample in sorted({talk.sample for talk, _ in going}):
            part = [(talk, said) for talk, said in going if talk.sample == sample]
            asked = [Record((*talk.transcript, Message("user", said))) for talk, said in part]
            how = replace(wish, k=1, seed=wish.seed + sample)
            answers = role.write(asked, how, partial(watch, told))
            for (talk, _), record, (answer,) in zip(part, asked, answers, strict=True):
                if isinstance(answer, NoVerdict):
                    talk.transcript, talk.failed, talk.cut = record.prompt, answer.reason, False
                else:
                    talk.transcript = (*record.prompt, Message("assistant", answer.text))
                    talk.cut = answer.cut


def _next(talk: Talk) -> str | None:
    return None if talk.failed is not None else talk.attack.step(talk.seed, talk.transcript, talk.cut)
