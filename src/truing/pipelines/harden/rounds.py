"""The stages of a hardening, each a folder that goes on where it was stopped.

    OUTPUT/start/                            the starting model, measured
    OUTPUT/round-1/attack/ATTACK/            prompts of this round, each under one of the attacks
    OUTPUT/round-1/failures.jsonl            the attacks that succeeded; random.jsonl as many of all attacks
    OUTPUT/round-1/failures/rows, sft, model
    OUTPUT/round-1/random/…                  the matched random round
    OUTPUT/stages/NAME.json                  what a stage that has ended found

What a round learns from is the only difference between its two arms: the number of rows, the refusals, the
balance and the training are the same.
"""

import gc
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from truing.config.harden import HardenRecipe
from truing.config.recipe import Recipe
from truing.config.red_team import RedTeamRecipe
from truing.config.refusals import RefusalsRecipe
from truing.core.files import read_jsonl, write_atomic
from truing.core.messages import Say, Sentence, message
from truing.data.convert import write_jsonl
from truing.pipelines.harden.measuring import ModelMeasured, measure
from truing.pipelines.harden.plan import TEACHING, RoundsPlan
from truing.pipelines.quickstart import dpo, recipe_of
from truing.pipelines.red_team import red_team_recipe
from truing.pipelines.refusals import refusals_recipe, training_of
from truing.pipelines.stages import train_merged
from truing.redteam.harmless import for_training
from truing.redteam.refusals import PREFERENCES, RETAIN
from truing.redteam.rows import attack_row
from truing.redteam.targets import language_of
from truing.runs.train import StepWatch
from truing.synthesis.constitution.helpful import read_helpful

FAILED, RANDOM = "failures", "random"  # the arms of a round
STAGES, HARMLESS = "stages", "harmless.jsonl"
TWINS = 3  # of prompts of the pool, for each everyday prompt


class ClosingWatch(Protocol):
    """A watch of tasks whose line can be ended, so that training can open its own."""

    def __call__(self, title: str, done: int, total: int) -> None: ...

    def close(self) -> None: ...


