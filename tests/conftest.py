"""Small models and trees that many tests share: random weights, large enough to make mistakes visible."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy reads it when it is imported

import gc
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from truing.config import trust
from truing.config.recipe import Recipe
from truing.data.trees import Branch, Tree
from truing.methods.offline import choose
from truing.models.reward import RewardScorer
from truing.models.reward_folder import load_reward
from truing.models.scoring import Scorer
from truing.objectives.offline import Reference
from truing.rewards import model as reward
from truing.runs.session import Session
from truing.sampling import speaker

from .two_ranks import two  # noqa: F401 - a fixture of all folders
from .verbs import begun, here, ranks, recipe, started, truing  # noqa: F401 - fixtures of all folders

CHROMIUM = Path("/usr/bin/chromium")
VOCABULARY = 61
LAYERS = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
OTHER_NAMES = {
    "gpt2": {
        "vocab_size": VOCABULARY,
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 128,
        "initializer_range": 0.3,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
    "opt": {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "word_embed_proj_dim": 32,
        "ffn_dim": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 128,
        "init_std": 0.3,
    },
}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[int]:
    """Models this small are slower on many threads, and much slower beside other work; processes too.

    Yields how many threads there were.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield before
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """Hold that a test leaves the environment as it was: the next one would find another cache or model."""

    def found() -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}

    before = found()
    yield
    assert found() == before


@pytest.fixture(autouse=True)
def _own_code(_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accept the functions that tests write; `tests/config/test_trust.py` takes this back."""
    monkeypatch.setattr(trust, "_consent", trust._Consent(everything=True))


@pytest.fixture(autouse=True)
def _threads(request: pytest.FixtureRequest, _one_thread: int) -> Iterator[None]:
    """Give slow tests all threads, and take back whatever number a test has set."""
    if "slow" in request.keywords:
        torch.set_num_threads(_one_thread)
    yield
    torch.set_num_threads(1)


Tiny = Callable[..., PreTrainedModel]


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    """Makes a two-layer model of a family, in eval mode, with weights drawn from `seed`."""

    def make(family: str = "llama", *, seed: int = 0, **changes: object) -> PreTrainedModel:
        config = AutoConfig.for_model(family, **{**OTHER_NAMES.get(family, LAYERS), **changes})
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config).eval()

    return make


@pytest.fixture(scope="session")
def judge() -> Callable[[], PreTrainedModel]:
    """Makes a two-layer reward model in eval mode, with weights drawn from seed 0."""

    def make() -> PreTrainedModel:
        torch.manual_seed(0)
        config = AutoConfig.for_model("llama", **LAYERS, num_labels=1)
        return AutoModelForSequenceClassification.from_config(config).eval()

    return make


@pytest.fixture(scope="session")
def session_of() -> Callable[..., Session]:
    """A session around a scorer and trees that are already there; `changes` are keys of the recipe."""

    def make(
        scorer: Scorer | RewardScorer,
        trees: list[Tree],
        method: str,
        hyper: dict[str, Any] | None = None,
        *,
        loss: str | Mapping[str, float] | None = None,
        reference: Reference | None = None,
        retained: list[Tree] | None = None,
        **changes: Any,
    ) -> Session:
        rest: Any = {"policy": "p", "data": {"train": "t"}, "optim": {"items_per_step": 100}, **changes}
        chosen = choose(method, loss, hyper or {})
        known = {
            "recipe": Recipe(method=method, **rest),
            "chosen": chosen,
            "train": trees,
            "held_out": [],
            "retained": retained or [],
            "scorer": scorer,
        }
        nothing: dict[str, Any] = {field.name: None for field in fields(Session) if field.init}
        session = Session(**{**nothing, **known})
        session.objective = chosen.objective(scorer, reference)
        return session

    return make


def _branch(tokens: list[int], silent: tuple[int, ...] = ()) -> Branch:
    return Branch(tokens, [at not in silent for at in range(len(tokens))])


@pytest.fixture(scope="session")
def trees() -> list[Tree]:
    """A tree of one, two and three branches; some have tokens without loss: a second turn of the user's."""
    return [
        Tree([5, 6, 7], (_branch([8, 9]), _branch([10, 11, 12, 13, 14, 15], silent=(2, 3)))),
        Tree([3], (_branch([4]),)),
        Tree(
            [20, 21, 22, 23, 24],
            (_branch([25, 26], silent=(0,)), _branch([26, 27, 9]), _branch([28, 29, 30, 31])),
        ),
    ]


@pytest.fixture(scope="session")
def pairs() -> list[Tree]:
    """Seven preference pairs of unlike lengths."""
    generator = torch.Generator().manual_seed(4)

    def draw(count: int) -> list[int]:
        return torch.randint(3, VOCABULARY, (count,), generator=generator).tolist()

    sizes = [(3, 4, 2), (1, 1, 1), (6, 2, 7), (4, 5, 5), (2, 9, 3), (5, 3, 6), (8, 1, 2)]
    return [Tree(draw(p), (_branch(draw(c)), _branch(draw(r)))) for p, c, r in sizes]


CHATML = (
    "{% for m in messages %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEXT = ["How do I bake bread at home?", "Mix flour, water and salt.", "I can't help with that.", "你好，世界"]


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 2-layer Llama with random weights that transformers opens."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXT, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=CHATML
    )
    wrapped.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(wrapped),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        eos_token_id=wrapped.eos_token_id,
        pad_token_id=wrapped.pad_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def moved_folder(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model after something like training; its path holds what consoles take for markup."""
    folder = tmp_path_factory.mktemp("runs[green]") / "moved"
    shutil.copytree(model_folder, folder)
    model = LlamaForCausalLM.from_pretrained(folder)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def reward_folder(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a random head that scores."""
    folder = tmp_path_factory.mktemp("reward")
    opened = load_reward(model_folder, torch.float32, torch.device("cpu"))
    opened.model.save_pretrained(folder)
    opened.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources of the models that roles, judges and evaluations load, one a load."""
    found: list[str] = []
    gc.collect()  # of speakers that earlier tests are done with

    def counted(load: Callable[..., Any]) -> Callable[..., Any]:
        def counting(source: str, **options: Any) -> Any:
            found.append(source)
            return load(source, **options)

        return counting

    monkeypatch.setattr(speaker, "load_trained", counted(speaker.load_trained))
    monkeypatch.setattr(reward, "load_trained_reward", counted(reward.load_trained_reward))
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's chromium without a window, for one module: its event loop keeps others from running."""
    if not CHROMIUM.exists():
        pytest.skip("needs Debian's chromium at /usr/bin/chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pairs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve preference pairs."""
    path = tmp_path_factory.mktemp("rows") / "pairs.jsonl"
    rows = [
        {"prompt": f"Question {i}?", "chosen": f"Answer {i} is {'good ' * (i % 4)}yes", "rejected": f"No {i}"}
        for i in range(12)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
