"""Files with stages: how they are read, what is found before anything is trained, and how they go on."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from truing.config.run_folder import read_metrics, read_status
from truing.config.stages import load_stages
from truing.core.errors import ConfigError, DataError, ModelError, TruingError, UsageError
from truing.pipelines.stages import planned, run_stages

TWO = """\
output: runs
shared:
  policy: model
  lora: {r: 4, alpha: 8}
stages:
  sft: {method: sft, data: {train: [a.jsonl]}}
  dpo:
    method: dpo
    policy: stage:sft
    lora: {r: 2}
    data: {train: [b.jsonl]}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a file into the working directory and returns its name."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> str:
        Path("stages.yaml").write_text(text)
        return "stages.yaml"

    return write


# Reading


def test_a_stage_is_a_recipe_over_what_is_shared(write):
    sft, dpo = load_stages(write(TWO))
    assert [stage.name for stage in (sft, dpo)] == ["sft", "dpo"]
    assert (sft.recipe.policy, sft.recipe.output, sft.needs) == ("model", "runs/sft", ())
    assert (dpo.recipe.policy, dpo.recipe.output, dpo.needs) == ("stage:sft", "runs/dpo", ("sft",))
    assert sft.recipe.lora and (sft.recipe.lora.r, sft.recipe.lora.alpha) == (4, 8)
    assert dpo.recipe.lora and (dpo.recipe.lora.r, dpo.recipe.lora.alpha) == (2, 8)


def test_null_in_a_stage_takes_back_what_is_shared(write):
    (_, dpo) = load_stages(write(TWO.replace("lora: {r: 2}", "lora: null")))
    assert dpo.recipe.lora is None


def test_overrides_reach_stages_shared_keys_and_the_output(write):
    flags = ["stages.dpo.optim.max_steps=3", "shared.seed=7", "output=elsewhere", "stages.dpo.lora={r: 3}"]
    sft, dpo = load_stages(write(TWO), flags)
    assert (sft.recipe.optim.max_steps, dpo.recipe.optim.max_steps) == (None, 3)
    assert sft.recipe.seed == dpo.recipe.seed == 7
    assert dpo.recipe.output == "elsewhere/dpo"
    assert dpo.recipe.lora and dpo.recipe.lora.r == 3


def test_a_file_in_json_reads_the_same(write):
    sft = {"method": "sft", "policy": "model", "data": {"train": "a.jsonl"}}
    write("")
    Path("stages.json").write_text(json.dumps({"output": "runs", "stages": {"sft": sft}}))
    (stage,) = load_stages("stages.json")
    assert stage.recipe.output == "runs/sft"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("output: runs", "outputs: runs", "stages.yaml:1: unknown key 'outputs'; did you mean 'output'?"),
        ("method: dpo", "metod: dpo", "stages.yaml:8: unknown key 'metod'; did you mean 'method'?"),
        ("method: dpo", "output: x", "stages.yaml:8: unknown key 'output' in dpo; its run goes to runs/dpo"),
        ("lora: {r: 2}", "lora: {r: 0}", "stages.yaml:10: lora.r is 0: expected at least 1"),
        ("alpha: 8", "alhpa: 8", "stages.yaml:4: unknown key 'alhpa' in lora; did you mean 'alpha'?"),
        ("  sft: {m", "  s.ft: {m", "stages.yaml:5: 's.ft' cannot be the name of a folder"),
        ("stage:sft", "stage:stf", "stages.yaml:9: stage:stf in dpo: there is no such stage; earlier"),
        ("stage:sft", "stage:dpo", "stages.yaml:9: stage:dpo in dpo: a stage cannot begin from its own"),
        ("  policy: model", "  policy: stage:dpo", "stages.yaml:3: stage:dpo in sft: it comes after sft"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(write, old, new, told):
    with pytest.raises(ConfigError) as caught:
        load_stages(write(TWO.replace(old, new, 1)))
    assert any(line.startswith(told) for line in str(caught.value).splitlines()), str(caught.value)


def test_two_stages_in_a_circle_are_refused(write):
    with pytest.raises(ConfigError, match="it comes after sft"):
        load_stages(write(TWO.replace("{method: sft", '{method: sft, policy: "stage:dpo"')))


def test_what_is_wrong_with_shared_keys_is_told_once(write):
    with pytest.raises(ConfigError) as caught:
        load_stages(write(TWO.replace("  policy: model", "  policy: model\n  sede: 1")))
    assert str(caught.value) == "stages.yaml:4: unknown key 'sede'; did you mean 'seed'?"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no stages"),
        ("output: runs\nstages: {}\n", "at least one stage"),
        ("output: runs\nstages: {sft: }\n", "stages.sft is null: expected a mapping of keys"),
        ("stages: {}\n", "output is missing"),
        ("method: sft\npolicy: model\n", "single recipe"),
    ],
)
def test_a_file_that_is_no_pipeline_is_refused(write, text, told):
    with pytest.raises(ConfigError, match=told):
        load_stages(write(text))


