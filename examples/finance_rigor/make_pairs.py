"""Near-identical preference pairs by rule: a financial report, a question, its answer, and the same answer
with every number replaced by a wrong one.

    python examples/finance_rigor/make_pairs.py --output finance

writes `train.jsonl` and `held_out.jsonl`: rows of prompt, chosen and rejected, one JSON object a line. The
two files share the templates and no company. The companies and their figures are invented.

To add a topic, add a `Topic` to TOPICS: its figures, its reports, and its questions with their answers. Every
answer takes all of its numbers from the report.
"""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from truing.data.convert import write_jsonl

Figure = Callable[[Random], str]
NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
YEARS = range(1995, 2027)
FIRST = [
    "Alder",
    "Amber",
    "Arden",
    "Basalt",
    "Beacon",
    "Birch",
    "Brenn",
    "Cedar",
    "Cobalt",
    "Corvan",
    "Delmar",
    "Drayton",
    "Elbe",
    "Fenwick",
    "Garnet",
    "Halden",
    "Harrow",
    "Ionis",
    "Juniper",
    "Kestrel",
    "Larch",
    "Lindal",
    "Marlow",
    "Meridian",
    "Norden",
    "Oakham",
    "Orchard",
    "Pinion",
    "Quarry",
    "Ravel",
    "Sable",
    "Selwyn",
    "Tarn",
    "Teasel",
    "Umber",
    "Verity",
    "Wexham",
    "Willow",
    "Yarrow",
    "Zephyr",
]
SECOND = [
    "Foods",
    "Marine",
    "Logistics",
    "Software",
    "Power",
    "Materials",
    "Retail",
    "Medical",
    "Rail",
    "Glass",
]


def whole(low: int, high: int) -> Figure:
    """A whole number with thousands separated."""
    return lambda rng: f"{rng.randint(low, high):,}"


def tenths(low: int, high: int) -> Figure:
    """A number with one decimal."""
    return lambda rng: f"{rng.randint(10 * low, 10 * high) / 10:,.1f}"


def cents(low: int, high: int) -> Figure:
    """A number of cents as units with two decimals."""
    return lambda rng: f"{rng.randint(low, high) / 100:,.2f}"


def year(low: int, high: int) -> Figure:
    return lambda rng: str(rng.randint(low, high))


@dataclass(frozen=True)
class Topic:
    """One kind of report: what it tells of, how it may be worded, and what may be asked of it."""

    figures: Mapping[str, Figure]
    reports: Sequence[str]
    asked: Mapping[str, Sequence[str]]  # a question to the wordings of its answer


