"""X8: a server killed after a click has every vote that the page called saved, and gets the others."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from truing.store.project import open_store

from .projects import press, wait_saved


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run `truing annotate`, and give its links: that of the owner, and the invitations."""
    command = [sys.executable, "-m", "truing", "annotate", *arguments]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env={**os.environ, "TRUING_LANG": "en"},
    )
    links: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        links += re.findall(r"http://\S+", line)
        if "Ctrl-C" in line:
            break
    else:
        raise AssertionError(f"the server did not start: {links}")
    try:
        yield process, links
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_votes_outlive_a_killed_server(tmp_path: Path, watched):
    rows, project = tmp_path / "rows.jsonl", tmp_path / "project.db"
    lines = [{"prompt": f"q{n}", "chosen": f"yes {n}", "rejected": f"no {n}"} for n in range(9)]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    asked = ("--responses", str(rows), "--project", str(project))
    with serving(*asked) as (process, (owner, invitation)):
        port = re.findall(r":(\d+)/", owner)[0]
        seen = watched(invitation)
        page = seen.page
        page.fill("#name", "Ada")
        page.click("button")
        page.wait_for_selector("#task:not([hidden])")
        for key in "12":
            with page.expect_response("**/next"):  # what comes after the items that wait is here
                press(page, key)
        wait_saved(page)
        press(page, "1")
        process.send_signal(signal.SIGKILL)
        process.wait()
        saved = 3 if page.text_content("#unsent") == "saved" else 2
        with open_store(project, create=False) as store:
            assert len(list(store.standing_votes())) >= saved
        press(page, "2")
        page.wait_for_selector("#away:not([hidden])")
    with serving("--project", str(project), "--port", port, "--people", "0"):
        wait_saved(page)
        before = time.monotonic()
        while page.is_hidden("#empty"):
            press(page, "1")
            assert time.monotonic() - before < 30
            page.wait_for_selector(":is(#task, #empty):not([hidden])")
        wait_saved(page)
    with open_store(project, create=False) as store:
        votes = list(store.history())
        assert len(votes) == 9 and len({vote.item for vote in votes}) == 9
    seen.complaints.clear()  # the browser says that the server was away
