"""Ways in which a model's or an adapter's folder can be broken or hostile, each a change of a good one."""

import json
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

Change = Callable[[Path], object]
ABSENT = object()
DEEP = "[" * 100_000

# Values of config.json, tokenizer_config.json and tokenizer.json that no library expects.
VALUES: Mapping[str, Mapping[str, list[Any]]] = {
    "config.json": {
        "hidden_size": [0, -1, "64", None, 63, 10**9, 1.5, ABSENT],
        "num_attention_heads": [0, -1, "4", None, 3],
        "num_hidden_layers": [0, -1, "2", None],
        "vocab_size": [0, -1, "x", None, 7, 10**9],
        "model_type": ["nothing", None, 5, "gpt2", "bert", ["llama"], ABSENT],
        "num_key_value_heads": [0, 3, "a"],
        "rope_scaling": [{"type": "nothing"}, 5, {"rope_type": "yarn"}],
        "dtype": ["float99"],
        "hidden_act": ["nothing", 5, None],
        "intermediate_size": [0, -5, "x"],
        "head_dim": [0, -1, 7],
        "rms_norm_eps": ["x", None],
        "tie_word_embeddings": ["x"],
        "pad_token_id": [10**9, "x"],
        "eos_token_id": ["x", {}, [[1]]],
        "layer_types": [["x"], 5],
        "auto_map": [{"AutoModel": "x.y"}],
    },
    "tokenizer_config.json": {
        "model_max_length": ["x"],
        "tokenizer_class": [5],
        "added_tokens_decoder": [5, {"1": 5}],
        "eos_token": [5, {}],
        "extra_special_tokens": [5, {"a": 5}],
        "padding_side": ["up"],
        "auto_map": [{"AutoTokenizer": "x.y"}],
    },
    "tokenizer.json": {
        "model": [None, 5, {"type": "x"}, {"type": "BPE", "vocab": {"a": -1}, "merges": []}],
        "added_tokens": [5, [{}], [{"id": -1, "content": "x"}]],
        "pre_tokenizer": [5, {"type": "x"}],
        "version": [5],
        "normalizer": [{"type": "Replace", "pattern": {"Regex": "("}, "content": ""}],
        "post_processor": [{"type": "x"}],
        "decoder": [5],
    },
}
OF_ADAPTERS: Mapping[str, list[Any]] = {
    "peft_type": ["XLORA", "NOTHING", None, 5, ["LORA"], "POLY", "PROMPT_TUNING"],
    "target_modules": ["(a|a?)+$" + "x" * 3, "(", 5, ["nothing_here"], "(([a-z._0-9])+)+!"],
    "rank_pattern": [{"(": 1}],
    "r": [0, -1, "x", None, 10**7],
    "base_model_name_or_path": ["", None, 5, "/nothing/there"],
    "modules_to_save": [5],
    "auto_map": [{"AutoModel": "x.y"}],
}


def broken_models() -> dict[str, Change]:
    """Name every change of a model's folder."""
    found: dict[str, Change] = {
        f"{name} {key}={_shown(value)}": partial(edit, name=name, key=key, value=value)
        for name, keys in VALUES.items()
        for key, values in keys.items()
        for value in values
    }
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"):
        for what, content in {"empty": "", "null": "null", "list": "[]", "deep": DEEP, "NUL": "\0\1"}.items():
            found[f"{name} {what}"] = partial(_write, name=name, text=content)
        found[f"{name} cut"] = partial(_cut, name=name)
        found[f"{name} is a folder"] = partial(_to_folder, name=name)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        found[f"{name} gone"] = partial(_remove, name=name)
    found["generation_config.json null"] = partial(_write, name="generation_config.json", text="null")
    found["generation_config.json deep"] = partial(_write, name="generation_config.json", text=DEEP)
    found["chat_template.jinja leads out"] = partial(_link_out, name="chat_template.jinja")
    return found


def broken_templates() -> dict[str, Change]:
    """Name changes of a model's chat template, which is a program of its own."""
    texts = {
        "of no end": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "of 10 GB": "{{ 'a' * 10**10 }}",
        "that calls itself": "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "that doubles": "{% macro f(n) %}{{ f(n - 1) ~ f(n - 1) if n else 'a' }}{% endmacro %}{{ f(60) }}",
        "that opens Python": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "that includes a file": "{% include '/etc/passwd' %}",
        "that is cut": "{% for message in messages %}{{ message.content",
        "that refuses": "{{ raise_exception('no') }}",
        "that says nothing": "hello",
        "that is deep": "{{ " + "(" * 100_000,
        "of 2 MB": "a" * 2_000_000,
        "of other filters": "{{ messages|nothing }}",
        "with a NUL": "\0",
        "empty": " ",
    }
    found: dict[str, Change] = {
        f"chat template {name}": partial(_write, name="chat_template.jinja", text=text)
        for name, text in texts.items()
    }
    found["chat template that is no text"] = lambda folder: (folder / "chat_template.jinja").write_bytes(
        b"\xff\xfe\0"
    )
    found["chat template is a folder"] = partial(_to_folder, name="chat_template.jinja")
    return found


def broken_adapters() -> dict[str, Change]:
    """Name every change of an adapter's folder."""
    found: dict[str, Change] = {
        f"adapter {key}={_shown(value)}": partial(edit, name="adapter_config.json", key=key, value=value)
        for key, values in OF_ADAPTERS.items()
        for value in values
    }
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        for what, content in {"empty": "", "null": "null", "deep": DEEP}.items():
            found[f"{name} {what}"] = partial(_write, name=name, text=content)
        found[f"{name} cut"] = partial(_cut, name=name)
    found["adapter's base is itself"] = _own_base
    found["adapter's chat_template.jinja leads out"] = partial(_link_out, name="chat_template.jinja")
    return found


def edit(folder: Path, *, name: str, key: str, value: Any) -> None:
    path = folder / name
    content = json.loads(path.read_text())
    content[key] = value
    if value is ABSENT:
        del content[key]
    path.write_text(json.dumps(content))


def _shown(value: Any) -> str:
    return "absent" if value is ABSENT else str(value)[:40]


def _write(folder: Path, *, name: str, text: str) -> None:
    (folder / name).write_text(text)


def _cut(folder: Path, *, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])


def _remove(folder: Path, *, name: str) -> None:
    (folder / name).unlink()


def _to_folder(folder: Path, *, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()


def _link_out(folder: Path, *, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder.parent / "elsewhere").write_text("{{ messages }}")
    (folder / name).symlink_to(folder.parent / "elsewhere")


def _own_base(folder: Path) -> None:
    edit(folder, name="adapter_config.json", key="base_model_name_or_path", value=str(folder))


def copy_of(folder: Path, target: Path, change: Change) -> Path:
    """Copy a good folder and change the copy."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    change(target)
    return target