TOPICS = (
    Topic(
        {"y": year(2012, 2025), "rev": tenths(80, 9000), "up": tenths(1, 39), "net": tenths(10, 79)},
        (
            "{co} reported revenue of {cur} {rev} million for {y}, up {up}% on the year before. Net profit "
            "was {cur} {net} million, helped by demand in its home market.",
            "In its {y} annual report, {co} puts net profit at {cur} {net} million. Revenue rose {up}% to "
            "{cur} {rev} million as prices and volumes grew.",
        ),
        {
            "What were {co}'s revenue and net profit in {y}?": (
                "In {y}, {co} had revenue of {cur} {rev} million and a net profit of {cur} {net} million.",
                "Revenue came to {cur} {rev} million and net profit to {cur} {net} million in {y}.",
            ),
            "How did the revenue of {co} develop in {y}?": (
                "Revenue grew by {up}% in {y} and reached {cur} {rev} million.",
                "It rose {up}% to {cur} {rev} million in {y}. Net profit was {cur} {net} million.",
            ),
        },
    ),
    Topic(
        {"gross": tenths(30, 69), "before": tenths(20, 69), "oper": tenths(4, 29), "saved": tenths(3, 90)},
        (
            "The gross margin of {co} moved from {before}% to {gross}% over the year. The operating margin "
            "ended at {oper}%, after savings of {cur} {saved} million in purchasing.",
            "{co} saved {cur} {saved} million in purchasing. Its gross margin is now {gross}%, against "
            "{before}% a year ago, and its operating margin is {oper}%.",
        ),
        {
            "What are the gross and operating margins of {co}?": (
                "The gross margin is {gross}% and the operating margin is {oper}%.",
                "{co} has a gross margin of {gross}%, after {before}% a year ago, and an operating margin "
                "of {oper}%.",
            ),
            "How did the gross margin of {co} change, and what did it save?": (
                "The gross margin went from {before}% to {gross}%, and {co} saved {cur} {saved} million.",
                "It moved from {before}% to {gross}%. Savings in purchasing were {cur} {saved} million.",
            ),
        },
    ),
    Topic(
        {"staff": whole(1200, 98000), "new": whole(110, 990), "lands": whole(12, 79), "sites": whole(14, 98)},
        (
            "At the end of the year {co} employed {staff} people in {lands} countries. It hired {new} "
            "people during the year and runs {sites} sites.",
            "{co} runs {sites} sites in {lands} countries. During the year it hired {new} people, which "
            "brings its headcount to {staff}.",
        ),
        {
            "How many people work for {co}, and in how many countries?": (
                "{co} employs {staff} people in {lands} countries.",
                "It has {staff} employees in {lands} countries and {sites} sites.",
            ),
            "How many people did {co} hire, and what is its headcount now?": (
                "{co} hired {new} people, and its headcount is now {staff}.",
                "It hired {new} people and now employs {staff}, at {sites} sites.",
            ),
        },
    ),
    Topic(
        {"div": cents(12, 980), "last": cents(12, 980), "total": tenths(15, 890), "share": tenths(20, 79)},
        (
            "The board of {co} proposes a dividend of {cur} {div} per share, after {cur} {last} last year. "
            "This pays out {cur} {total} million, or {share}% of net profit.",
            "{co} will pay out {share}% of its net profit, {cur} {total} million in all. The dividend is "
            "{cur} {div} per share; last year it was {cur} {last}.",
        ),
        {
            "What dividend does {co} propose, and how does it compare with last year?": (
                "The proposed dividend is {cur} {div} per share, after {cur} {last} per share last year.",
                "{co} proposes {cur} {div} per share. Last year it paid {cur} {last} per share.",
            ),
            "How much does {co} pay out in total?": (
                "It pays out {cur} {total} million, which is {share}% of net profit or {cur} {div} a share.",
                "The payout is {cur} {total} million, {share}% of net profit.",
            ),
        },
    ),
    Topic(
        {"y": year(2024, 2026), "low": tenths(100, 480), "high": tenths(490, 990), "capex": tenths(12, 90)},
        (
            "For {y}, {co} expects revenue of between {cur} {low} million and {cur} {high} million. Planned "
            "investment is {cur} {capex} million. The company notes that these are forecasts.",
            "{co} plans to invest {cur} {capex} million in {y}. It forecasts revenue of {cur} {low} million "
            "to {cur} {high} million, depending on energy prices.",
        ),
        {
            "What revenue does {co} expect for {y}?": (
                "For {y} it forecasts revenue of {cur} {low} million to {cur} {high} million. This is an "
                "estimate, not a result.",
                "{co} expects {cur} {low} million to {cur} {high} million in {y}, which is a forecast.",
            ),
            "What are the revenue and investment plans of {co} for {y}?": (
                "In {y} it plans to invest {cur} {capex} million and expects revenue of {cur} {low} million "
                "to {cur} {high} million.",
                "It expects revenue of {cur} {low} million to {cur} {high} million and plans to invest "
                "{cur} {capex} million in {y}.",
            ),
        },
    ),
    Topic(
        {"y": year(1999, 2023), "size": tenths(60, 4900), "fee": cents(15, 195), "held": whole(1100, 95000)},
        (
            "The {co} Bond Fund was launched in {y}. It now manages {cur} {size} million for {held} "
            "investors and charges a yearly fee of {fee}%.",
            "With {held} investors and assets of {cur} {size} million, the {co} Bond Fund has grown steadily "
            "since its launch in {y}. Its yearly fee is {fee}%.",
        ),
        {
            "When was the {co} Bond Fund launched, and how large is it?": (
                "The fund was launched in {y} and manages {cur} {size} million.",
                "It was launched in {y}, and its assets are {cur} {size} million from {held} investors.",
            ),
            "What does the {co} Bond Fund charge, and how many investors does it have?": (
                "The fund charges {fee}% a year and has {held} investors.",
                "It has {held} investors, who pay a yearly fee of {fee}%.",
            ),
        },
    ),
    Topic(
        {"debt": tenths(90, 3900), "times": tenths(1, 4), "rate": cents(210, 890), "due": year(2027, 2039)},
        (
            "{co} closed the year with net debt of {cur} {debt} million, or {times} times its operating "
            "profit. It issued a bond due in {due} at {rate}%.",
            "A new bond of {co}, due in {due}, pays {rate}%. Net debt stood at {cur} {debt} million, which "
            "is {times} times operating profit.",
        ),
        {
            "How much net debt does {co} have?": (
                "Net debt is {cur} {debt} million, which is {times} times operating profit.",
                "{co} has net debt of {cur} {debt} million, or {times} times its operating profit.",
            ),
            "What are the terms of the bond of {co}?": (
                "The bond pays {rate}% and is due in {due}.",
                "It is due in {due} and pays {rate}%. Net debt is {cur} {debt} million.",
            ),
        },
    ),
    Topic(
        {"orders": tenths(90, 890), "log": tenths(900, 4900), "cash": tenths(20, 390), "up": tenths(2, 49)},
        (
            "New orders at {co} reached {cur} {orders} million in the quarter, {up}% more than a year ago. "
            "The backlog is {cur} {log} million and free cash flow was {cur} {cash} million.",
            "{co} had free cash flow of {cur} {cash} million in the quarter. New orders grew {up}% to {cur} "
            "{orders} million, and the backlog to {cur} {log} million.",
        ),
        {
            "How large are the new orders and the backlog of {co}?": (
                "New orders were {cur} {orders} million and the backlog is {cur} {log} million.",
                "{co} took new orders of {cur} {orders} million, {up}% more than a year ago. Its backlog is "
                "{cur} {log} million.",
            ),
            "How did orders and cash flow of {co} develop in the quarter?": (
                "New orders grew {up}% to {cur} {orders} million. Free cash flow was {cur} {cash} million.",
                "Orders rose {up}% and free cash flow came to {cur} {cash} million.",
            ),
        },
    ),
)  # fmt: skip


