"""`composer compare` on cases and folders that are none: one error, exit code 1, no table."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from torch import Tensor

GOLDEN = Path(__file__).parents[1] / "golden" / "mplug2"


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A copy of the smallest recorded case, to be damaged."""
    for name in ("fusion.yaml", "encoders.yaml"):
        shutil.copy(GOLDEN / name, tmp_path)
    shutil.copytree(GOLDEN / "fusion", tmp_path / "fusion")
    return tmp_path / "fusion.yaml"


def test_the_case_is_right_before_it_is_damaged(composer, case: Path) -> None:
    done = composer("compare", case)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("layout: mplug2", "layout: mplug3", "did you mean `mplug2`"),
        ("data: fusion", "data: gone", "is not a folder of recorded tensors"),
        ("document: encoders.yaml", "document: gone.yaml", "there is no such file"),
        ("task: joined", "task: joint", "did you mean `joined`"),
        ("labels.labels: labels", "labels.labels: lables", "nothing is recorded as `lables`"),
        ("labels.labels: labels", "label.labels: labels", "`label.labels` is not an input port"),
        ("fused.text: text", "fused.txt: text", "`fused.txt` is not a port of this task"),
        ("runs:", "rums:", "is not a case"),
        ("layout: mplug2", "layout: 3", "is not a case"),
    ],
)
def test_a_fault_of_a_case_is_one_error(composer, case: Path, old: str, new: str, message: str) -> None:
    text = case.read_text()
    assert old in text
    case.write_text(text.replace(old, new, 1))
    done = composer("compare", case)
    assert (done.code, done.out) == (1, "")
    assert message in done.err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "holds no config.json"),
        ("config.json", b"{", "config.json cannot be read"),
        ("config.json", b"[]", "must hold a JSON object"),
        ("config.json", b"{}", "config"),
        ("config.json", b"[" * 100_000, "config.json cannot be read"),
        ("config.json", b"\xff\xfe{", "config.json cannot be read"),
        ("weights.safetensors", None, "there is no such file"),
        ("weights.safetensors", b"", "the file is empty"),
        ("inputs.safetensors", None, "there is no such file"),
        ("outputs.safetensors", b"\x08", "outputs.safetensors"),
    ],
)
def test_a_fault_of_the_data_is_one_error(composer, case: Path, name: str, content, message: str) -> None:
    path = case.parent / "fusion" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    done = composer("compare", case)
    assert (done.code, done.out) == (1, "")
    assert message in done.err
    assert done.err.startswith("composer: error: ")


RECORDED: dict[str, tuple[str, Callable[[Tensor], Tensor], str]] = {
    "narrower": (
        "text_embeds",
        lambda t: t[..., :-1],
        "is float32[2, 7, 63], and the port takes float[B, L, 64]",
    ),
    "a dimension less": (
        "text_embeds",
        lambda t: t[0],
        "is float32[7, 64], and the port takes float[B, L, 64]",
    ),
    "shorter than its mask": ("text_mask", lambda t: t[:, :-1], "and text.states.values has 7 for L"),
    "another batch": ("text_embeds", lambda t: t[:1], "is int64[2, 7]"),
    "whole numbers": (
        "text_embeds",
        lambda t: t.long(),
        "is int64[2, 7, 64], and the port takes float[B, L, 64]",
    ),
    "a float mask": ("text_mask", lambda t: t.float(), "is float32[2, 7], and the port takes int64[B, L]"),
    "another precision": ("text_embeds", lambda t: t.half(), "node `fused` of task `joined`"),
    "labels beyond the vocabulary": (
        "labels",
        lambda t: t + 1_000_000,
        "labels int64[2, 7] from 999900 to 1000109",
    ),
}


@pytest.mark.parametrize("fault", RECORDED)
def test_a_recorded_input_that_does_not_fit_is_one_error(composer, case: Path, fault: str) -> None:
    key, change, message = RECORDED[fault]
    path = case.parent / "fusion" / "inputs.safetensors"
    tensors = load_file(path)
    path.unlink()
    save_file({**tensors, key: change(tensors[key]).contiguous()}, path)
    done = composer("compare", case)
    assert (done.code, done.out) == (1, "")
    assert message in done.err
    assert done.err.startswith("composer: error: ")
    assert done.err.count("\n") == 1


def test_a_recorded_input_has_the_size_that_a_sum_says(composer, case: Path) -> None:
    encoders = case.parent / "encoders.yaml"
    text = encoders.read_text()
    assert text.count("dims: [B, N, $hidden]}}\n      labels") == 1
    encoders.write_text(
        text.replace("dims: [B, N, $hidden]}}\n      labels", "dims: [B, L + 1, $hidden]}}\n      labels")
    )
    done = composer("compare", case)
    assert (done.code, done.out) == (1, "")
    assert "port takes float[B, L + 1, 64], and text.states.values has 7 for L, so L + 1 is 8" in done.err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("text.states.values: text_embeds", "text.states.vals: text_embeds", "has no field vals"),
        ("text.states.values: text_embeds", "text.state.values: text_embeds", "is not an input port"),
        ("text.states.values: text_embeds", "", "needs the field values"),
        ("labels.labels: labels", "labels.labels.ids: labels", "is one tensor, so it has no field ids"),
        ("labels.labels: labels", "labels: labels", "`labels` is not an input port"),
    ],
)
def test_a_feed_of_no_port_is_one_line(composer, case: Path, old: str, new: str, message: str) -> None:
    case.write_text(case.read_text().replace(old, new, 1))
    done = composer("compare", case)
    assert (done.code, done.out) == (1, "")
    assert message in done.err
    assert done.err.count("\n") == 1


def test_data_that_is_no_folder_is_one_error(composer, case: Path) -> None:
    done = composer("compare", case, "--data", case)
    assert (done.code, done.out) == (1, "")
    assert "is not a folder of recorded tensors; name one with --data" in done.err


def test_data_of_another_kind_is_one_error(composer, case: Path) -> None:
    done = composer("compare", case, "--data", GOLDEN / "visual")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("composer: error: ")


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_recorded_value_that_is_no_number_is_a_miss(composer, case: Path, value: float) -> None:
    path = case.parent / "fusion" / "outputs.safetensors"
    tensors = load_file(path)
    key = next(name for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.ndim > 1)
    changed = tensors[key].clone()
    changed.view(-1)[0] = value
    path.unlink()
    save_file({**tensors, key: changed}, path)
    done = composer("compare", case, "--format", "json")
    assert done.code == 1
    rows = {row["recorded"]: row for row in json.loads(done.out, parse_constant=pytest.fail)["rows"]}
    assert rows[key]["verdict"] == ("not finite" if math.isnan(value) else "differs")
    assert "MISS" in composer("compare", case).out
