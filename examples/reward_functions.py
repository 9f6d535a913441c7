"""Reward functions of your own, one for each form of what they are given; docs/rewards.md explains them.

rewards:
  - {name: "reward_functions:short"}
  - {name: "reward_functions:level", factor: 2.0, weight: 0.1}
"""


def short(responses):
    return [float(len(text.split()) < 40) for text in responses]


def polite(completions):
    return [float("please" in one[0]["content"].lower()) for one in completions]


def brief(prompts, completions: list[str]):
    return [
        float(len(text) < len(asked[-1]["content"])) for asked, text in zip(prompts, completions, strict=True)
    ]


def right(responses, reference):
    return [float(answer in text) for text, answer in zip(responses, reference, strict=True)]


def level(responses, level, *, factor=1.0):
    return [factor * int(one) for one in level]


def named(responses, **columns):
    return [float(topic in text) for text, topic in zip(responses, columns["topic"], strict=True)]


def maths(responses, kind, reference):
    rows = zip(responses, kind, reference, strict=True)
    return [float(answer in text) if task == "maths" else None for text, task, answer in rows]


def prose(responses, kind):
    rows = zip(responses, kind, strict=True)
    return [min(1.0, len(text) / 40) if task == "text" else None for text, task in rows]
