import json
import math
import os
import signal
from collections.abc import Iterable

import pytest

from truing.core.errors import Stopped
from truing.core.signals import Terminated
from truing.training.hooks import ASKED, Evaluate, Pace, Signals


def evaluated(losses: Iterable[float], **fields: object) -> tuple[Evaluate, list[dict[str, float]]]:
    """An `Evaluate` that has seen one loss after another, at steps 1, 2, 3 …, and the logs it left."""
    given = list(losses)
    hook = Evaluate(**{"measure": lambda: {"loss": next(source)}, "every": 1, "total": len(given), **fields})
    source, logs = iter(given), [{} for _ in given]
    for step, row in enumerate(logs, start=1):
        hook(step, row)
    return hook, logs


def test_the_best_step_is_the_first_with_the_lowest_loss():
    hook, logs = evaluated([3.0, 1.0, 2.0, 1.0])
    assert (hook.best, hook.best_step) == (1.0, 2)
    assert [row["eval/loss"] for row in logs] == [3.0, 1.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("every", "expected"), [(None, [7]), (3, [3, 6, 7]), (7, [7]), (1, list(range(1, 8)))]
)
def test_when_it_measures(every: int | None, expected: list[int]):
    _, logs = evaluated([float(n) for n in range(7)], every=every)
    assert [step for step, row in enumerate(logs, start=1) if row] == expected


def test_patience_counts_evaluations_without_a_better_one():
    def due(*losses: float) -> bool:
        return evaluated(losses, patience=2)[0].due_to_stop()

    assert not due(3.0, 2.0, 2.5)
    assert due(3.0, 2.0, 2.5, 2.0), "an equal one is not better"
    assert not due(3.0, 2.0, 2.5, 1.9, 2.0), "a better one starts the count again"
    assert not evaluated([1.0] * 9)[0].due_to_stop(), "without patience nothing stops"


def test_an_evaluation_that_is_not_a_number_is_never_the_best():
    hook, _ = evaluated([2.0, math.nan, 3.0])
    assert (hook.best_step, hook.without_progress) == (1, 2)


def test_state_survives_a_checkpoint():
    hook, _ = evaluated([3.0, 2.0, 2.5], patience=5)
    resumed = Evaluate(lambda: {"loss": 2.6}, every=1, total=9, patience=5)
    resumed.restore(json.loads(json.dumps(hook.state())))
    assert resumed == Evaluate(resumed.measure, 1, 9, 5, best=2.0, best_step=2, without_progress=1)
    fresh = Evaluate(resumed.measure, every=1, total=9)
    fresh.restore(json.loads(json.dumps(fresh.state())))
    assert fresh.best == math.inf, "a run that has not evaluated yet can be saved too"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_stops_after_the_running_step(number: signal.Signals, code: int):
    before = signal.getsignal(number)
    with Signals().watching() as signals:
        signals.raise_if_received(1)
        os.kill(os.getpid(), number)
        with pytest.raises(Stopped, match=f"stopped by {number.name} after step 2") as caught:
            signals.raise_if_received(2)
    assert caught.value.exit_code == code
    assert signal.getsignal(number) is before


def test_a_request_stops_with_a_code_of_its_own():
    with pytest.raises(Stopped) as caught:
        Signals(received=ASKED).raise_if_received(3)
    assert (str(caught.value), caught.value.exit_code) == ("stopped on request after step 3", 9)


@pytest.mark.parametrize(
    ("second", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
def test_a_second_signal_stops_at_once_and_counts(second: signal.Signals, raised: type[BaseException]):
    with Signals().watching(), pytest.raises(KeyboardInterrupt) as caught:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), second)
    assert caught.type is raised


def test_work_that_is_done_again_is_cut_short():
    reached: list[str] = []
    with Signals().watching() as signals:
        with signals.at_once(4):
            reached.append("whole")
        with pytest.raises(Stopped, match="stopped by SIGTERM after step 5") as caught, signals.at_once(5):
            os.kill(os.getpid(), signal.SIGTERM)
            reached.append("cut")
        with pytest.raises(Stopped, match="after step 6"), signals.at_once(6):
            reached.append("after a signal")
    assert (reached, caught.value.exit_code) == (["whole"], 143)


def test_several_ranks_end_such_work_together(monkeypatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "here"}.items():
        monkeypatch.setenv(name, value)
    reached: list[str] = []
    with Signals().watching() as signals, signals.at_once(5):
        os.kill(os.getpid(), signal.SIGTERM)
        reached.append("whole")
    assert (reached, signals.received) == (["whole"], signal.SIGTERM)


def test_handlers_come_back_after_an_error():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), Signals().watching():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is before


def test_pace_is_tokens_over_the_seconds_since_the_step_before(monkeypatch):
    clock = iter([10.0, 12.0, 12.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    pace = Pace(tokens_of=lambda step: 100 * step, _since=next(clock))
    first, second = {}, {}
    pace(1, first)
    pace(2, second)
    assert first == {"tokens": 100, "seconds": 2.0, "tokens_per_second": 50.0}
    assert second == {"tokens": 200, "seconds": 0.5, "tokens_per_second": 400.0}
