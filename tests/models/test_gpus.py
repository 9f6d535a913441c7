"""GPUs by name, as users and drivers write them."""

import pytest

from truing.core.errors import UsageError
from truing.models.gpus import GPUS, named_gpu, read_gpus


@pytest.mark.parametrize(
    ("asked", "count", "name"), [("8xH200", 8, "H200"), ("h100", 1, "H100"), ("2 x A100-40", 2, "A100-40")]
)
def test_a_number_and_a_kind(asked, count, name):
    assert read_gpus(asked) == (count, GPUS[name])


@pytest.mark.parametrize("asked", ["8xV100", "0xH200", "", "H200x8"])
def test_an_unknown_kind_lists_the_known(asked):
    with pytest.raises(UsageError, match="expected a number and a kind, such as 8xH200") as caught:
        read_gpus(asked)
    assert caught.value.hint is not None and "H200" in caught.value.hint


@pytest.mark.parametrize(
    ("reported", "name"),
    [
        ("NVIDIA H200", "H200"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 PCIe", "H100-PCIe"),
        ("NVIDIA H100 NVL", "H100-NVL"),
        ("NVIDIA A100 80GB PCIe", "A100"),
        ("NVIDIA A100-PCIE-40GB", "A100-40"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA A100-SXM4-40GB", "A100-40"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA GeForce RTX 4090", "RTX4090"),
    ],
)
def test_a_driver_s_name(reported, name):
    assert named_gpu(reported) is GPUS[name]


@pytest.mark.parametrize(
    "reported",
    [
        "Tesla V100-SXM2-16GB",
        "NVIDIA A10G",
        "NVIDIA L40",
        "NVIDIA GH200 480GB",
        "NVIDIA RTX A1000",
    ],
)
def test_a_device_of_no_known_kind(reported):
    assert named_gpu(reported) is None


def test_every_kind_names_its_sheet_and_is_plausible():
    for gpu in GPUS.values():
        assert gpu.sheet.startswith("NVIDIA")
        assert 1e9 < gpu.memory < 1e12 and 1e13 < gpu.bf16 < 1e16 and 1e11 < gpu.bandwidth < 1e14
