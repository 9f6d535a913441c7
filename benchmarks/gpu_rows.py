"""The six rows of `gpu.py`: models, trees and steps."""

import gc
import importlib.util
import math
import random
import time
from dataclasses import dataclass, replace

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from truing.config.recipe import Recipe
from truing.core.memory import peak_bytes
from truing.data.trees import Branch, Tree
from truing.methods.offline import choose
from truing.methods.online import choose_online
from truing.models.gpus import named_gpu
from truing.models.operations import FORMULA as FORMULA
from truing.models.operations import TreeSizes, operations, products_of, sizes_of
from truing.models.passes import passes_of
from truing.models.precision import measured_rate, pick_precision
from truing.models.reference import AdapterOff, Cached, score_all
from truing.models.scoring import Scorer
from truing.objectives.policy_gradient import Experience, PolicyObjective
from truing.runs.policies import prepared
from truing.training.optim import TrainedPart, make_optimizer
from truing.training.step import Objective, learn_step

SHAPES = {
    "0.6b": {"hidden_size": 1024, "intermediate_size": 3072},
    "1.7b": {"hidden_size": 2048, "intermediate_size": 6144},
}
QWEN3 = {"num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128}
TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
TINY |= {"num_key_value_heads": 2, "head_dim": 8, "vocab_size": 512}
VOCABULARY, LORA_RANK, WARM, PASS = 151_936, 16, 2, 16_384
ALLOWED = 1e-4  # of a loss in float32, GPU against CPU


@dataclass(frozen=True)
class Row:
    """A line of the table: a method, a size of model, and the sizes of its trees."""

    method: str
    size: str
    lora: bool
    trees: int
    prompt: int
    responses: int
    length: int  # of a response, on average


ROWS = {
    "dpo-lora-0.6b": Row("dpo", "0.6b", True, 16, 1024, 2, 256),
    "dpo-full-0.6b": Row("dpo", "0.6b", False, 16, 1024, 2, 256),
    "dpo-lora-1.7b": Row("dpo", "1.7b", True, 16, 1024, 2, 256),
    "sft-full-0.6b": Row("sft", "0.6b", False, 16, 1024, 1, 1024),
    "grpo-lora-0.6b": Row("grpo", "0.6b", True, 8, 1024, 8, 256),
    "grpo-full-0.6b": Row("grpo", "0.6b", False, 8, 1024, 8, 256),
}


@dataclass(frozen=True)
class Device:
    """A device, and the rate that its share is of."""

    kind: str
    name: str
    peak: float  # operations per second
    basis: str

    @staticmethod
    def of(kind: str) -> "Device":
        if kind == "cpu":
            from truing.models.machine import cpu_line

            return Device(kind, cpu_line(), measured_rate(torch.float32), "products measured in float32")
        name = torch.cuda.get_device_name(kind)
        gpu = named_gpu(name)
        return (
            Device(kind, name, gpu.bf16, gpu.sheet) if gpu else Device(kind, name, math.nan, "no data sheet")
        )


@dataclass(frozen=True)
class Measured:
    """A row in a layout; where it was not run, `note` says why and the numbers are 0."""

    row: str
    layout: str
    tokens_per_second: float = 0.0
    mfu: float = 0.0
    peak_bytes: int = 0
    step_seconds: float = 0.0
    steps: int = 0
    note: str = ""


def trees_of(row: Row, vocabulary: int, *, tiny: bool) -> list[Tree]:
    """Draw the trees of a step; lengths vary by a quarter around their means, in steps of 16 tokens."""
    drawn, scale = random.Random(0), 32 if tiny else 1

    def tokens(mean: int) -> list[int]:
        length = max(4, round(mean * drawn.uniform(0.75, 1.25) / scale))
        return [drawn.randrange(vocabulary) for _ in range(length)]

    def branch() -> Branch:
        text = tokens(row.length)
        return Branch(text, [True] * len(text))

    count = min(row.trees, 4) if tiny else row.trees
    return [Tree(tokens(row.prompt), tuple(branch() for _ in range(row.responses))) for _ in range(count)]


@dataclass(frozen=True)
class Step:
    """A model with the objective and optimiser of a step over some trees."""

    scorer: Scorer
    objective: Objective
    optimizer: torch.optim.Optimizer
    trees: dict[int, Tree]
    reads: int  # forwards beside the learning one, in each step

    def take(self) -> float:
        """Take one step and return its loss; the device has finished when it returns."""
        passes = passes_of(self.trees, self.scorer, PASS)
        return learn_step(self.optimizer, passes, self.objective)["loss"]

    @property
    def told(self) -> int:
        """Count tokens, each prompt once per response."""
        return sum(len(t.prompt) + len(b) for t in self.trees.values() for b in t.branches)

    def operations(self) -> float:
        read = sum((sizes_of(tree) for tree in self.trees.values()), TreeSizes(0, 0, 0))
        return operations(products_of(self.scorer.inner), read, reads=self.reads)


def build(row: Row, layout: str, device: str, dtype: str, *, tiny: bool) -> Step:
    """Make the step of a row, its weights drawn from one seed."""
    shape = TINY if tiny else {**QWEN3, **SHAPES[row.size], "vocab_size": VOCABULARY}
    config = AutoConfig.for_model("qwen3", tie_word_embeddings=True, max_position_embeddings=40_960, **shape)
    asked = {"method": row.method, "policy": "random", "data": {"train": "random"}, "dtype": dtype}
    recipe = Recipe.model_validate(asked | ({"lora": {"r": LORA_RANK}} if row.lora else {}))
    precision = pick_precision(dtype, torch.device(device), adapter=row.lora)
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(config, dtype=torch.float32).to(device, precision.base)
    model = prepared(base, recipe, precision, "CAUSAL_LM", dropout=False)
    scorer = Scorer(model, layout=layout, autocast=precision.autocast)
    trees = dict(enumerate(trees_of(row, shape["vocab_size"], tiny=tiny)))
    trained = {name: one for name, one in model.named_parameters() if one.requires_grad}
    optimizer = make_optimizer([TrainedPart("", trained, 1e-6)], recipe.optim)
    objective, reads = _objective(row, scorer, trees)
    return Step(scorer, objective, optimizer, trees, reads)


def _objective(row: Row, scorer: Scorer, trees: dict[int, Tree]) -> tuple[Objective, int]:
    """Return the objective of a row, and the number of forwards of its reference in each step."""
    if row.method == "grpo":
        chosen = choose_online("grpo", None, {"kl_weight": 0.0})
        counts = {item: sum(branch.count for branch in tree.branches) for item, tree in trees.items()}
        draw = torch.Generator().manual_seed(0)
        advantages = {item: torch.randn(n, generator=draw) for item, n in counts.items()}
        return PolicyObjective(scorer, chosen, Experience(trees, advantages), 0.0), 0
    chosen = choose(row.method, None, {})
    if not chosen.needs_reference:
        return chosen.objective(scorer, None), 0
    if row.lora:
        return chosen.objective(scorer, AdapterOff(scorer)), 1
    kept = score_all(scorer, list(trees.values()), PASS)  # once, before training
    return chosen.objective(scorer, Cached(kept)), 0


def measure(name: str, layout: str, device: Device, *, seconds: float, tiny: bool) -> Measured:
    """Measure a row in a layout: `trees`, `padded`, or `trl` for the peer."""
    row = ROWS[name]
    if layout == "trl":
        return _peer(name, row, device, tiny=tiny)
    dtype = "float32" if device.kind == "cpu" else "bfloat16"
    step = build(row, layout, device.kind, dtype, tiny=tiny)
    for _ in range(WARM):
        step.take()
    cuda = device.kind.startswith("cuda")
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    begun, steps = time.perf_counter(), 0
    while not steps or (time.perf_counter() - begun < seconds and not (tiny and steps >= 2)):
        step.take()
        steps += 1
    spent = (time.perf_counter() - begun) / steps
    peak = torch.cuda.max_memory_allocated() if cuda else peak_bytes()
    found = Measured(
        name, layout, step.told / spent, step.operations() / spent / device.peak, peak, spent, steps
    )
    del step
    gc.collect()
    if cuda:
        torch.cuda.empty_cache()
    return found


def _peer(name: str, row: Row, device: Device, *, tiny: bool) -> Measured:
    if row.method == "grpo":
        return Measured(name, "trl", note="TRL has no learn step apart from its sampler")
    if importlib.util.find_spec("trl") is None:
        return Measured(name, "trl", note="TRL is not installed here")
    import gpu_trl

    step = build(row, "padded", device.kind, "float32" if device.kind == "cpu" else "bfloat16", tiny=tiny)
    found = gpu_trl.train(
        row.method, row.lora, step.scorer.inner.config, list(step.trees.values()), device.kind
    )
    needed, told = step.operations(), step.told
    spent = found["seconds"]
    return Measured(
        name, "trl", told / spent, needed / spent / device.peak, found["peak"], spent, found["steps"]
    )


def gap_to_cpu(device: str, *, tiny: bool, steps: int = 5) -> float:
    """Train in float32 on a device and on the CPU; return the largest gap between losses of a step."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    gaps = []
    for name in ("dpo-lora-0.6b", "sft-full-0.6b", "grpo-lora-0.6b"):
        losses: list[list[float]] = []
        for where in (device, "cpu"):
            row = replace(ROWS[name], trees=2, prompt=256, length=64)
            step = build(row, "trees", where, "float32", tiny=tiny)
            losses.append([step.take() for _ in range(steps)])
            del step
            gc.collect()
        gaps += [abs(one - other) for one, other in zip(*losses, strict=True)]
    return max(gaps)
