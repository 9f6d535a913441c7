"""Numbers are computed once for all pages that ask within a while, in each language, once votes came."""

from truing.core.words import speaking, spoken
from truing.web.annotate import live


def test_numbers_are_kept_for_a_while_and_until_something_has_changed(monkeypatch):
    now, stamps = [100.0], [0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    made: list[str] = []

    def make():
        made.append(spoken())
        now[0] += 1.0  # a second of work: kept for two
        return [{"title": f"{spoken()} {len(made)}"}]

    numbers = live.LiveNumbers(make, lambda: stamps[0])
    assert numbers.tables() == numbers.tables() == [{"title": "en 1"}]
    with speaking("zh"):
        assert numbers.tables() == [{"title": "zh 2"}]
    now[0] += 1.5
    assert numbers.tables() == [{"title": "en 1"}], "it is old, and nobody has voted"
    stamps[0] += 1
    assert numbers.tables() == [{"title": "en 3"}]
    stamps[0] += 1
    assert numbers.tables() == [{"title": "en 3"}], "somebody has, and it is not old"
    assert made == ["en", "zh", "en"]
