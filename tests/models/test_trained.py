"""What holds a model is opened for use, and pickles are not."""

import json

import pytest

from truing.core.errors import ModelError
from truing.models.trained import load_trained


def test_an_adapter_in_a_pickle_is_refused(tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "base"}))
    (tmp_path / "adapter_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(ModelError, match=r"has no adapter_model\.safetensors"):
        load_trained(str(tmp_path))
