"""vLLM's side of `sampler.py`: prompts of token ids as JSON on stdin, one JSON line of tokens a second."""

import argparse
import json
import sys
import time

from vllm import LLM, SamplingParams


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--dtype", choices=["bf16", "fp32"], required=True)
    parser.add_argument("--group-size", type=int, required=True)
    parser.add_argument("--new-tokens", type=int, required=True)
    asked = parser.parse_args()
    prompts = [{"prompt_token_ids": prompt} for prompt in json.load(sys.stdin)]
    engine = LLM(
        asked.model,
        dtype={"bf16": "bfloat16", "fp32": "float32"}[asked.dtype],
        max_model_len=1024,
        # Siblings share their prompt; nothing is left of the warm-up, whose prompts are other ones.
        enable_prefix_caching=asked.group_size > 1,
    )

    def seconds(given: list[dict[str, list[int]]], new_tokens: int) -> float:
        params = SamplingParams(
            n=asked.group_size, temperature=1.0, max_tokens=new_tokens, ignore_eos=True, detokenize=False
        )
        start = time.perf_counter()
        answers = engine.generate(given, params, use_tqdm=False)
        took = time.perf_counter() - start
        assert all(len(sibling.token_ids) == new_tokens for answer in answers for sibling in answer.outputs)
        return took

    seconds([{"prompt_token_ids": prompt["prompt_token_ids"][::-1]} for prompt in prompts], 4)
    drawn = len(prompts) * asked.group_size * asked.new_tokens
    print(json.dumps({"tokens_per_second": drawn / seconds(prompts, asked.new_tokens)}))


if __name__ == "__main__":
    main()
