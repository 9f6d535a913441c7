"""Time the first line of every verb and the message of every mistake: medians of several starts, in seconds.

    python benchmarks/first_line.py --rounds 5

Wall seconds until the first byte on the terminal, and until a command with a mistake has ended. On a machine
that does other work, CPU seconds of the process up to there say what an idle one would take.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
EXAMPLES = Path(__file__).parents[1] / "examples" / "rows"
ROWS, SUMS = EXAMPLES / "preferences.jsonl", EXAMPLES / "sums.jsonl"
RECIPE = f"method: dpo\npolicy: tiny\ndata: {{train: [{ROWS}]}}\n"
STAGES = f"stages: {{first: {{method: sft, policy: tiny, data: {{train: [{ROWS}]}}}}}}\n"
VERBS = {  # commands that do their work
    "quickstart": "quickstart --model NOT/THERE",
    "init": "init",
    "init METHOD": "init dpo --output made.yaml",
    "check": "check recipe.yaml",
    "train": "train recipe.yaml",
    "run": "run stages.yaml",
    "sample": "sample NOT/THERE --prompt Hello",
    "chat": "chat NOT/THERE",
    "export": "export NOT/THERE out",
    "score": f"score {ROWS} --model NOT/THERE",
    "eval": "eval NOT/THERE",
    "report": "report .",
    "doctor": "doctor",
    "doctor RUN": "doctor .",
    "schema": "schema",
    "data show": f"data show {ROWS}",
    "data check": f"data check {ROWS}",
    "data convert": f"data convert {ROWS} --to messages --output made.jsonl",
    "data stats": f"data stats {ROWS}",
    "--help": "--help",
}
MISTAKES = {  # a wrong method, file, model or task
    "init: method": "init dpoo",
    "check: method": "check recipe.yaml --set method=dpoo",
    "check: loss": "check recipe.yaml --set loss.name=dppo",
    "check: file": "check recipe.yaml --set data.train=[gone.jsonl]",
    "check: model": "check recipe.yaml --set policy=gone/",
    "train: recipe": "train gone.yaml",
    "run: method": "run stages.yaml --set stages.first.method=sftt",
    "run: model": "run stages.yaml",
    "quickstart: model": "quickstart --model gone/",
    "sample: model": "sample gone/ --prompt Hello",
    "sample: file": "sample gone/ --file gone.jsonl",
    "chat: model": "chat gone/",
    "chat: against": "chat gone/ --against gone/",
    "export: run": "export gone/ out",
    "score: model": f"score {ROWS} --model gone/",
    "score: file": "score gone.jsonl --model .",
    "eval: model": "eval gone/",
    "eval: task": "eval gone/ --task harmles",
    "report: run": "report gone",
    "report: several": "report gone other",
    "doctor: run": "doctor gone",
    "data show: file": "data show gone.jsonl",
    "data show: model": f"data show {ROWS} --tokens --model gone/",
    "score: template": f"score {ROWS} --model gone/ --template chatt",
    "data show: template": f"data show {ROWS} --tokens --template chatt",
    "data convert: format": f"data convert {ROWS} --to alpacca --output made.jsonl",
    "option": "train --foo",
    "verb": "trian",
}


@dataclass(frozen=True)
class Took:
    """Wall and CPU seconds of one start."""

    wall: float
    cpu: float


def started(arguments: str, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "truing.cli.main", *arguments.split()]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TRUING_LANG": "en"}
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=folder, env=env, **streams)


def until_first_byte(arguments: str, folder: Path) -> Took:
    begun = time.perf_counter()
    process = started(arguments, folder)
    assert process.stdout is not None
    assert process.stdout.read(1), f"{arguments} printed nothing"
    wall = time.perf_counter() - begun
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    process.kill()
    process.wait()
    return Took(wall, (int(fields[11]) + int(fields[12])) / TICKS)


def until_the_end(arguments: str, folder: Path) -> Took:
    begun = time.perf_counter()
    process = started(arguments, folder)
    assert process.stdout is not None
    process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    assert status, f"{arguments} found no mistake"
    return Took(time.perf_counter() - begun, used.ru_utime + used.ru_stime)


def median(took: Sequence[Took]) -> Took:
    return Took(statistics.median(one.wall for one in took), statistics.median(one.cpu for one in took))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="what the name of a row begins with")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
        (folder / "stages.yaml").write_text(STAGES, encoding="utf-8")
        for table, measure in ((VERBS, until_first_byte), (MISTAKES, until_the_end)):
            print(f"\n{'':22}wall     CPU")
            for name, arguments in table.items():
                if name.startswith(asked.only):
                    Path(folder, "made.yaml").unlink(missing_ok=True)
                    found = median([measure(arguments, folder) for _ in range(asked.rounds)])
                    print(f"{name:22}{found.wall:4.2f} s  {found.cpu:4.2f} s", flush=True)


if __name__ == "__main__":
    main()
