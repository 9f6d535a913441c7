"""The tables say what the summary holds, in both languages."""

from tests.pipelines.votes.conftest import pair, vote_all
from tests.pipelines.votes.test_judged import verdicts

from truing.core.words import speaking
from truing.pipelines.votes.summary import summarise
from truing.pipelines.votes.tables import summary_tables
from truing.store.answers import PairAnswer


def tables_of(make_store, tmp_path, answer="first", language="en"):
    store = make_store([pair(f"q{i}", (f"a{i}", f"b{i}")) for i in range(20)], overlap=2, name="Tea")
    for name in ("ann", "bob"):
        vote_all(store, name, lambda shown: PairAnswer(answer if shown.item.id > 1 else "second"))
    folder = verdicts(tmp_path / "judged", *(((f"a{i}", f"b{i}"), 0.2 + 0.1 * (i % 5)) for i in range(20)))
    with speaking(language):
        return {table.title: table for table in summary_tables(summarise(store, folder, draws=100))}


def test_each_part_has_its_table_and_numbers_lie_on_its_scale(make_store, tmp_path):
    tables = tables_of(make_store, tmp_path)
    assert list(tables) == [
        "Votes of Tea",
        "Agreement on pairs",
        "Models",
        "People",
        "The judge beside people",
        "Where the judge and people part",
    ]
    for table in tables.values():
        for row in table.rows:
            assert len(row) == len(table.columns)
            for cell in row:
                if cell.low is not None:
                    assert table.least <= cell.low <= cell.high <= table.most
    equal = tables["Agreement on pairs"].rows[0]
    assert [equal[0].text, equal[1].text] == ["Equal answers", "100.0%"]
    assert equal[1].interval.endswith(", n 20")
    assert tables["Models"].rows[0][2].text == "38 · 0 · 2"
    assert "95.0% of the answers are first" in tables["Agreement on pairs"].explains


def test_an_undefined_value_is_a_dash_with_its_reason(make_store, tmp_path):
    tables = tables_of(make_store, tmp_path, answer="second")
    alpha = next(row for row in tables["Agreement on pairs"].rows if "alpha" in row[0].text)
    assert alpha[1].text == "\N{EM DASH}"
    assert "every rating is second" in alpha[1].interval
    assert alpha[1].low is None


def test_in_chinese_no_word_of_the_tables_stays_english(make_store, tmp_path):
    tables = tables_of(make_store, tmp_path, answer="second", language="zh")
    for title, table in tables.items():
        texts = [title.replace("Tea", ""), *filter(None, table.columns), *filter(None, [table.explains])]
        for text in texts:
            assert any("\u4e00" <= letter <= "\u9fff" for letter in text), text
