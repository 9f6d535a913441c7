"""`loss.mix` and `loss.name: module:function` as users run them, and what they are told of a mistake."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from truing.cli.main import main

LIKE_DPO = """
from torch.nn.functional import logsigmoid

def like_dpo(policy, ref, *, beta=0.1):
    return -logsigmoid(beta * (policy.gap - ref.gap))
"""


@pytest.fixture
def checked(recipe: Callable[..., Path], tmp_path: Path, monkeypatch, capsys):
    """Run `truing check` on a recipe with a `loss`, in a working directory with `my_losses.py`."""
    (tmp_path / "my_losses.py").write_text(LIKE_DPO)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))

    def check(loss: dict, **changes: object) -> dict:
        monkeypatch.setattr(sys, "argv", ["truing", "check", str(recipe(loss=loss, **changes)), "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return json.loads(printed.out) if not ended.value.code else {"error": printed.err}

    yield check
    sys.modules.pop("my_losses", None)


# Against another model than the policy itself, where no two losses are alike.
@pytest.fixture
def moved(model_folder: Path, tmp_path: Path) -> str:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(model_folder)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(tmp_path / "reference")
    AutoTokenizer.from_pretrained(model_folder).save_pretrained(tmp_path / "reference")
    return str(tmp_path / "reference")


def test_an_own_loss_and_mixes_give_the_numbers_of_the_tables(checked, moved):
    def numbers(loss: dict, tokens_per_pass: int = 128) -> list[float]:
        found = checked(loss, reference=moved, tokens_per_pass=tokens_per_pass)
        return [found["loss"], found["grad_norm"]]

    dpo, bco = numbers({"name": "dpo"}), numbers({"name": "bco_pair"})
    assert dpo[0] != pytest.approx(bco[0], rel=1e-3)
    assert numbers({"name": "my_losses:like_dpo"}) == pytest.approx(dpo, rel=1e-6)
    assert numbers({"mix": {"my_losses:like_dpo": 0.25, "dpo": 1.5}}) == pytest.approx(
        [1.75 * number for number in dpo], rel=1e-5
    )
    mixed = numbers({"mix": {"dpo": 0.8, "bco_pair": 0.2}})
    assert mixed[0] == pytest.approx(0.8 * dpo[0] + 0.2 * bco[0], rel=1e-5)
    assert numbers({"mix": {"dpo": 0.8, "bco_pair": 0.2}}, tokens_per_pass=1) == pytest.approx(
        mixed, rel=1e-4
    )


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ({"name": "my_losses:like_dop"}, ["my_losses.py has no 'like_dop'; did you mean 'like_dpo'?"]),
        ({"name": "my_lossez:like_dpo"}, ["there is no module 'my_lossez'; did you mean 'my_losses'?"]),
        ({"name": "my_losses:like_dpo", "bta": 1}, ["my_losses:like_dpo takes ['beta', ", "mean 'beta'?"]),
        ({"mix": {"dpo": 1, "my_losses:like_dop": 1}}, ["did you mean 'like_dpo'?"]),
        ({"mix": {"dpo": 1, "dpoo": 1}}, ["no loss 'dpoo'", "did you mean 'dpo'?"]),
        ({"mix": {"dpo": 1, "ipo": 0}}, ["loss.mix.ipo is 0: expected more than 0"]),
        ({"mix": {"dpo": 1}}, ["a mix is of two losses or more"]),
        ({"mix": {"dpo": 1, "ipo": 1}, "name": "dpo"}, ["loss.name and loss.mix cannot be combined"]),
        ({"name": {"dpo": 1, "ipo": 1}}, ["several losses and their weights go under loss.mix"]),
    ],
    ids=str,
)
def test_a_mistake_is_told_in_one_message(checked, loss: dict, words: list[str]):
    told = checked(loss)["error"]
    (mistake,) = (line for line in told.splitlines() if line.startswith("config: "))
    assert not mistake.endswith("…")
    assert "Traceback" not in told
    for word in words:
        assert word in told


def test_a_run_notices_that_its_loss_has_changed(recipe, truing, tmp_path):
    source = tmp_path / "my_losses.py"
    source.write_text(LIKE_DPO)
    optim = {"learning_rate": 1e-3, "items_per_step": 6, "max_steps": 2}
    path = recipe(loss={"mix": {"my_losses:like_dpo": 0.5, "ipo": 0.5}}, optim=optim)
    done = truing("train", path, "--trust-code", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    recorded = json.loads((tmp_path / "run" / "config.json").read_text())["recipe"]["resolved"]
    assert recorded["loss"] == "0.5 ipo + 0.5 my_losses:like_dpo"
    assert recorded["hyper"]["beta"] == 0.1, "both have the same default"
    source.write_text(LIKE_DPO.replace("-logsigmoid", "-2 * logsigmoid"))
    again = truing("train", path, "--trust-code", cwd=tmp_path)
    assert again.returncode == 2
    assert "resolved.loss_files.my_losses:like_dpo: was " in again.stderr
    assert "Traceback" not in again.stderr
    allowed = truing("train", path, "--trust-code", "--allow-change", "resolved.loss_files", cwd=tmp_path)
    assert allowed.returncode == 0, allowed.stderr
