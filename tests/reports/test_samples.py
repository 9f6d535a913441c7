"""Responses of a policy in training beside their rewards."""

from truing.config.run_folder import RunFolder
from truing.reports.run import read_run, run_report

from .runs import HOSTILE, page_of


def test_responses_stand_beside_their_rewards(run_folder):
    """Of eight steps the first and the last; the highest and lowest of all; hostile text stays text."""
    path = run_folder(steps=8)
    with RunFolder.open(path) as folder:
        for step in range(1, 9):
            told = {"place": f"a:{step}", "prompt": f"ask {step}", "response": f"say {step} {HOSTILE}"}
            folder.log_sample(step, told | {"k": 0, "reward": None if step == 5 else step / 8})
    tables = run_report(read_run(path)).samples
    assert [table.title.split()[1] for table in tables] == ["first", "last", "highest", "lowest"]
    shown = [[(g.step, one.reward) for g in table.groups for one in g.responses] for table in tables]
    assert shown[:2] == [[(1, 0.125)], [(8, 1.0)]]
    assert shown[2:] == [[(8, 1.0), (7, 0.875), (6, 0.75)], [(1, 0.125), (2, 0.25), (3, 0.375)]]
    page = page_of(path)
    assert "reward 0.875" in page.text and "say 7 <img src=x onerror=alert(1)>⟨U+202E⟩" in page.text
    assert "img" not in page.names
