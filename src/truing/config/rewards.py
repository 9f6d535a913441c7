"""A recipe's `rewards`: the parts of the reward that scores responses of online training.

    rewards:
      - {name: numeric}
      - {name: format, weight: 0.2}
      - {name: model, path: runs/my-reward, weight: 0.5}
      - {name: "my_file:my_function", label: tone, retries: 3}

Further keys are options of the part. They are checked against the signature of the function that the part
names, when the run begins.
"""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from truing.config.section import Section, is_section

# Names of the parts that are neither a rule nor a function of one's own, and those that a server judges.
MODEL, JUDGE, RUBRIC = "model", "judge", "rubric"
ASKED = (JUDGE, RUBRIC)


class RewardPart(Section):
    """One part of the reward, and its options."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Any] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    name: str = Field(
        min_length=1,
        description="Name of a rule, model, judge or rubric (both ask a language model), or module:function.",
    )
    weight: Annotated[float, Field(strict=True)] = Field(
        default=1.0, description="Factor of the part's score in the reward; 0 only logs the score."
    )
    label: str | None = Field(
        default=None, min_length=1, description="Name in the logs; null is the rule's or function's name."
    )

    @model_validator(mode="before")
    @classmethod
    def _has_a_name(cls, value: Any) -> Any:
        if is_section(value) and "name" not in value:
            raise ValueError("a reward needs a name: that of a rule, model, or module:function")
        return value

    @model_validator(mode="after")
    def _options_have_names(self) -> "RewardPart":
        for key in self.__pydantic_extra__:
            if not key.isidentifier():
                raise ValueError(f"{key!r} cannot be the name of an option")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The options that the recipe sets: every key beside those above."""
        return dict(self.__pydantic_extra__)

    @property
    def title(self) -> str:
        """The name of the part in the logs."""
        return self.label or self.name.rpartition(":")[2]