def another(number: str, rng: Random) -> str:
    """A wrong number in the shape of `number`: as many digits, the same separators; a year stays a year.

    >>> another("1,204.5", Random(0))
    '6,604.8'
    """
    if number.isdigit() and int(number) in YEARS:
        return str(rng.choice([one for one in YEARS if one != int(number)]))
    while True:
        drawn = "".join(str(rng.randint(0, 9)) if mark.isdigit() else mark for mark in number)
        if drawn != number and (drawn[0] != "0" or number[0] == "0"):
            return drawn


def wrong(answer: str, rng: Random) -> str:
    """`answer` with every number replaced by a wrong one."""
    return NUMBER.sub(lambda found: another(found.group(), rng), answer)


def make_row(topic: Topic, company: str, rng: Random) -> dict[str, str]:
    """One preference row: prompt, chosen and rejected."""
    facts = {name: draw(rng) for name, draw in topic.figures.items()}
    facts |= {"co": company, "cur": rng.choice(("EUR", "USD", "GBP"))}
    question = rng.choice(list(topic.asked))
    report, answer = rng.choice(topic.reports), rng.choice(topic.asked[question])
    chosen = answer.format(**facts)
    return {
        "prompt": f"{report.format(**facts)}\n\n{question.format(**facts)} Answer in one or two sentences.",
        "chosen": chosen,
        "rejected": wrong(chosen, rng),
    }


def make_rows(train: int, held_out: int, seed: int = 0) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """`train` and `held_out` rows, topics in turn; the same arguments give the same rows."""
    rng = Random(seed)
    names = [f"{first} {second}" for first in FIRST for second in SECOND]
    rng.shuffle(names)
    cut = len(names) // 5  # companies of the held-out rows

    def rows(count: int, companies: list[str]) -> list[dict[str, str]]:
        return [make_row(TOPICS[i % len(TOPICS)], companies[i % len(companies)], rng) for i in range(count)]

    return rows(train, names[cut:]), rows(held_out, names[:cut])


def write_pairs(folder: Path, train: int, held_out: int, seed: int = 0) -> tuple[Path, Path]:
    """Write both files and return where they are."""
    paths = folder / "train.jsonl", folder / "held_out.jsonl"
    for path, rows in zip(paths, make_rows(train, held_out, seed), strict=True):
        write_jsonl(path, rows)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description="Write near-identical preference pairs about finance.")
    parser.add_argument("--output", type=Path, default=Path("finance"), help="folder of the two files")
    parser.add_argument("--pairs", type=int, default=400, help="rows of train.jsonl")
    parser.add_argument("--held-out", type=int, default=64, help="rows of held_out.jsonl")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for path in write_pairs(asked.output, asked.pairs, asked.held_out, asked.seed):
        print(path)


if __name__ == "__main__":
    main()
