"""truing's GRPO against TRL 1.16's: whole steps, sampling included, alternating A B A B in one run.

usage: python benchmarks/grpo_vs_trl.py --dtype bf16 --steps 2 --rounds 2

A step asks 2 prompts for 8 responses of 64 tokens each and learns from them once, with a KL to the policy
as it was. Both sides open a copy of the model whose turns end with a token it never says, so that every
response has its 64 tokens; the lengths that came out are in the JSON. TRL runs as in `vs_trl.py`.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from vs_trl import MODEL, median, peer_python, run_side

from truing.models.sources import resolve

END, NEVER_SAID = "<|im_end|>", "<empty_output>"


def write_endless(model: Path, folder: Path) -> None:
    """A copy of the model in `folder`, the same but that NEVER_SAID ends its turns."""
    shutil.copytree(model, folder, dirs_exist_ok=True)
    template = folder / "chat_template.jinja"
    ends = f"('{NEVER_SAID}' if message['role'] == 'assistant' else '{END}')"
    template.write_text(
        template.read_text(encoding="utf-8").replace(f"+ '{END}'", f"+ {ends}"), encoding="utf-8"
    )
    added = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    number = next(token["id"] for token in added if token["content"] == NEVER_SAID)
    _set(folder / "tokenizer_config.json", eos_token=NEVER_SAID)
    _set(folder / "generation_config.json", eos_token_id=number)


def _set(path: Path, **keys: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | keys), encoding="utf-8")


def compare(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> dict[str, float]:
    """Ratios of medians, and where truing's time goes."""
    return {
        "speed_ratio": median(theirs, "seconds") / median(ours, "seconds"),
        "sampling_speed_ratio": median(theirs, "sampling_seconds") / median(ours, "sampling_seconds"),
        "learning_speed_ratio": median(theirs, "learning_seconds") / median(ours, "learning_seconds"),
        "memory_ratio": median(ours, "peak_memory_mb") / median(theirs, "peak_memory_mb"),
        "learning_ceiling_share": median(ours, "learning_ceiling_share"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="bf16")
    parser.add_argument("--prompt-words", type=int, default=115)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    asked = parser.parse_args()
    peer = peer_python()
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        write_endless(resolve(MODEL).path, Path(folder))
        workload = [folder, "--dtype", asked.dtype]
        workload += ["--prompt-words", asked.prompt_words, "--steps", asked.steps]
        for _ in range(asked.rounds):
            ours.append(run_side(Path(sys.executable), "grpo_ours.py", *workload))
            theirs.append(run_side(peer, "grpo_peer.py", *workload))
    found = compare(ours, theirs)
    if asked.json:
        told = {"method": "grpo", "dtype": asked.dtype, "prompt_words": asked.prompt_words}
        print(json.dumps({**told, "steps": asked.steps, **found, "truing": ours, "trl": theirs}))
        return
    print(
        f"grpo {asked.dtype} {asked.prompt_words} words, {asked.steps} steps: "
        f"{found['speed_ratio']:.2f}x the speed, {found['memory_ratio']:.2f}x the memory"
    )
    for side, runs in {"truing": ours, "TRL": theirs}.items():
        print(
            f"{side}: {median(runs, 'seconds'):.1f} s, {median(runs, 'sampling_seconds'):.1f} sampling and "
            f"{median(runs, 'learning_seconds'):.1f} learning; {median(runs, 'peak_memory_mb'):.0f} MB; "
            f"responses of {median(runs, 'mean_response_tokens'):.1f} tokens"
        )
    print(f"truing learns at {found['learning_ceiling_share']:.0%} of the ceiling ({ours[0]['cpu']})")


if __name__ == "__main__":
    main()
