"""Name the cause of a number that is not finite: the base, the data, or the rate.

    Tried, of the work of a step done again in parts -> Diagnosis: the cause, a sentence, the next thing to do

Everything here is a pure function; `diagnosis.py` does the work again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from truing.core.messages import Sentence, message

REFERENCE = "reference's log-probabilities"
SHOWN = 3  # rows in a sentence


class Cause(StrEnum):
    """The origin of a number that is not finite."""

    BASE = "base"  # the weights that training began from
    DATA = "data"  # some rows alone make it
    RATE = "rate"  # updates have moved the weights to where nothing is finite
    LOSS = "loss"  # the model's outputs are finite, and what the loss makes of them is not
    REWARD = "reward"  # a reward that cannot be reckoned with
    TOGETHER = "together"  # no row alone makes it
    CHANCE = "chance"  # the same work done again is finite
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Earlier:
    """Rows that are not finite, done again with the weights after an earlier step."""

    step: int  # 0: the weights of the start
    bad: Sequence[str]  # rows that are not finite with those weights either


@dataclass(frozen=True)
class Tried:
    """The result of doing the work of a step again, each row alone. Rows are `file:line`."""

    updates: int  # steps that have moved the weights
    looked: int  # rows that were done alone
    bad: Sequence[str] = ()  # those of them that are not finite
    parameters: Sequence[str] = ()  # trained parameters and moments that are not finite
    frozen: Sequence[str] = ()  # parameters that are not finite and that no update moves
    given: Mapping[str, Sequence[str]] = field(default_factory=dict)  # numbers of rows not finite before use
    earlier: Sequence[Earlier] = ()  # the newest first
    inside: bool = True  # whether a parameter or a module of the model is where it begins
    whole: bool = True  # whether all rows together are not finite once more
    rate: float = 0.0  # the learning rate of the step


@dataclass(frozen=True)
class Diagnosis:
    """The cause of a number that is not finite, in words, and the next thing to do."""

    cause: Cause
    why: str
    hint: str


def cause_of(tried: Tried) -> Diagnosis:
    """Name the cause that explains everything that was tried."""
    if tried.frozen or (tried.parameters and not tried.updates):
        name = [*tried.frozen, *tried.parameters][0]
        return _base(message("{name} is not finite", name=name))
    if tried.given:
        return _given(tried)
    if tried.parameters:
        said = "{name} is not finite after {n} updates"
        return _rate(tried, message(said, name=tried.parameters[0], n=tried.updates))
    if not tried.bad:
        return _no_row(tried)
    if not tried.updates:
        return _at_the_start(tried, tried.bad)
    if not tried.earlier:
        said = "each of {n} rows alone is not finite, and there are no earlier weights to compare with"
        return Diagnosis(Cause.UNKNOWN, message(said, n=len(tried.bad)), _slower(tried))
    oldest = tried.earlier[-1]
    if oldest.bad and (oldest.step == 0 or len(oldest.bad) < tried.looked):
        return _at_the_start(tried, oldest.bad)
    if oldest.bad:
        said = "each of {n} rows alone is not finite, and neither is it with the weights after step {step}"
        return Diagnosis(Cause.UNKNOWN, message(said, n=len(tried.bad), step=oldest.step), _slower(tried))
    if 2 * len(tried.bad) <= tried.looked:
        return _data(tried, tried.bad)
    said = "{bad} of {n} rows are not finite alone, and all are with the weights after step {step}"
    step = tried.earlier[0].step if not tried.earlier[0].bad else oldest.step
    return _rate(tried, message(said, bad=len(tried.bad), n=tried.looked, step=step))


def _no_row(tried: Tried) -> Diagnosis:
    if tried.whole:
        return Diagnosis(
            Cause.TOGETHER,
            message("each row alone is finite, and all rows of the step together are not"),
            message("lower optim.items_per_step or optim.learning_rate, or set dtype: float32"),
        )
    return Diagnosis(
        Cause.CHANCE,
        message("the same step done again is finite: the machine is the cause, or a random number"),
        message("run the same command again; where it comes back, test the memory of this machine"),
    )


def _at_the_start(tried: Tried, bad: Sequence[str]) -> Diagnosis:
    """Judge rows that are not finite with the oldest weights there are."""
    if len(bad) < tried.looked:
        return _data(tried, bad)
    if not tried.inside:
        said = "the loss is the cause: of each of {n} rows alone it is not finite; the model's outputs are"
        mend = "mend the loss where it is your own, or change its hyper-parameters; look at the labels"
        return Diagnosis(Cause.LOSS, message(said, n=len(bad)), message(mend))
    return _base(message("with its own weights each of {n} rows alone is not finite", n=len(bad)))


def _given(tried: Tried) -> Diagnosis:
    name, rows = next(iter(tried.given.items()))
    if name == REFERENCE and len(rows) == tried.looked:
        return _base(message("the reference's log-probabilities of all {n} rows are not finite", n=len(rows)))
    said = "the data are the cause: the {name} of {rows} are not finite"
    mend = message("mend the reward, or loss.credit where that is your own")
    hint = _look() if name == REFERENCE else mend
    return Diagnosis(Cause.DATA, message(said, name=message(name), rows=_rows(rows)), hint)


def _data(tried: Tried, bad: Sequence[str]) -> Diagnosis:
    said = "the data are the cause: {rows} alone is not finite, and {n} other rows are"
    if len(bad) > 1:
        said = "the data are the cause: {rows} are not finite, each alone, and {n} other rows are"
    return Diagnosis(Cause.DATA, message(said, rows=_rows(bad), n=tried.looked - len(bad)), _look())


def _base(why: Sentence) -> Diagnosis:
    return Diagnosis(
        Cause.BASE,
        message("the base is the cause: {why}", why=why),
        message("begin from other weights, or from a whole copy of these; float32 holds larger numbers"),
    )


def _rate(tried: Tried, why: Sentence) -> Diagnosis:
    return Diagnosis(Cause.RATE, message("the rate is the cause: {why}", why=why), _slower(tried))


def _slower(tried: Tried) -> Sentence:
    said = (
        "go on with a lower rate, such as --set optim.learning_rate={rate:.1g}"
        " --allow-change optim.learning_rate, or warm up for longer"
    )
    return message(said, rate=tried.rate / 10)


def _look() -> Sentence:
    said = (
        "look at them with `truing data show`, and mend or remove them;"
        " health.skip_nonfinite: 3 would pass over three such steps"
    )
    return message(said)


def _rows(rows: Sequence[str]) -> str:
    return f"{', '.join(rows[:SHOWN])}{' …' if len(rows) > SHOWN else ''}"
