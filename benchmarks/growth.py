"""Growth of cost: with the number of trees, with the size of a group, and with the vocabulary.

usage: python benchmarks/growth.py
usage: python benchmarks/growth.py --plot docs/images/growth.svg

trees        seconds of a learning pass over 1 to 16 trees: linear, the exponent of the fit is near 1
group        seconds of one tree with G responses, over those of G separate rows: less, the more siblings
vocabulary   memory of scoring and of its backward beyond the head's own weights and their gradient: flat
twice        seconds and kept bytes with activation_checkpointing, over those without
long         memory of one tree of up to 32768 tokens: linear, so no mask of all pairs is made

Seconds are of a model of random weights, the best of several rounds. Bytes are counted without numbers, as
`truing check --plan` counts them, since an allocator's rounding would hide a flat line.
"""

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from curves import Line, draw
from transformers import AutoConfig, AutoModelForCausalLM

from truing.data.packing import pack
from truing.data.trees import Branch, Tree
from truing.kernels.layers import fuse_layers
from truing.models.machine import cpu_line
from truing.models.numberless import footprint, numberless, shaped, without_numbers
from truing.models.recompute import recompute_layers
from truing.models.scoring import Scorer

SHAPE = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2}
PROMPT, RESPONSE = 256, 32  # tokens
COUNTS, GROUPS = (1, 2, 4, 8, 16), (2, 4, 8, 16)
VOCABULARIES = (8_192, 32_768, 131_072, 262_144)
LENGTHS = (4_096, 8_192, 16_384, 32_768)


def model(vocabulary: int = 4096, *, twice: bool = False) -> torch.nn.Module:
    config = AutoConfig.for_model(
        "llama", vocab_size=vocabulary, intermediate_size=352, max_position_embeddings=65_536, **SHAPE
    )
    torch.manual_seed(0)
    made = AutoModelForCausalLM.from_config(config)
    if twice:
        recompute_layers(made)
    return made.train()


def tree(prompt: int, responses: int, length: int = RESPONSE, first: int = 7) -> Tree:
    """Make a tree whose prompt no other tree begins with, if `first` differs."""
    branches = tuple(Branch([5 + k] * length, [True] * length) for k in range(responses))
    return Tree([first, *[3] * (prompt - 1)], branches)


def best_seconds(scorer: Scorer, trees: list[Tree], rounds: int) -> float:
    """Time forward and backward of one pass over these trees; the best of some rounds after the first."""
    batch, found = pack(trees), []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        scorer(batch).logps.sum().backward()
        found.append(time.perf_counter() - begun)
        scorer.zero_grad()
    return min(found[1:])


def exponent(points: dict[int, float]) -> float:
    """Fit y = a x^b by least squares of the logarithms; return b."""
    xs, ys = [math.log(x) for x in points], [math.log(y) for y in points.values()]
    middle, level = sum(xs) / len(xs), sum(ys) / len(ys)
    across = sum((x - middle) ** 2 for x in xs)
    return sum((x - middle) * (y - level) for x, y in zip(xs, ys, strict=True)) / across


def timed(rounds: int) -> dict[str, Any]:
    scorer = Scorer(model(), layout="trees")
    fuse_layers(scorer.model)
    several = {n: [tree(PROMPT, 2, first=9 + i) for i in range(n)] for n in COUNTS}
    counts = {n: best_seconds(scorer, trees, rounds) for n, trees in several.items()}
    shares = {}
    for size in GROUPS:
        together = best_seconds(scorer, [tree(PROMPT, size)], rounds)
        apart = best_seconds(scorer, [tree(PROMPT, 1, first=9 + i) for i in range(size)], rounds)
        shares[size] = together / apart
    again = best_seconds(Scorer(model(twice=True), layout="trees"), several[8], rounds)
    once = best_seconds(Scorer(model(), layout="trees"), several[8], rounds)
    found = {"trees": counts, "trees_exponent": exponent(counts), "group": shares}
    return found | {"twice_seconds": again / once}


def counted() -> dict[str, Any]:
    """Count bytes of passes without numbers: beyond the head for each vocabulary, and for long trees."""
    beyond = {}
    for vocabulary in VOCABULARIES:
        planned = numberless(lambda vocabulary=vocabulary: model(vocabulary))
        with without_numbers():
            found = footprint(Scorer(planned, layout="trees"), shaped(pack([tree(PROMPT, 4, 128)])))
        head = 4 * vocabulary * SHAPE["hidden_size"]  # its gradient, and the product that is added to it
        beyond[vocabulary] = found.activations + found.working - 2 * head
    kept = {}
    for twice in (False, True):
        planned = numberless(lambda twice=twice: model(twice=twice))
        with without_numbers():
            batch = shaped(pack([tree(PROMPT, 2, first=9 + i) for i in range(8)]))
            kept[twice] = footprint(Scorer(planned, layout="trees"), batch).activations
    planned = numberless(model)
    long = {}
    for length in LENGTHS:
        with without_numbers():
            batch = shaped(pack([tree(length // 2, 2, length // 4)]))
            found = footprint(Scorer(planned, layout="trees"), batch)
            long[length] = found.activations + found.working
    found = {"beyond_the_head": beyond, "twice_kept": kept[True] / kept[False]}
    return found | {"long": long, "long_exponent": exponent(long)}


PANELS = (
    ("trees", "milliseconds of a pass", "trees", 1e3),
    ("group", "of the time of separate rows", "G", 1.0),
    ("beyond_the_head", "MiB beyond the head", "vocabulary", 2**-20),
    ("long", "MiB of one tree", "tokens", 2**-20),
)


def panels(found: dict[str, Any]) -> list[Line]:
    """Make a panel of each number that was measured and grows."""
    return [
        Line(title, list(found[name]), [scale * one for one in found[name].values()], across)
        for name, title, across, scale in PANELS
        if name in found
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="of each timing; the best counts")
    parser.add_argument("--counted", action="store_true", help="leave out the timings")
    parser.add_argument("--plot", type=Path, help="an SVG to write")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    found = counted() | ({} if asked.counted else timed(asked.rounds))
    if asked.plot:
        asked.plot.write_text(draw(panels(found)), encoding="utf-8")
    if asked.json:
        print(json.dumps({"cpu": cpu_line(), **found}))
        return
    print(cpu_line())
    if not asked.counted:
        print("trees        " + ", ".join(f"{n}: {1e3 * s:.1f} ms" for n, s in found["trees"].items()))
        print(f"             seconds grow as trees ^ {found['trees_exponent']:.2f}")
        shares = ", ".join(f"G = {n}: {share:.2f}" for n, share in found["group"].items())
        print(f"group        of the time of separate rows: {shares}")
        print(f"twice        {found['twice_seconds']:.2f} of the seconds of layers that run once")
    beyond = ", ".join(f"{v}: {size / 2**20:.1f} MiB" for v, size in found["beyond_the_head"].items())
    print(f"vocabulary   beyond the head: {beyond}")
    print(f"twice        {found['twice_kept']:.2f} of the bytes kept by layers that run once")
    print("long         " + ", ".join(f"{n}: {size / 2**20:.0f} MiB" for n, size in found["long"].items()))
    print(f"             bytes grow as tokens ^ {found['long_exponent']:.2f}")


if __name__ == "__main__":
    main()
