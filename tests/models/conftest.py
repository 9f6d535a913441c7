"""What tests of both scorers do to a model."""

from collections.abc import Callable

import pytest
from transformers import PreTrainedModel


@pytest.fixture
def refuse_spans(monkeypatch: pytest.MonkeyPatch) -> Callable[[PreTrainedModel], None]:
    """Makes the trunk of a model raise as one does that knows no `spans`."""

    def refuse(model: PreTrainedModel) -> None:
        forward = type(model.base_model).forward

        def strict(self, *args, **kwargs):
            if "spans" in kwargs:
                raise TypeError("got an unexpected keyword argument 'spans'")
            return forward(self, *args, **kwargs)

        monkeypatch.setattr(type(model.base_model), "forward", strict)

    return refuse
