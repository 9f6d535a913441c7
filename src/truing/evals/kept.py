"""The responses of an evaluation that is under way, on disk: one that was killed goes on from them.

They are kept batch by batch, as the sampler draws them. The file goes when the evaluation has ended, so that
the next one measures anew.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from truing.core.records import Record
from truing.judges.cache import AnswerCache, KeptAnswer, key_of
from truing.sampling.types import Finish, Sample, Sampling

UNDER_WAY = "responses.sqlite"  # in the folder of an evaluation


@dataclass(frozen=True)
class KeptResponses:
    """The responses of one model. `of` is what decides them beside the request, such as hashes of weights."""

    cache: AnswerCache
    of: Mapping[str, Any]

    def get(self, asked: Record, sampling: Sampling, samples: int) -> list[Sample] | None:
        """Return the responses to a prompt; None where they are not kept."""
        kept = self.cache.get(self._key(asked, sampling, samples))
        if kept is None:
            return None
        return [
            Sample(tokens, logprobs, text, Finish(finish), prompt=0, k=k)
            for k, (tokens, logprobs, text, finish) in enumerate(json.loads(kept))
        ]

    def put(self, said: Iterable[tuple[Record, Sequence[Sample]]], sampling: Sampling, samples: int) -> None:
        """Keep all responses to each of some prompts."""
        self.cache.put_all(
            [
                KeptAnswer(
                    self._key(asked, sampling, samples),
                    json.dumps([[one.tokens, one.logprobs, one.text, one.finish] for one in drawn]),
                )
                for asked, drawn in said
            ]
        )

    def _key(self, asked: Record, sampling: Sampling, samples: int) -> str:
        return key_of(
            {
                "of": self.of,
                "messages": [turn.as_dict() for turn in asked.prompt],
                "given": asked.given,
                "sampling": asdict(sampling),
                "samples": samples,
            }
        )
