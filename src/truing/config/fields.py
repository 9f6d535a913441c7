"""Kinds of values that options of several tasks, judges and checks share."""

from typing import Annotated

from pydantic import Field

NonEmpty = Annotated[str, Field(min_length=1)]
Tokens = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Portion = Annotated[float, Field(ge=0, le=1)]  # of a whole
