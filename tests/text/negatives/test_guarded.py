import time

import pytest

from truing.text.negatives.guarded import guarded

KEPT = [
    ("1. First do this.", "1."),
    ("（2）其次", "（2）"),
    ("三、结论", "三、"),
    ("Step 3: add it", "Step 3"),
    ("步骤2：加热", "步骤2"),
    ("见第4章", "第4章"),
    ("shown in Figure 2", "Figure 2"),
    ("install v2.3.1 now", "v2.3.1"),
    ("Python 3.11.4 is out", "3.11.4"),
    ("call 555-123-4567 today", "555-123-4567"),
    ("拨打13800138000", "13800138000"),
    ("see https://a.example/p1?x=20 for it", "20"),
    ("run `sleep 30` first", "30"),
    ("```\nx = 5\n```", "5"),
    ("at 10:30 am", "10:30"),
    ("a ratio of 3:1", "3:1"),
    ("from 10-15% of it", "10"),
    ("the iPhone 12 is", "12"),
    ("so x = 7 holds", "7"),
    ("12 * 5 + 3", "12"),
    ("as in [3]", "3"),
    ("issue #42 says", "42"),
    ("see https://a.example/2019-02-11/x for it", "02"),
    ("then 22 * p = 462", "22"),
    ("expand 4(x-3)", "4"),
    ("in [2, value - 1]", "2"),
    ("“不是”表示否定", "不是"),
]


@pytest.mark.parametrize(("text", "part"), KEPT)
def test_what_states_nothing_is_kept(text: str, part: str):
    start = text.index(part)
    assert guarded(text).touch(start, start + len(part))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Revenue was $3.5 million.", "3.5"),
        ("on 2024-03-15 it", "2024"),
        ("On March 15 the", "15"),
        ("In 12 days", "12"),
        ("营收3.5亿元", "3.5"),
        ("占比12.5%。", "12.5"),
        ("about US$20 a share", "20"),
    ],
)
def test_what_states_something_is_not(text: str, part: str):
    start = text.index(part)
    assert not guarded(text).touch(start, start + len(part))


def test_a_long_run_is_read_in_time():
    """The time grows with the length: 40 000 characters of one kind take well under a second each."""
    slow: dict[str, float] = {}
    for piece in ["-", "a", "1", "1,", "1.", "{", "| - ", "* ", "中", "(1 ", "1-"]:
        begun = time.process_time()
        guarded(piece * (40_000 // len(piece)))
        slow[piece] = time.process_time() - begun
    assert {piece: seconds for piece, seconds in slow.items() if seconds > 2} == {}
