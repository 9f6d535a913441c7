"""Ten faults planted by hand, one at a time, and the tests that catch them.

usage: python benchmarks/planted_faults.py
usage: python benchmarks/planted_faults.py --root FOLDER

Each fault changes one line of a copy of `src`. The tests that should know of it run first; where they pass,
all tests run. A fault that nothing catches makes the exit code 1. `--root` is another checkout.
"""

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Fault:
    """A line, what takes its place, and the files of tests that should notice."""

    name: str
    line: str
    planted: str
    tests: tuple[str, ...]


FAULTS = (
    Fault(
        "DPO forgets beta",
        "return logistic(beta * _margin(policy, ref), label_smoothing, probability)",
        "return logistic(_margin(policy, ref), label_smoothing, probability)",
        ("test_preference.py",),
    ),
    Fault(
        "a target is read one token late",
        "yield (start + at - 1 if at else last), token, first + number",
        "yield (start + at if at else last), token, first + number",
        ("test_packing.py", "test_scoring.py"),
    ),
    Fault(
        "a mean is taken over the pass, not the step",
        "return part.values.sum() / totals[part.unit]",
        "return part.values.mean()",
        ("test_step.py",),
    ),
    Fault(
        "a row one token too long passes",
        "if tree.longest <= max_tokens:",
        "if tree.longest <= max_tokens + 1:",
        ("test_chat.py",),
    ),
    Fault(
        "a damaged file of the right size is whole",
        'elif hashes and sha256_file(file) != entry["sha256"]:',
        "elif hashes and not sha256_file(file):",
        ("test_files.py", "test_checkpoint.py"),
    ),
    Fault(
        "GAE looks beyond the end of a response",
        "following = values.roll(-1).masked_fill(lasts(response), 0)",
        "following = values.roll(-1)",
        ("test_credit.py",),
    ),
    Fault(
        "a failed reward counts as nothing",
        "elif part.weight and isinstance(outcome, Failed):",
        "elif part.weight and isinstance(outcome, Failed) and index < 0:",
        ("test_mix.py",),
    ),
    Fault(
        "Wilson's interval is one-sided",
        'whole."""\n    z = float(stats.norm.ppf((1 + level) / 2))',
        'whole."""\n    z = float(stats.norm.ppf(level))',
        ("test_intervals.py",),
    ),
    Fault(
        "an epoch begins one step early",
        "return (step - 1) // self.steps_per_epoch",
        "return step // self.steps_per_epoch",
        ("test_plan.py",),
    ),
    Fault(
        "damaged checkpoints count as kept",
        "in reversed(steps_in(folder)) if not problem_of(",
        "in reversed(steps_in(folder)) if not callable(",
        ("test_checkpoint.py",),
    ),
)


def planted_in(source: Path, fault: Fault) -> Path:
    """Plant a fault in a copy of `src`; ends where its line does not stand there once."""
    found = [path for path in sorted(source.rglob("*.py")) if fault.line in path.read_text(encoding="utf-8")]
    if len(found) != 1:
        sys.exit(f"{fault.name}: its line stands in {len(found)} files: {fault.line}")
    text = found[0].read_text(encoding="utf-8")
    found[0].write_text(text.replace(fault.line, fault.planted), encoding="utf-8")
    return found[0]


def first_failure(root: Path, source: Path, tests: list[str]) -> str:
    """Return the first test that fails with `source` in the place of `src`; empty where all pass."""
    env = {**os.environ, "PYTHONPATH": str(source)}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, check=False, encoding="utf-8")
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    return failed[0].partition(" ")[2].partition(" - ")[0] if failed else ""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=ROOT)
    root = parser.parse_args().root.resolve()
    missed = 0
    for fault in FAULTS:
        with TemporaryDirectory(prefix="truing-fault-") as scratch:
            source = Path(shutil.copytree(root / "src", Path(scratch) / "src"))
            place = planted_in(source, fault).relative_to(source)
            near = [str(path) for name in fault.tests for path in sorted((root / "tests").rglob(name))]
            caught = first_failure(root, source, near) or first_failure(root, source, [])
        missed += not caught
        print(f"{fault.name} ({place}): {caught or 'NOT CAUGHT'}", flush=True)
    print(f"{len(FAULTS) - missed} of {len(FAULTS)} caught")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