@dataclass
class RoundStages:
    """The stages of one hardening in its folder."""

    recipe: HardenRecipe
    plan: RoundsPlan
    pool: Sequence[Mapping[str, Any]]  # rows of prompts to learn from, in the order of the rounds
    output: Path
    say: Say
    watch: ClosingWatch
    steps: StepWatch
    seconds: dict[str, float] = field(default_factory=dict)

    def stage(self, name: str, title: Sentence, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what a stage found: as an earlier command stored it, else by `work`."""
        path = self.output / STAGES / f"{name}.json"
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            self.say(message("{title} is done", title=title))
        else:
            self.say(title)
            start = time.perf_counter()
            found = work()
            self.watch.close()
            gc.collect()  # a model and what points to it go before the next is opened
            found["seconds"] = round(time.perf_counter() - start, 1)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, json.dumps(found, ensure_ascii=False) + "\n")
        self.seconds[name] = found["seconds"]
        return found

    def folder(self, number: int) -> Path:
        return self.output / f"round-{number}"

    def model(self, number: int, arm: str) -> str:
        """Return the model that an arm of a round has made; that of round 0 is the start."""
        return str(self.folder(number) / arm / "model") if number else self.recipe.harden.policy

    def measured(self, number: int, arm: str) -> ModelMeasured:
        """Measure the model of an arm of a round."""
        where = self.folder(number) / arm if number else self.output / "start"
        name = f"round-{number}-{arm}-measured" if number else "start-measured"
        title = message("round {n}, {arm}: measuring", n=number, arm=message(arm))
        title = title if number else message("measuring the start")
        model = self.model(number, arm)
        found = self.stage(
            name, title, lambda: measure(self.recipe, model, where, self.say, self.watch).as_json()
        )
        return ModelMeasured.of_json(found)

    def attacked(self, number: int) -> dict[str, Any]:
        """Attack the last hardened model with a round's prompts; return the counts."""
        title = message("round {n}: attacking", n=number)
        return self.stage(f"round-{number}-attacked", title, lambda: self._attack(number))

    def _attack(self, number: int) -> dict[str, Any]:
        """Put each prompt of a round under one of the attacks, in turn."""
        plan, size = self.recipe.harden, self.plan.topics
        rows = self.pool[(number - 1) * size : number * size]
        failed: list[dict[str, Any]] = []
        every: list[dict[str, Any]] = []
        for place, attack in enumerate(plan.attacks):
            own = rows[place :: len(plan.attacks)]
            if not own:
                continue
            path = self.folder(number) / "attack" / f"{attack}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_jsonl(path, (dict(row) for row in own))
            asked = RedTeamRecipe(
                model=self.model(number - 1, FAILED),
                prompts=(str(path),),
                attacks=(attack,),
                max_new_tokens=plan.max_new_tokens,
                controls=0,
                benign=False,
                page_language=self.recipe.page_language,
                output=str(path.with_suffix("")),
            )
            done = red_team_recipe(asked, self.say, self.watch)
            failed += [attack_row(done, item) for item in done.failures]
            every += [attack_row(done, item) for item in done.items]
        drawn = random.Random(f"{plan.seed}/{number}").sample(every, len(failed))
        write_jsonl(self._rows(number, FAILED), failed)
        write_jsonl(self._rows(number, RANDOM), drawn)
        also = sum(row in failed for row in drawn)
        return {"attacked": len(every), "failed": len(failed), "failed among random": also}

    def _rows(self, number: int, arm: str) -> Path:
        return self.folder(number) / f"{arm}.jsonl"

    def taught(self, number: int, arm: str) -> dict[str, Any]:
        """Make the rows of an arm and train on them; return the counts."""
        title = message("round {n}, {arm}: learning", n=number, arm=message(arm))
        return self.stage(f"round-{number}-{arm}-taught", title, lambda: self._teach(number, arm))

    def _teach(self, number: int, arm: str) -> dict[str, Any]:
        plan, where = self.recipe.harden, self.folder(number) / arm
        first = 1 if plan.begin == "start" else number
        files = [self._rows(one, arm) for one in range(first, number + 1)]
        policy = self.model(0 if plan.begin == "start" else number - 1, arm)
        made = refusals_recipe(
            RefusalsRecipe(
                prompts=tuple(str(path) for path in files if path.stat().st_size),
                policy=policy,
                forms=("attacked",),
                teach=plan.teach,
                balance=plan.balance,
                ordinary=plan.ordinary,
                everyday=(str(self._harmless()),),
                pairs=plan.pairs,
                seed=plan.seed,
                page_language=self.recipe.page_language,
                output=str(where / "rows"),
            ),
            self.say,
            self.watch,
        )
        self.watch.close()
        counts = {"refusals": len(made.sft), "retained": len(made.retain), "pairs": len(made.preferences)}
        recipe = training_of(policy, made, TEACHING)
        del made
        gc.collect()
        return counts | {"steps": self._train(recipe, where, pairs=counts["pairs"] > 0)}

    def _harmless(self) -> Path:
        """Write the harmless prompts of all rounds: everyday ones, and twins of any prompts of the pool.

        Few everyday prompts may be learnt from; twins of prompts that no round has attacked add to them.
        """
        path, plan = self.output / HARMLESS, self.recipe.harden
        if not path.exists():
            languages = list(dict.fromkeys(language_of(row["prompt"]) for row in self.pool))
            everyday = for_training(read_helpful((), languages, self.say).prompts)
            texts = [one.prompt[-1].content for one in everyday.records]
            twins = [row["benign"] for row in self.pool if "benign" in row]
            drawn = random.Random(plan.seed).sample(twins, min(len(twins), TWINS * len(texts)))
            write_jsonl(path, ({"prompt": text} for text in [*texts, *drawn]))
        return path

    def _train(self, first: Recipe, where: Path, *, pairs: bool) -> int:
        """Train SFT on the rows of an arm, and DPO behind it where there are pairs; return the steps."""
        facts = {"base_model": self.recipe.harden.policy, "method": "harden"}
        content = laid(first.model_dump(mode="json"), self.recipe.harden.train)
        content["output"] = str(where / "sft")
        target = where / ("model-sft" if pairs else "model")
        steps = train_merged(where / "sft.yaml", content, target, facts, self.say, self.steps)
        if not pairs:
            return steps
        recipe = recipe_of(str(target), dpo(TEACHING), "auto")
        files = {
            "train": [str(where / "rows" / PREFERENCES)],
            "retain": [str(where / "rows" / RETAIN)],
        }
        content = {**recipe, "data": files | recipe["data"], "output": str(where / "dpo")}
        more = train_merged(where / "dpo.yaml", content, where / "model", facts, self.say, self.steps)
        return steps + more

    def examples(self, number: int) -> list[dict[str, Any]]:
        """Return the failures of a round."""
        return read_jsonl(self._rows(number, FAILED))


def laid(content: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe with the keys of another laid over it, section by section."""
    return content | {
        key: laid(content[key], value)
        if isinstance(value, Mapping) and isinstance(content.get(key), dict)
        else value
        for key, value in over.items()
    }
