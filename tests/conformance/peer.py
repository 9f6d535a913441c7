"""TRL's numbers from the same weights and rows, and the recipes that must give the same."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

PEER = Path(__file__).parents[3] / "shared" / "conformance"
DIVERGENCES = {"js_divergence": "js", "forward_kl": "forward_kl", "alpha_divergence": "alpha"}


@dataclass(frozen=True)
class PeerCase:
    """One case of ../shared/conformance/cases.json."""

    number: int
    method: str  # TRL's name, as the keys of `hyper` are
    hyper: dict[str, Any]
    rows: str
    loss: float
    grad_norm: float
    appends_eos: bool  # the peer puts one more EOS behind the rendered response

    def __str__(self) -> str:
        return "-".join([f"{self.number}", self.method, *(str(value) for value in self.hyper.values())])

    def our_loss(self) -> dict[str, Any]:
        """The recipe's `loss` section."""
        hyper = self.hyper
        match self.method:
            case "dpo":
                name = (
                    "wpo" if hyper.get("use_weighting") else hyper["loss_type"][0].replace("sigmoid", "dpo")
                )
                loss = {key: hyper[key] for key in ("beta", "label_smoothing", "ld_alpha") if key in hyper}
                if "f_divergence_type" in hyper:
                    loss["divergence"] = DIVERGENCES[hyper["f_divergence_type"]]
                if "loss_weights" in hyper:
                    loss["sft_weight"] = hyper["loss_weights"][1]
                if name == "bco_pair":
                    loss["shift"] = 0.0  # TRL leaves the paper's delta out
                return {"name": name.replace("dpo_norm", "sigmoid_norm"), **loss}
            case "cpo":
                names = {"sigmoid": "cpo", "hinge": "cpo_hinge", "ipo": "cpo_ipo", "simpo": "simpo"}
                loss = {
                    "name": names[hyper["loss_type"]],
                    "beta": hyper["beta"],
                    "sft_weight": hyper["cpo_alpha"],
                }
                return loss | ({"gamma": hyper["simpo_gamma"]} if "simpo_gamma" in hyper else {})
            case "orpo":
                return {**hyper, "sft_on": "sequence"}
            case "kto":
                return {"name": "kto", **{k.replace("loss_type", "name"): v for k, v in hyper.items()}}
            case "reward":
                return {"center": hyper.get("center_rewards_coefficient", 0.0)}
            case _:
                return {}

    def recipe(self, folder: Path, **changes: object) -> dict[str, Any]:
        """All rows in one step; rows the peer saw otherwise than they stand are written to `folder`."""
        data: dict[str, Any] = {"train": [str(PEER / "rows" / f"{self.rows}.jsonl")]}
        if self.appends_eos:
            # The plain template adds nothing to text that ends with EOS.
            data |= {
                "train": [str(self._rendered(folder))],
                "template": "plain",
                "trust_control_tokens": True,
            }
        elif self.method == "reward" and "margin" not in self.hyper:
            data["train"] = [str(_write(folder, [{**row, "margin": 0.0} for row in self.read()]))]
        policy = "reward" if self.method == "reward" else "policy"
        return {
            "method": self.method,
            "policy": str(PEER / policy),
            "reference": str(PEER / "reference") if self.method in ("dpo", "kto") else None,
            "data": data,
            "loss": self.our_loss(),
            "optim": {"items_per_step": 1000},
            "dtype": "float32",
            "output": str(folder / "run"),
            **changes,
        }

    def read(self) -> list[dict[str, Any]]:
        return list(map(json.loads, (PEER / "rows" / f"{self.rows}.jsonl").read_text().splitlines()))

    def _rendered(self, folder: Path) -> Path:
        tokenizer = AutoTokenizer.from_pretrained(PEER / "policy")
        rows = []
        for row in self.read():
            prompt = tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
            whole = {
                side: tokenizer.apply_chat_template(row["prompt"] + row[side], tokenize=False)
                for side in ("chosen", "rejected")
            }
            said = {side: text.removeprefix(prompt) + tokenizer.eos_token for side, text in whole.items()}
            rows.append({"prompt": prompt, **said})
        return _write(folder, rows)

    def agrees(self, loss: float, grad_norm: float) -> None:
        assert loss == pytest.approx(self.loss, abs=1e-4 * max(1.0, abs(self.loss)))
        assert grad_norm == pytest.approx(self.grad_norm, rel=1e-3)


def _write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def peer_cases() -> list[PeerCase]:
    """The cases of methods that learn from rows; none where the peer's numbers are not here."""
    if not PEER.is_dir():
        return []
    cases = enumerate(json.loads((PEER / "cases.json").read_text())["cases"])
    keys = ("method", "hyper", "rows", "loss", "grad_norm")
    return [
        PeerCase(number, *(case[key] for key in keys), "peer_quirk" in case)
        for number, case in cases
        if case["method"] != "grpo"
    ]
