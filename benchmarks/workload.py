"""The fixed workload both sides run: random words, one prompt with two responses, seeded.

Lengths are drawn from a normal distribution around the asked means (standard deviation 40 %, at least
8 words). `tokens` counts every prompt and response once per response, without padding, so it is one
number for any implementation.
"""

import random
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

Turns = list[dict[str, str]]


def make_pairs(prompt_words: int, response_words: int) -> list[dict[str, Turns]]:
    """PAIRS rows of prompt, chosen and rejected, each a list of one turn."""
    rng = random.Random(0)

    def turn(role: str, words: int) -> Turns:
        count = max(8, int(rng.gauss(words, words * 0.4)))
        return [{"role": role, "content": " ".join(rng.choice(WORDS) for _ in range(count))}]

    return [
        {
            "prompt": turn("user", prompt_words),
            "chosen": turn("assistant", response_words),
            "rejected": turn("assistant", response_words),
        }
        for _ in range(PAIRS)
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
