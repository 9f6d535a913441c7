"""Numbers are computed once for all pages that ask within a while, and apart for each language."""

from truing.core.words import speaking, spoken
from truing.web.annotate import live


def test_numbers_are_kept_for_a_while(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    made: list[str] = []

    def make():
        made.append(spoken())
        now[0] += 1.0  # a second of work: kept for two
        return [{"title": f"{spoken()} {len(made)}"}]

    numbers = live.LiveNumbers(make)
    assert numbers.tables() == numbers.tables() == [{"title": "en 1"}]
    with speaking("zh"):
        assert numbers.tables() == [{"title": "zh 2"}]
    now[0] += 1.5
    assert numbers.tables() == [{"title": "en 3"}]
    assert made == ["en", "zh", "en"]
