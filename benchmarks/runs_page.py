"""Seconds until the page of a long run is painted and its curves are drawn, and until a new step shows.

    python benchmarks/runs_page.py --steps 100000 --repeats 5

The script writes the folder of a run with so many steps of ten metrics, starts `truing runs` as a process of
its own for each repeat, and opens the page in Debian's chromium. `first paint` and `curves` count from the
navigation. `parse` is the reading of the whole log without a browser. `follows` goes from the append of a row
to the file until the page shows its step. A request to elsewhere or an error in the console ends it.
"""

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from truing.config.run_folder import RunFolder, RunState
from truing.web.runs.columns import open_log

CHROMIUM = "/usr/bin/chromium"
NAMES = ("loss", "grad_norm", "learning_rate", "rewards/margins", "rewards/accuracies", "logps/chosen")
OTHERS = ("logps/rejected", "tokens", "seconds", "tokens_per_second")


def write_run(path: Path, steps: int) -> None:
    """Write the folder of a run with `steps` steps."""
    with RunFolder.open(path) as folder:
        folder.write_config({"method": "dpo", "policy": "org/model", "output": str(path)})
        with (path / "metrics.jsonl").open("w", encoding="utf-8") as log:
            for step in range(1, steps + 1):
                values = {name: math.sin(step / 70 + place) for place, name in enumerate((*NAMES, *OTHERS))}
                log.write(json.dumps({"step": step, **values}) + "\n")
        folder.write_status(RunState.STOPPED, step=steps)


def measure_page(context: Any, url: str, log: Path, steps: int) -> dict[str, float]:
    """Open the page of a run and return its seconds."""
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("request", lambda asked: None if asked.url.startswith(url[:16]) else wrong.append(asked.url))
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.locator("#charts[data-loaded] path").first.wait_for(state="attached")
    curves = time.perf_counter() - began
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
    began = time.perf_counter()
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"step": steps + 1, **dict.fromkeys((*NAMES, *OTHERS), 0.5)}) + "\n")
    page.get_by_text(f"step {steps + 1}:").first.wait_for()
    follows = time.perf_counter() - began
    page.close()
    assert not wrong, wrong
    return {"first paint": paint, "curves": curves, "follows": follows}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="truing-") as folder:
        run = Path(folder) / "run"
        write_run(run, asked.steps)
        began = time.perf_counter()
        open_log(run).update()
        size = (run / "metrics.jsonl").stat().st_size / 1e6
        print(f"parse: {time.perf_counter() - began:.2f} s, {size:.0f} MB")
        rows = [repeat(run, asked.steps + number) for number in range(asked.repeats)]
    for name in rows[0]:
        values = sorted(row[name] for row in rows)
        print(f"{name}: median {statistics.median(values):.2f} s, largest {values[-1]:.2f} s")


def repeat(run: Path, steps: int) -> dict[str, float]:
    """Measure a page from a server that has just been started."""
    command = [sys.executable, "-m", "truing", "runs", str(run), "--port", "0"]
    env = {**os.environ, "TRUING_LANG": "en"}
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8", env=env) as server,
        sync_playwright() as p,
    ):
        try:
            assert server.stderr is not None
            entry = next(found[0] for line in server.stderr if (found := re.findall(r"http\S+", line)))
            browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            context = browser.new_context()
            page = context.new_page()
            page.goto(entry)
            url = page.locator("tbody th a").first.evaluate("found => found.href")
            page.close()
            found = measure_page(context, url, run / "metrics.jsonl", steps)
            browser.close()
        finally:
            server.terminate()
    return found


if __name__ == "__main__":
    main()
