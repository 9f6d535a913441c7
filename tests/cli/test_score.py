"""Reward models the whole way: trained, opened by transformers, scoring rows, resumed, exported."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    PreTrainedTokenizerFast,
)

from truing.cli.main import main
from truing.data.chat import make_renderer
from truing.data.load import load_records
from truing.models.load import load_tokenizer
from truing.models.reward_folder import load_reward

STEPS = {"learning_rate": 1e-2, "items_per_step": 3, "max_steps": 3}
TEXT = ["question 1? answer 1 is good yes", "no 1 2 3 4 5 6 7 8 9 10 11", "how good is it?"]
TIMES = {"seconds", "tokens_per_second"}


@pytest.fixture
def truing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `truing ARGS` in this process, which saves the seconds that importing torch takes."""

    def run(*args: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["truing", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(args, end.value.code or 0, out, err)

    return run


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 2-layer BERT with random weights, a WordPiece tokenizer and 48 positions."""
    folder = tmp_path_factory.mktemp("encoder")
    words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    words.normalizer = normalizers.BertNormalizer()
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special))
    words.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=48,
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=48, initializer_range=0.3, **sizes)
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


def write(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def ranked_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = ["Yes {}, gladly.", "Yes {}.", "No {}."]
    rows = [
        {
            "prompt": f"Question {i}?",
            "responses": [text.format(i) for text in texts],
            "ranks": [1, 2, 2] if i % 3 == 0 else [1, 2, 3],
            "category": "even" if i % 2 == 0 else "odd",
        }
        for i in range(9)
    ]
    return write(tmp_path_factory.mktemp("ranked") / "ranked.jsonl", *rows)


@pytest.fixture(scope="module")
def scored_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        {"prompt": f"Question {i}?", "responses": [f"Fine {i}", f"Bad {i}"], "scores": [0.5 + i, -i]}
        for i in range(9)
    ]
    return write(tmp_path_factory.mktemp("scored") / "scored.jsonl", *rows)


@pytest.fixture
def reward_recipe(recipe, tmp_path) -> Callable[..., Path]:
    """A recipe of a small reward run; keyword arguments replace top-level keys."""

    def make(**changes: object) -> Path:
        return recipe(**{"method": "reward", "lora": None, "optim": STEPS} | changes)

    return make


def succeed(done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_told(done, code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def assert_reported(truing, run: Path, told: dict, page: Path) -> None:
    """`truing report` writes a page with the numbers of reward.json, and names the next command."""
    done = truing("report", run, "--output", page)
    succeed(done)
    assert f"The report is in {page}" in done.stderr
    assert f"next: truing score ROWS --model {run}" in done.stderr
    text = page.read_text()
    assert f"better response scores higher in {told['accuracy']['estimate']:.1%}" in text
    for number in (told["ece"], told["mean_margin"]):
        assert f'<span class="number">{number:.4g}</span>'.replace("-", "−") in text
    for name, found in told["categories"].items():
        assert f'<th scope="row">{name}</th><td><span class="number">{found["estimate"]:.1%}</span>' in text
    assert 'id="reward-reliability"' in text and '<svg class="drawing"' in text
    assert 'src="http' not in text


def trained_head(run: Path) -> torch.Tensor:
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    tensors = load_file(newest / "model.safetensors")
    (head,) = (t for name, t in tensors.items() if name.endswith("weight") and t.shape == (1, 32))
    return head


@torch.no_grad()
def logits_of(folder: Path, lines: list[dict], *, batch: int) -> list[float]:
    """Score lines with transformers alone: its own classes, template, padding."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    turns = [[*line["prompt"], {"role": "assistant", "content": line["response"]}] for line in lines]
    texts = [tokenizer.apply_chat_template(each, tokenize=False) for each in turns]
    found = []
    for start in range(0, len(texts), batch):
        given = tokenizer(
            texts[start : start + batch], return_tensors="pt", padding=True, add_special_tokens=False
        )
        logits = model(input_ids=given["input_ids"], attention_mask=given["attention_mask"]).logits
        assert logits.shape[1] == 1
        found += logits[:, 0].tolist()
    return found


CASES = {
    "full": {},
    "lora": {"lora": {"r": 4, "dropout": 0.1}},
    "top-layer": {"top_layers": 1},
    "encoder": {"policy": "encoder"},
    "encoder-lora": {"policy": "encoder", "lora": {"r": 4}},
    "plackett-luce": {"loss": {"name": "plackett_luce"}, "data": "ranked"},
    "squared-error": {"loss": {"name": "squared_error"}, "data": "scored"},
}


@pytest.mark.parametrize("name", CASES)
def test_transformers_opens_a_run_and_gives_the_scores_that_truing_gives(
    name, reward_recipe, truing, model_folder, encoder_folder, pairs_file, ranked_file, scored_file, tmp_path
):
    changes = dict(CASES[name])
    policy = encoder_folder if changes.get("policy") else model_folder
    rows = {"ranked": ranked_file, "scored": scored_file}.get(changes.get("data"), pairs_file)
    path = reward_recipe(**changes | {"policy": str(policy), "data": {"train": [str(rows)]}})
    succeed(truing("train", path))
    run, out = tmp_path / "run", tmp_path / "scores.jsonl"
    assert not (run / "reward.json").exists(), "there are no held-out rows"
    summary = json.loads(succeed(truing("score", rows, "--model", run, "--output", out, "--json")))
    lines = [json.loads(line) for line in out.read_text().splitlines()]

    records = load_records([str(rows)]).records
    assert [line["response"] for line in lines] == [r.text for record in records for r in record.responses]
    assert (summary["rows"], summary["responses"]) == (len(records), len(lines))
    scores = [line["score"] for line in lines]
    assert summary["mean_score"] == pytest.approx(sum(scores) / len(scores))
    for batch in (1, 5):
        assert logits_of(run / "model", lines, batch=batch) == pytest.approx(scores, abs=1e-4)

    tensors = load_file(run / "model" / "model.safetensors")
    head = "classifier.weight" if policy == encoder_folder else "score.weight"
    assert torch.equal(tensors[head], trained_head(run))
    start = load_reward(policy, torch.float32, torch.device("cpu")).model.state_dict()
    assert not torch.equal(tensors[head], start[head]), "the head was trained"
    moved = {key for key in tensors if not torch.equal(tensors[key], start[key])}
    assert any(".1." in key for key in moved)
    assert any(".0." in key for key in moved) == (name != "top-layer")


def test_an_encoder_reads_cls_prompt_sep_response_sep(encoder_folder, pairs_file):
    """The ids its own tokenizer gives a pair of texts; letters it never saw are unknown, and no smuggling."""
    tokenizer = load_tokenizer(encoder_folder)
    for words in ("How good?", "Is 你 good?"):
        (record,) = load_records([str(pairs_file)]).records[:1]
        record = type(record)((type(record.prompt[0])("user", words),), record.responses)
        tree = make_renderer(tokenizer).tree(record)
        for branch, response in zip(tree.branches, record.responses, strict=True):
            assert [*tree.prompt, *branch.tokens] == tokenizer(words, response.text).input_ids


def test_rows_longer_than_an_encoder_reads(reward_recipe, truing, encoder_folder, pairs_file, tmp_path):
    long = {"prompt": "how good? " * 30, "chosen": "yes", "rejected": "no"}
    rows = tmp_path / "long.jsonl"
    rows.write_text(pairs_file.read_text() + json.dumps(long) + "\n")
    path = reward_recipe(policy=str(encoder_folder), data={"train": [str(rows)]})
    for verb in ("check", "train"):
        assert_told(truing(verb, path), 2, "48 positions", "data.max_tokens: 48")
    succeed(truing("train", path, "--set", "data.max_tokens=48", "--bad-rows", "skip"))
    done = truing("score", rows, "--model", tmp_path / "run", "--json")
    assert (summary := json.loads(succeed(done)))["set_aside"] == 1
    assert summary["rows"] == 12
    assert "1 too-long" in done.stderr
    done = truing("export", tmp_path / "run", tmp_path / "out", "--head-layout", "value_head")
    assert_told(done, 2, "no linear head")


def test_a_run_resumed_is_the_run_unbroken_and_says_how_good_its_best_weights_are(
    reward_recipe, truing, ranked_file, pairs_file, tmp_path
):
    data = {"train": [str(pairs_file)], "eval": [str(ranked_file)]}
    path = reward_recipe(
        lora={"r": 4, "dropout": 0.1},
        data=data,
        evaluate={"every": 1},
        optim={"learning_rate": 1e-2, "items_per_step": 3, "epochs": 1},
        checkpoint={"every": 1, "keep": 3},
    )
    done = truing("train", path)
    succeed(done)
    run = tmp_path / "run"
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert {"accuracy", "margin", "eval/accuracy", "eval/margin"} <= metrics[-1].keys()

    told = json.loads((run / "reward.json").read_text())
    best = min(metrics, key=lambda row: row["eval/loss"])
    # Held-out rankings are compared best against worst here, as this loss trains pairs.
    assert told["pairs"] == told["rows"] == 9
    assert told["accuracy"]["estimate"] == pytest.approx(best["eval/accuracy"])
    assert told["mean_margin"] == pytest.approx(best["eval/margin"], abs=1e-5)
    assert told["ece"] == pytest.approx(best["eval/ece"])
    assert told["length"]["pearson"] == pytest.approx(best["eval/length_correlation"])
    assert told["step"] == best["step"]
    assert told["categories"].keys() == {"even", "odd"}
    assert json.loads((run / "rows.json").read_text()) == {
        "read": 12,
        "made": 0,
        "kept": 12,
        "set_aside": {},
        "cut": {},
        "in_evaluation": 0,
        "notes": {},
        "refused": [],
        "train": 12,
        "held_out": 9,
    }
    assert f"next: truing report {run}" in done.stderr
    assert_reported(truing, run, told, tmp_path / "pages" / "run.html")
    assert f"held out: 18 responses of 9 rows, accuracy {told['accuracy']['estimate']:.1%}" in done.stderr

    before = {name: (run / name).read_bytes() for name in ("reward.json", "model/model.safetensors")}
    newest = sorted((run / "checkpoints").glob("step-*"))[-1]
    weights = {file.name: file.read_bytes() for file in newest.glob("*.safetensors")}
    shutil.rmtree(newest)
    shutil.rmtree(run / "model")
    again = truing("train", path)
    succeed(again)
    assert "resuming after step 3" in again.stderr
    assert {name: (run / name).read_bytes() for name in before} == before
    assert {file.name: file.read_bytes() for file in newest.glob("*.safetensors")} == weights
    repeated = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for row in (*repeated, *metrics):
        for key in TIMES:
            del row[key]
    assert repeated == metrics


def test_export_writes_either_layout_and_score_prints_rows_and_summary(
    reward_recipe, truing, ranked_file, tmp_path
):
    succeed(truing("train", reward_recipe(data={"train": [str(ranked_file)]}, loss={"name": "all_pairs"})))
    run, plain, valued = tmp_path / "run", tmp_path / "plain", tmp_path / "valued"
    succeed(truing("export", run, plain))
    succeed(truing("export", run, valued, "--head-layout", "value_head"))
    head = load_file(valued / "value_head.safetensors")["v_head.summary.weight"]
    assert torch.equal(head, load_file(plain / "model.safetensors")["score.weight"])
    assert not (plain / "value_head.safetensors").exists()

    # Another toolkit's folder: a policy's weights with the head beside them.
    theirs = tmp_path / "theirs"
    shutil.copytree(valued, theirs)
    (theirs / "manifest.json").unlink()
    tensors = load_file(theirs / "model.safetensors")
    del tensors["score.weight"]
    save_file(tensors, theirs / "model.safetensors", {"format": "pt"})

    printed = [truing("score", ranked_file, "--model", folder) for folder in (run, plain, valued, theirs)]
    lines = [json.loads(line) for line in succeed(printed[0]).splitlines()]
    for done in printed[1:]:
        others = [json.loads(line)["score"] for line in succeed(done).splitlines()]
        assert others == pytest.approx([line["score"] for line in lines], abs=1e-5)
    assert len(lines) == 27
    assert [line["rank"] for line in lines[:6]] == [0, 1, 1, 0, 1, 2]
    assert lines[0] | {"score": None} == {
        "place": "ranked.jsonl:1",
        "prompt": [{"role": "user", "content": "Question 0?"}],
        "response": "Yes 0, gladly.",
        "score": None,
        "rank": 0,
        "category": "even",
    }
    said = printed[0].stderr
    assert "27 responses of 9 rows, accuracy " in said
    assert "24 pairs, " in said, "a row with equal ranks has two pairs, the others three"
    assert "\neven: " in said
    assert "\nodd: " in said
    assert "score and length: " in said

    assert_told(truing("export", run, tmp_path / "x", "--no-merge"), 2, "always whole")
    assert_told(truing("export", run, tmp_path / "x", "--head-layout", "mine"), 2, "transformers, value_head")
    assert_told(truing("chat", run), 2, "holds a reward model", "truing score")


@pytest.mark.parametrize("name", ["value_head.bin", "pytorch_model.bin"])
def test_a_pickle_is_imported_by_an_export_and_by_nothing_else(
    name, reward_recipe, truing, model_folder, ranked_file, tmp_path
):
    head = {"v_head.summary.weight": torch.linspace(-1, 1, 32)[None]}
    safe, theirs, ours = (tmp_path / folder for folder in ("safe", "theirs", "ours"))
    for folder in (safe, theirs):
        shutil.copytree(model_folder, folder)
    save_file(head, safe / "value_head.safetensors")
    if name == "value_head.bin":
        torch.save(head, theirs / name)
    else:
        torch.save(load_file(theirs / "model.safetensors") | head, theirs / name)
        (theirs / "model.safetensors").unlink()

    import_it = f"truing export {theirs} NEW --head-layout transformers"
    told = truing("score", ranked_file, "--model", theirs)
    assert_told(told, 2, f"in pickles ({name})", import_it)
    recipe = reward_recipe(policy=str(theirs), data={"train": [str(ranked_file)]})
    assert_told(truing("train", recipe), 2, f"pickles only ({name})" if "model" in name else import_it)

    succeed(truing("export", theirs, ours, "--head-layout", "transformers"))
    assert not list(ours.glob("*.bin"))
    wanted, found = (succeed(truing("score", ranked_file, "--model", folder)) for folder in (safe, ours))
    assert found == wanted
    lines = [json.loads(line) for line in found.splitlines()]
    assert logits_of(ours, lines, batch=1) == pytest.approx([line["score"] for line in lines], abs=1e-4)


def test_a_report_of_what_is_no_run_or_has_not_begun(truing, reward_recipe, model_folder, tmp_path):
    assert_told(truing("report", tmp_path / "nowhere"), 2, "does not exist", "truing train")
    assert_told(truing("report", model_folder), 2, "is no run folder", "truing train")
    assert not (model_folder / "report.html").exists()
    succeed(truing("train", reward_recipe()))
    run = tmp_path / "run"
    done = truing("report", run)
    succeed(done)
    assert (run / "report.html").exists(), "the page goes into the run folder where no place is named"
    assert "Finished after 3 steps." in done.stderr
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps(status | {"state": "stopped", "reason": "stopped by SIGINT"}))
    done = truing("report", run)
    succeed(done)
    assert "Interrupted after 3 steps." in done.stderr
    assert "next: truing train RECIPE" in done.stderr
    (run / "metrics.jsonl").unlink()
    assert_told(truing("report", run), 3, "has no metrics", "truing train")


def test_bad_input_is_told(truing, model_folder, pairs_file, tmp_path):
    done = truing("score", pairs_file, "--model", model_folder)
    assert_told(done, 2, "holds no reward head", "method: reward")
    prompts = write(tmp_path / "prompts.jsonl", {"prompt": "Hello?"}, {"prompt": "Who?"})
    assert_told(truing("score", prompts, "--model", model_folder), 3, "no row has a response", "sample")
    assert_told(truing("score", pairs_file, "--model", model_folder, "--dtype", "int8"), 2, "--dtype int8")
    assert_told(truing("score", pairs_file, "--model", model_folder, "--bad-rows", "x"), 2, "--bad-rows x")


def test_shards_of_score_merge_into_the_scores_of_one_process(truing, reward_folder, pairs_file, tmp_path):
    scored = ["score", pairs_file, "--model", reward_folder]
    whole, merged = tmp_path / "whole.jsonl", tmp_path / "scores.jsonl"
    assert truing(*scored, "--output", whole).returncode == 0
    for number in (1, 2, 3):
        done = truing(*scored, "--output", merged, "--shard", f"{number}/3")
        assert done.returncode == 0, done.stderr
    refused = truing("data", "merge", tmp_path / "scores-00001-of-00003.jsonl", "--output", merged)
    assert refused.returncode == 3 and "of 3 shards these are missing: 2, 3" in refused.stderr
    assert truing("data", "merge", tmp_path / "scores-*-of-00003.jsonl", "--output", merged).returncode == 0
    rows, expected = (
        [json.loads(line) for line in path.read_text().splitlines()] for path in (merged, whole)
    )
    assert [row.pop("score") for row in rows] == pytest.approx(
        [row.pop("score") for row in expected], abs=1e-5
    )
    assert rows == expected and len(rows) == 24
    assert truing(*scored, "--shard", "1/3").returncode == 2


def test_two_ranks_write_the_scores_and_the_summary_of_one_process(
    truing, ranks, reward_folder, ranked_file, tmp_path
):
    scored = ["score", ranked_file, "--model", reward_folder, "--json", "--output"]
    whole, both = tmp_path / "whole.jsonl", tmp_path / "both.jsonl"
    summary = json.loads(succeed(truing(*scored, whole)))
    main, other = [rank.wait() for rank in ranks(*scored, both)]
    found = json.loads(succeed(main))
    assert found.keys() == summary.keys() and (found["rows"], found["pairs"]) == (9, 24)
    assert found["categories"] == summary["categories"] and found["accuracy"] == summary["accuracy"]
    assert [found[name] for name in ("mean_score", "mean_margin", "ece")] == pytest.approx(
        [summary[name] for name in ("mean_score", "mean_margin", "ece")], abs=1e-5
    )
    assert (other.returncode, other.stdout, other.stderr) == (0, "", "")
    rows, expected = ([json.loads(line) for line in path.read_text().splitlines()] for path in (both, whole))
    assert len(rows) == 27 and list(tmp_path.glob("both-*")) == []
    for row, wanted in zip(rows, expected, strict=True):
        assert row == wanted | {"score": pytest.approx(wanted["score"], abs=1e-5)}


def test_a_killed_shard_of_scores_goes_on_and_merges_alike(begun, truing, reward_folder, tmp_path):
    """By SIGKILL after its first rows are on disk: what they say stays, and no row is there twice."""
    lines = [{"prompt": f"Question {i}?", "chosen": f"Yes {i}", "rejected": f"No {i}"} for i in range(1500)]
    scored = ["score", write(tmp_path / "rows.jsonl", *lines), "--model", reward_folder, "--output"]
    whole, merged = tmp_path / "whole.jsonl", tmp_path / "scores.jsonl"
    succeed(truing(*scored, whole))
    process, part = begun(*scored, merged, "--shard", "1/2"), tmp_path / "scores-00001-of-00002.jsonl"
    while not (part.exists() and part.stat().st_size):
        assert process.poll() is None, process.wait().stderr
        time.sleep(0.002)
    process.send(signal.SIGKILL)
    assert process.wait().returncode == -signal.SIGKILL
    kept = part.read_bytes()
    assert 0 < kept.count(b"\n") < 1500
    for shard in ("1/2", "2/2"):
        succeed(truing(*scored, merged, "--shard", shard))
    assert part.read_bytes().startswith(kept)
    succeed(truing("data", "merge", tmp_path / "scores-*-of-00002.jsonl", "--output", merged))
    rows, expected = (
        [json.loads(line) for line in path.read_text().splitlines()] for path in (merged, whole)
    )
    assert [row["score"] for row in rows] == pytest.approx([row["score"] for row in expected], abs=1e-5)
    assert [row["place"] for row in rows] == [row["place"] for row in expected]
