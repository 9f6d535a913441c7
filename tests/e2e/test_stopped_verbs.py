"""Signals in verbs beside `train`: an exit code, a line on what is kept, and for an export R12."""

import json
import signal
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

import pytest
import torch
from transformers import AutoModelForCausalLM

from truing.models.trained import load_trained

IDS = torch.tensor([[5, 6, 7, 8, 9]])
WEIGHTS_WRITTEN = "truing.models.export:model_card"  # and the tokenizer, in a folder without its name


@pytest.fixture
def run(recipe, truing, tmp_path: Path) -> Path:
    done = truing("train", recipe(optim={"learning_rate": 1e-3, "items_per_step": 3, "max_steps": 1}))
    assert done.returncode == 0, done.stderr
    return tmp_path / "run"


def test_an_interrupted_export_leaves_nothing_and_the_next_is_whole(run, recipe, truing, begun, tmp_path):
    """R12: by SIGTERM, Ctrl-C and kill -9, when all but the last files are written."""
    target = tmp_path / "exported" / "out"
    for number in (SIGTERM, SIGINT):
        stopped = begun("export", run, target, pause=WEIGHTS_WRITTEN).stop_paused(number)
        assert stopped.returncode == 128 + number, stopped.stderr
        assert "stopped; nothing was written" in stopped.stderr and "Traceback" not in stopped.stderr
        assert list(target.parent.iterdir()) == []
    assert begun("export", run, target, pause=WEIGHTS_WRITTEN).stop_paused(SIGKILL).returncode == -SIGKILL
    (aside,) = target.parent.iterdir()
    assert aside.name.startswith(".out.aside-") and (aside / "model.safetensors").is_file()
    done = truing("export", run, target)
    assert done.returncode == 0, done.stderr
    assert list(target.parent.iterdir()) == [target]
    with torch.no_grad():
        ours = load_trained(str(run), dtype="float32").model(input_ids=IDS).logits
        theirs = AutoModelForCausalLM.from_pretrained(target)(IDS).logits
    torch.testing.assert_close(theirs, ours)
    merging = recipe("next.json", policy=str(run), output=str(tmp_path / "next"))
    stopped = begun("train", merging, pause=WEIGHTS_WRITTEN).stop_paused(SIGTERM)
    assert stopped.returncode == 143, stopped.stderr
    assert not [path for path in run.iterdir() if "merged" in path.name]
    status = json.loads((tmp_path / "next" / "status.json").read_text())
    assert (status["state"], status["reason"]) == ("stopped", "stopped by SIGTERM before the first step")


@pytest.mark.parametrize("number", [SIGTERM, SIGINT], ids=lambda number: signal.Signals(number).name)
@pytest.mark.parametrize(
    ("verb", "place", "told"),
    [
        (["sample", "MODEL", "--file", "ROWS"], "truing.pipelines.sampling:answer_here", "--file has put"),
        (
            ["eval", "MODEL", "--task", "over_refusal_ordinary"],
            "truing.evals.run:build_tasks",
            "answers are kept",
        ),
        (["judge", "ROWS", "--judge", "MODEL"], "truing.pipelines.judging:judge_files", "answers are kept"),
    ],
    ids=lambda verb: verb[0] if isinstance(verb, list) else None,
)
def test_a_verb_that_is_stopped_says_what_is_kept(
    begun, model_folder, pairs_file, tmp_path, verb, place, told, number
):
    given = {"MODEL": model_folder, "ROWS": pairs_file}
    command = [*(given.get(word, word) for word in verb), "--output", tmp_path / "out"]
    stopped = begun(*command, pause=place).stop_paused(number)
    assert stopped.returncode == 128 + number, stopped.stderr
    assert told in stopped.stderr and "Traceback" not in stopped.stderr
