"""The fixed workload both sides run: random words, one prompt with two responses, seeded.

Lengths are drawn from a normal distribution around the asked means (standard deviation 40 %, at least
8 words). `tokens` counts every prompt and response once per response, without padding, so it is one
number for any implementation. GRPO takes the prompts alone and samples its responses.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

WORDS = [
    "time",
    "year",
    "people",
    "way",
    "day",
    "man",
    "thing",
    "woman",
    "life",
    "child",
    "world",
    "school",
    "state",
    "family",
    "student",
    "group",
    "country",
    "problem",
    "hand",
    "part",
    "place",
    "case",
    "week",
    "company",
    "system",
    "program",
    "question",
    "work",
    "government",
    "number",
    "night",
    "point",
    "home",
    "water",
    "room",
    "mother",
    "area",
    "money",
    "story",
    "fact",
    "month",
    "lot",
    "right",
    "study",
    "book",
    "eye",
    "job",
    "word",
    "business",
    "issue",
    "side",
    "kind",
    "head",
    "house",
    "service",
    "friend",
    "father",
    "power",
    "hour",
    "game",
    "line",
    "end",
    "member",
    "law",
    "car",
    "city",
    "community",
    "name",
    "president",
    "team",
    "minute",
    "idea",
    "body",
    "information",
    "back",
    "parent",
    "face",
    "others",
    "level",
    "office",
    "door",
    "health",
    "person",
    "art",
    "war",
    "history",
    "party",
    "result",
    "change",
    "morning",
    "reason",
    "research",
    "girl",
    "guy",
    "moment",
    "air",
    "teacher",
    "force",
    "education",
]

PAIRS = 8
ITEMS_PER_STEP = 4
LORA_RANK = 8
LEARNING_RATE = 1e-5

PROMPTS_PER_STEP = 2  # of GRPO
GROUP_SIZE = 8
RESPONSE_TOKENS = 64
KL_WEIGHT = 0.04

Turns = list[dict[str, str]]


def make_pairs(prompt_words: int, response_words: int, count: int = PAIRS) -> list[dict[str, Turns]]:
    """`count` rows of prompt, chosen and rejected, each a list of one turn."""
    rng = random.Random(0)

    def turn(role: str, mean: int) -> Turns:
        words = max(8, int(rng.gauss(mean, mean * 0.4)))
        return [{"role": role, "content": " ".join(rng.choice(WORDS) for _ in range(words))}]

    return [
        {
            "prompt": turn("user", prompt_words),
            "chosen": turn("assistant", response_words),
            "rejected": turn("assistant", response_words),
        }
        for _ in range(count)
    ]


METHODS = ("sft", "dpo", "reward", "kto", "orpo", "cpo")


def rows_for(method: str, pairs: list[dict[str, Turns]]) -> list[dict[str, Any]]:
    """The rows a method trains on: the chosen side for SFT, both sides with a label for KTO, else pairs."""
    if method == "sft":
        return [{"prompt": pair["prompt"], "completion": pair["chosen"]} for pair in pairs]
    if method == "kto":
        return [
            {"prompt": pair["prompt"], "completion": pair[side], "label": side == "chosen"}
            for pair in pairs
            for side in ("chosen", "rejected")
        ]
    return pairs


def count_tokens(tokenizer: Any, rows: list[dict[str, Any]]) -> int:
    """Tokens of all prompts and responses, each prompt once per response."""
    sides = [key for key in rows[0] if key not in ("prompt", "label")]
    whole = (row["prompt"] + row[side] for row in rows for side in sides)
    return sum(len(tokenizer.apply_chat_template(turns)["input_ids"]) for turns in whole)


def grpo_prompts(prompt_words: int, steps: int) -> list[dict[str, Turns]]:
    """As many rows as `steps` ask: both sides then see the same prompts, in whatever order."""
    pairs = make_pairs(prompt_words, response_words=RESPONSE_TOKENS, count=steps * PROMPTS_PER_STEP)
    return [{"prompt": pair["prompt"]} for pair in pairs]


def variety(completions: list[Turns], **_: Any) -> list[float]:
    """The reward of GRPO: how many different characters a response has, 50 of them being 1."""
    return [len(set(turns[0]["content"])) / 50 for turns in completions]


@dataclass
class Stopwatch:
    """Adds up the seconds spent in what it is put around."""

    seconds: float = 0.0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any, **named: Any) -> Any:
            start = time.perf_counter()
            result = call(*given, **named)
            self.seconds += time.perf_counter() - start
            return result

        return timed
