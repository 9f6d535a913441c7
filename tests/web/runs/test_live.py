"""A real run is followed to its alarm, stopped from the page, and goes on from a whole checkpoint."""

import json
from pathlib import Path

from truing.config.run_folder import read_status
from truing.models import checkpoint


def test_a_run_is_followed_to_its_alarm_and_stopped_from_the_page(
    site_of, watched, recipe, begun, truing, tmp_path: Path
):
    """A rate of nearly nothing: for twenty steps the loss stays at ln 2, which a health rule sees."""
    output = tmp_path / "runs" / "stuck"
    optim = {"learning_rate": 1e-12, "items_per_step": 3, "epochs": 100_000, "max_steps": 100_000}
    optim |= {"warmup": 0, "schedule": "constant"}
    going = begun("train", recipe(optim=optim, checkpoint={"every": 500}, output=str(output)))
    going.until(2, output)
    found = watched(site_of(tmp_path / "runs").entry)
    page = found.page
    page.locator("tbody th a").click()
    page.locator("#charts[data-loaded]").wait_for(state="attached")
    page.locator(".alarm", has_text="Nothing is learnt of the pairs").wait_for(timeout=60_000)
    shown = "Number(document.querySelector('#charts svg').getAttribute('aria-valuenow'))"
    before = page.evaluate(shown)
    while page.evaluate(shown) <= before:  # the policy of the page lets no string be waited for
        page.wait_for_timeout(50)
    assert "memory" in page.locator("#facts").inner_text()
    page.locator("#stop").click()
    page.locator("#state", has_text="stopped").wait_for(timeout=60_000)
    assert "stopped on request after step" in page.locator("#reason").inner_text()
    assert page.locator("#stop").is_hidden()

    ended = going.wait()
    assert ended.returncode == 9 and "stopped on request" in ended.stderr
    status = read_status(output)
    newest = checkpoint.newest(output / "checkpoints")
    assert status is not None and newest is not None
    assert (status.last_checkpoint, newest.name) == (newest.name, f"step-{status.step:06d}")

    last = {"max_steps": status.step + 2}
    again = recipe(optim=optim | last, checkpoint={"every": 500}, output=str(output))
    more = truing("train", again, "--allow-change", "optim.max_steps")
    assert more.returncode == 0, more.stderr
    assert f"resuming after step {status.step}" in more.stderr
    rows = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, status.step + 3))
    page.locator("#state", has_text="done").wait_for(timeout=60_000)
