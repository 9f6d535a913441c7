"""Speed and memory of one GPU: trees under FlexAttention, padded rows, and TRL, on Qwen3-like random weights.

usage: python benchmarks/gpu.py --device cpu --tiny

On a GPU, one row at a time, each within four minutes:

    python benchmarks/gpu.py --row dpo-lora-0.6b
    python benchmarks/gpu.py --equal

Rows are of random token ids, so no tokenizer is needed. A step is that of training: `learn_step` over the
passes of its trees. Two steps warm up (kernels are compiled), the others count until `--seconds` are over.
`tokens/s` counts a prompt once for each of its responses, so that packed and padded rows are measured alike.
MFU counts unique tokens, by the formula that is printed, over the data sheet's peak (on a CPU, over the
measured rate of products). `--equal` trains five steps in float32, without TF32, here and on the CPU: losses
must agree within 1e-4. `--wheels FOLDER` installs what is missing from wheels into a folder of its own.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpu_rows import Measured

NEEDED = {"torch": (2, 7), "transformers": (5, 16), "peft": (0, 21), "pydantic": (2, 11), "psutil": (6, 0)}
LAYOUTS = ["trees", "padded", "trl"]


def missing() -> list[str]:
    """Say which packages are absent or too old."""
    found = []
    for name, least in NEEDED.items():
        wanted = ".".join(map(str, least))
        if importlib.util.find_spec(name) is None:
            found.append(f"{name}>={wanted} is not installed")
            continue
        version = importlib.metadata.version(name)
        if tuple(int(part) for part in version.split("+")[0].split(".")[:2]) < least:
            found.append(f"{name}>={wanted} is needed, and {version} is installed")
    return found


def install(wheels: str) -> None:
    """Install the missing packages, but for torch, from a folder of wheels into a new folder on the path."""
    target = tempfile.mkdtemp(prefix="truing-wheels-")
    names = [line.split(">=")[0] for line in missing() if not line.startswith("torch>=")]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", wheels]
    subprocess.run([*command, "--target", target, *names], check=True)
    sys.path.insert(0, target)
    importlib.invalidate_caches()


def show(found: "Measured") -> None:
    if found.note:
        print(f"{found.row:16s} {found.layout:8s} {found.note}", flush=True)
        return
    print(
        f"{found.row:16s} {found.layout:8s} {found.tokens_per_second:9.0f} tokens/s   MFU {found.mfu:6.1%}   "
        f"peak {found.peak_bytes / 2**30:6.2f} GiB   {found.step_seconds:.3f} s a step ({found.steps} steps)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda or cpu")
    parser.add_argument(
        "--tiny", action="store_true", help="a model of two layers and short rows, in seconds"
    )
    parser.add_argument("--row", action="append", help="one row of the table; may be repeated")
    parser.add_argument("--layout", action="append", choices=LAYOUTS, help="may be repeated")
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="of counted steps, for each row and layout"
    )
    parser.add_argument("--equal", action="store_true", help="compare losses with the CPU's instead")
    parser.add_argument("--wheels", help="a folder of wheels for what is missing")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    if asked.wheels:
        install(asked.wheels)
    if lacking := missing():
        sys.exit("\n".join([*lacking, "put their wheels into a folder and pass --wheels FOLDER"]))
    import gpu_rows as rows

    if asked.equal:
        gap = rows.gap_to_cpu(asked.device, tiny=asked.tiny)
        print(json.dumps({"largest_gap": gap}) if asked.json else f"largest gap of a loss: {gap:.2g}")
        sys.exit(int(not gap <= rows.ALLOWED))
    unknown = set(asked.row or ()) - set(rows.ROWS)
    if unknown:
        parser.error(f"--row {', '.join(sorted(unknown))}: expected {', '.join(rows.ROWS)}")
    device, found = rows.Device.of(asked.device), []
    if not asked.json:
        print(f"{device.name}, peak {device.peak / 1e12:.4g} TFLOP/s ({device.basis})")
        print(f"MFU = operations / seconds / peak; operations = {rows.FORMULA}", flush=True)
    for name in asked.row or rows.ROWS:
        for layout in asked.layout or LAYOUTS:
            found.append(rows.measure(name, layout, device, seconds=asked.seconds, tiny=asked.tiny))
            if not asked.json:
                show(found[-1])
    if asked.json:
        told: dict[str, Any] = {"device": vars(device), "formula": rows.FORMULA}
        print(json.dumps(told | {"rows": [vars(one) for one in found]}))


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s in all", file=sys.stderr)