def test_a_misspelt_stage_in_an_override_is_not_a_new_one(write):
    with pytest.raises(ConfigError, match="--set: no stage 'dop'; did you mean 'dpo'"):
        load_stages(write(TWO), ["stages.dop.optim.epochs=2"])
    whole = '{method: dpo, policy: "stage:sft", data: {train: c.jsonl}}'
    assert load_stages(write(TWO), [f"stages.dpo={whole}"])[1].recipe.data.train == ("c.jsonl",)
    assert len(load_stages(write(TWO), ["stages={sft: {method: sft, data: {train: c.jsonl}}}"])) == 1
    with pytest.raises(UsageError, match="expected key=value"):
        load_stages(write(TWO), ["stages.dpo.optim.epochs"])


# Running, on the tiny model


class Line:
    """A progress line nobody reads."""

    def step(self, step: int, logs: dict[str, float]) -> None:
        pass


@contextmanager
def watch(title: str, total: int) -> Iterator[Line]:
    yield Line()


@contextmanager
def killed_at_dpo(title: str, total: int) -> Iterator[Line]:
    if title == "DPO":
        raise KeyboardInterrupt
    yield Line()


def quiet(line: str) -> None:
    pass


@pytest.fixture
def file(write: Callable[[str], str], model_folder: Path, pairs_file: Path) -> str:
    """SFT, then DPO from it: three steps each on twelve pairs."""
    Path("pairs.jsonl").write_bytes(pairs_file.read_bytes())
    text = TWO.replace("policy: model", f"policy: {model_folder}\n  optim: {{items_per_step: 4}}")
    return write(text.replace("a.jsonl", "pairs.jsonl").replace("b.jsonl", "pairs.jsonl"))


def run(file: str, *flags: str) -> list[str]:
    """Run the file, and return the sentences it told."""
    told: list[str] = []
    run_stages(load_stages(file, flags), told.append, watch)
    return told


def test_an_adapter_is_merged_and_whole_weights_are_taken_as_they_are(file):
    _, dpo = planned(load_stages(file))
    assert dpo.recipe.policy == "runs/sft/merged"
    _, dpo = planned(load_stages(file, ["shared.lora=null"]))
    assert dpo.recipe.policy == "runs/sft/model"
    run(file, "shared.lora=null", "stages.dpo.lora=null")
    assert not Path("runs/sft/merged").exists()
    status = read_status(Path("runs/dpo"))
    assert status and status.step == 3


def test_a_reward_model_is_a_run_to_rewards_and_weights_to_all_else(file):
    flags = ["stages.sft.method=reward", "stages.dpo.method=ppo"]
    flags += ['stages.dpo.rewards=[{name: model, path: "stage:sft"}]']
    _, ppo = planned(load_stages(file, [*flags, "stages.dpo.critic.start=stage:sft"]))
    assert ppo.recipe.rewards[0].options["path"] == ppo.recipe.critic.start == "runs/sft"
    assert ppo.recipe.policy == "runs/sft/model"


