"""Costs against figures that others published, and by hand."""

from __future__ import annotations

import pytest

from netdsl import load
from netdsl.report import as_json
from netdsl.source import Source
from netdsl.tensor import Window


def report_of(body: str, size: str = "28, 28, 192"):
    return load(Source("t.net", f"network net {{\n  input image[{size}]\n{body}\n}}\n")).report


def test_the_inception_lesson():
    """28×28×192 to 32 filters of 5×5, and through a bottleneck of 16 (deeplearning.ai, CNNs)."""
    assert report_of("conv(32, 5x5, pad = same)").total.macs == 120_422_400
    report = report_of("conv(16, 1x1) -> conv(32, 5x5, pad = same)")
    assert [layer.macs for layer in report.layers[1:]] == [2_408_448, 10_035_200]
    assert report.total.macs == 12_443_648


def test_the_mobilenet_v2_lesson():
    report = report_of(
        "default conv(bias = false), depthwise(bias = false, pad = same)\n"
        "conv(30, 1x1) -> depthwise(3x3) -> conv(20, 1x1)",
        "8, 8, 5",
    )
    assert [layer.params for layer in report.layers[1:]] == [150, 270, 600]
    assert report.total.params == 1_020


def test_a_separable_convolution_costs_one_nth_and_one_over_f_squared():
    """Howard et al. 2017, arXiv:1704.04861, §3.1: the ratio is 1/n + 1/f²."""
    full = report_of("conv(64, 3x3, pad = same)", "14, 14, 32").total.macs
    apart = report_of("depthwise(3x3, pad = same) -> conv(64, 1x1)", "14, 14, 32").total.macs
    assert apart / full == pytest.approx(1 / 64 + 1 / 9)


def test_receptive_field_and_stride():
    """conv 7×7/2, pool 3×3/2, conv 3×3: 7, 11, 19 pixels (Araujo et al. 2019)."""
    report = report_of(
        "conv(4, 7x7, stride = 2) -> maxpool(3x3, stride = 2) -> conv(4, 3x3)", "64, 64, 3"
    )
    assert [layer.receptive_field for layer in report.layers] == [
        Window(1, 1), Window(7, 7), Window(11, 11), Window(19, 19),
    ]  # fmt: skip
    assert report.stride == Window(4, 4)


def test_operations_are_those_of_the_definitions():
    report = report_of("conv(4, 3x3) -> relu -> bn", "5, 5, 2")
    elements = 3 * 3 * 4
    assert [layer.flops for layer in report.layers[1:]] == [
        2 * elements * 18 + elements,
        elements,
        2 * elements,
    ]


def test_memory():
    report = report_of("conv(4, 1x1) -> conv(2, 1x1) -> conv(8, 1x1)", "2, 2, 3")
    assert report.total.activation_bytes == 4 * 4 * (3 + 4 + 2 + 8)
    weights = 4 * (16 + 10 + 24)
    assert report.peak_inference_bytes == weights + 4 * 4 * (2 + 8)
    assert report.peak_training_bytes == 4 * weights + 4 * 4 * 17


def test_memory_of_a_kept_value():
    """The shortcut lives while the body runs."""
    report = report_of("residual { conv(3, 1x1) -> relu }", "2, 2, 3")
    assert report.peak_inference_bytes == 4 * 12 + 4 * 4 * 9


def test_side_branches_are_no_part_of_the_totals():
    report = report_of(
        "conv(4, 1x1)\naux(weight = 0.3) { globalavgpool -> dense(7) }\nglobalavgpool -> dense(2)",
        "4, 4, 3",
    )
    assert report.total.params == 16 + 10
    assert {name: totals.params for name, totals in report.auxiliary.items()} == {"aux": 35}
    assert report.trained.params == 16 + 10 + 35
    found = as_json(report)
    assert found["params"] == 26 and found["aux"]["aux"]["params"] == 35
    assert [layer["path"] for layer in found["layers"]] == [
        "conv", "globalavgpool", "dense",
    ]  # fmt: skip


def test_depth_is_the_longest_way():
    report = report_of(
        "residual { conv(3, 1x1) -> conv(3, 1x1) } shortcut { conv(3, 1x1) }\nconv(1, 1x1)",
        "4, 4, 3",
    )
    assert report.total.depth == 3


def test_json_has_what_programs_need():
    found = as_json(report_of("conv(4, 3x3) -> relu", "8, 8, 3"))
    assert found["network"] == "net"
    assert (found["input"], found["output"]) == ([8, 8, 3], [6, 6, 4])
    assert (found["params"], found["trainable_params"], found["macs"]) == (112, 112, 3888)
    conv, relu = found["layers"]
    assert {key: conv[key] for key in ("path", "op", "input", "output", "params", "macs")} == {
        "path": "conv",
        "op": "conv",
        "input": [8, 8, 3],
        "output": [6, 6, 4],
        "params": 112,
        "macs": 3888,
    }
    assert relu["params"] == relu["macs"] == 0


def test_open_sizes_come_out_as_formulas():
    found = as_json(report_of("conv(4, 3x3, pad = same)", "H, W, 3"))
    assert found["macs"] == "108 H W"
    assert found["params"] == 112


@pytest.mark.parametrize(
    ("target", "params", "macs"),
    [
        # torchvision 0.29.1 counts these for the same networks (torch.utils.flop_counter).
        ("vgg16", 138_357_544, 15_470_264_320),
        ("resnet18", 11_689_512, 1_814_073_344),
        ("mobilenet_v2", 3_504_872, 300_774_272),
        ("efficientnet_b0", 5_288_548, 385_814_752),
    ],
)
def test_totals_of_torchvision(target, params, macs):
    total = load(target).report.total
    assert total.params == params
    assert total.macs == macs
