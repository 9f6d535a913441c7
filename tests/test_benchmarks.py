"""Benchmarks of scale, started in their smallest form."""

import json
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from truing.models.gpus import GPUS

FOLDER = Path(__file__).parent.parent / "benchmarks"
OWN = ("gpu_rows", "gpu_trl", "workload")  # modules that scripts import from their folder


@pytest.fixture
def script(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Any]]:
    """Runs a script of the folder in this process and returns the JSON that it prints."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def run(name: str, *arguments: str) -> Any:
        monkeypatch.setattr(sys, "argv", [name, *arguments, "--json"])
        runpy.run_path(str(FOLDER / name), run_name="__main__")
        return json.loads(capsys.readouterr().out)

    yield run
    for name in OWN:
        sys.modules.pop(name, None)


def test_the_rows_of_a_gpu_run_on_a_cpu(script):
    found = script("gpu.py", "--device", "cpu", "--tiny")
    assert "head" in found["formula"] and found["device"]["peak"] > 0
    rows = found["rows"]
    assert [row["row"] for row in rows[::3]] == [
        "dpo-lora-0.6b",
        "dpo-full-0.6b",
        "dpo-lora-1.7b",
        "sft-full-0.6b",
        "grpo-lora-0.6b",
        "grpo-full-0.6b",
    ]
    for row in rows:
        if row["layout"] == "trl":
            assert row["note"] or row["steps"]
        else:
            assert (
                row["tokens_per_second"] > 0
                and row["mfu"] > 0
                and row["peak_bytes"] > 0
                and row["steps"] == 2
            )


def test_losses_are_those_of_the_cpu(script):
    """On a CPU itself the gap is nothing; on a GPU the exit code says whether it is below 1e-4."""
    with pytest.raises(SystemExit) as ended:
        script("gpu.py", "--device", "cpu", "--tiny", "--equal")
    assert ended.value.code == 0


def test_unknown_rows_and_missing_packages_are_told(script, monkeypatch):
    with pytest.raises(SystemExit):
        script("gpu.py", "--device", "cpu", "--row", "dpo-70b")
    given = runpy.run_path(str(FOLDER / "gpu.py"))
    given["NEEDED"]["nothing_of_this_name"] = (1, 0)
    given["NEEDED"]["torch"] = (99, 0)
    absent = given["missing"]()
    assert absent[0].startswith("torch>=99.0 is needed, and ")
    assert absent[1] == "nothing_of_this_name>=1.0 is not installed"


def test_the_peak_is_that_of_the_data_sheet(script, monkeypatch):
    sys.modules.pop("gpu_rows", None)
    import gpu_rows  # pyright: ignore[reportMissingImports]

    monkeypatch.setattr("torch.cuda.get_device_name", lambda kind: "NVIDIA H200")
    assert gpu_rows.Device.of("cuda").peak == GPUS["H200"].bf16


def test_counted_growth_is_flat_in_the_vocabulary_and_linear_in_tokens(script):
    found = script("growth.py", "--counted")
    beyond = {int(size): held for size, held in found["beyond_the_head"].items()}
    assert beyond[131_072] < 1.2 * beyond[32_768]
    assert found["long_exponent"] < 1.05
    assert set(found["long"]) == {"4096", "8192", "16384", "32768"}