def test_killed_between_stages_it_goes_on_with_the_second(file):
    with pytest.raises(KeyboardInterrupt):
        run_stages(load_stages(file), quiet, killed_at_dpo)
    first = Path("runs/sft/model/adapter_model.safetensors").stat().st_mtime_ns
    told = run(file)
    assert told[0].startswith("stage 1 of 2: sft (supervised fine-tuning) is done")
    assert len(read_metrics(Path("runs/dpo"))) == 3
    assert Path("runs/sft/model/adapter_model.safetensors").stat().st_mtime_ns == first


def test_killed_between_the_last_step_and_its_result_it_writes_the_result(file):
    run(file)
    metrics = read_metrics(Path("runs/dpo"))
    shutil.rmtree("runs/dpo/model")
    assert "resuming after step 3 of 3" in run(file)
    assert Path("runs/dpo/model/adapter_model.safetensors").exists()
    assert read_metrics(Path("runs/dpo")) == metrics


def test_a_changed_recipe_or_file_of_a_done_stage_is_an_error(file):
    run(file)
    with pytest.raises(ConfigError, match=r"stage sft: (.|\n)*seed: was 0, is 7") as caught:
        run(file, "stages.sft.seed=7")
    assert "--allow-change" not in caught.value.hint
    rows = Path("pairs.jsonl").read_text()
    Path("pairs.jsonl").write_text(rows.replace("Question 0?", "Question zero?"))
    with pytest.raises(ConfigError, match=r"stage sft: (.|\n)*inputs.pairs.jsonl"):
        run(file)


def test_the_last_stage_can_be_trained_longer_and_one_others_began_from_cannot(file):
    run(file)
    run(file, "stages.dpo.optim.epochs=2")
    assert len(read_metrics(Path("runs/dpo"))) == 6
    with pytest.raises(ConfigError, match="sft has steps to train, and dpo began from an earlier result"):
        run(file, "stages.dpo.optim.epochs=2", "stages.sft.optim.epochs=2")
    shutil.rmtree("runs/sft")
    with pytest.raises(ConfigError, match="dpo began from an earlier result") as caught:
        run(file, "stages.dpo.optim.epochs=2")
    assert "runs/dpo" in caught.value.hint


def test_weights_are_merged_again_after_the_stage_was_trained_longer(file):
    with pytest.raises(KeyboardInterrupt):
        run_stages(load_stages(file), quiet, killed_at_dpo)
    short = Path("runs/sft/merged/model.safetensors").read_bytes()
    shutil.rmtree("runs/dpo")
    run(file, "stages.sft.optim.epochs=2")
    assert Path("runs/sft/merged/model.safetensors").read_bytes() != short


# Found before the first stage is trained


@pytest.mark.parametrize(
    ("flag", "error", "told"),
    [
        ("method=dop", ConfigError, "did you mean 'dpo'"),
        ("loss.beat=0.1", ConfigError, "beta"),
        ("rewards=[{name: numeric}]", ConfigError, "rewards is not read by dpo"),
        ("data.train=absent.jsonl", DataError, "absent.jsonl does not exist"),
        ("data.eval=absent.jsonl", DataError, "absent.jsonl does not exist"),
        ("data.train=said.jsonl", DataError, "said.jsonl: dpo needs a chosen and a rejected response"),
        ("reference=absent", ModelError, "the folder absent does not exist"),
    ],
)
def test_a_mistake_of_the_last_stage_is_found_first(file, flag, error, told):
    Path("said.jsonl").write_text('{"prompt": "Question?", "completion": "Yes."}\n')
    with pytest.raises(error, match=f"^stage dpo: .*{told}"):
        run(file, f"stages.dpo.{flag}")
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("rewards", "told"),
    [
        ("[]", "rewards is empty"),
        ("[{name: numerc}]", "did you mean 'numeric'"),
        ("[{name: model}]", "needs path"),
        ('[{name: model, path: "stage:sft", tempo: 1}]', "not 'tempo'"),
        ("[{name: model, path: absent}]", "the folder absent does not exist"),
    ],
)
def test_rewards_are_looked_up_first(file, rewards, told):
    with pytest.raises(TruingError, match=f"^stage dpo: .*{told}"):
        run(file, "stages.dpo.method=rloo", f"stages.dpo.rewards={rewards}")
    assert not Path("runs").exists()
