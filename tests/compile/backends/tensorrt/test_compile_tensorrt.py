"""What the tensorrt backend says without its library: targets, options, versions."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from composer_compile.backends.tensorrt.targets import NAMED, capabilities, capability
from composer_compile.backends.tensorrt.tensorrt_builder import TensorRTBuilder
from composer_compile.backends.tensorrt.tensorrt_library import TensorRTLibrary, keeps_attention, library
from composer_compile.backends.tensorrt.tensorrt_loader import TensorRTLoader
from composer_compile.errors import BackendError
from composer_compile.options import BuildOptions
from engines import CPU, RTX, STANDARD

from composer.cli import main


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rtx4090", "8.9"),
        ("RTX 3090", "8.6"),
        ("a100", "8.0"),
        ("sm_89", "8.9"),
        ("sm120", "12.0"),
        ("12.1", "12.1"),
    ],
)
def test_targets_have_names_and_numbers(name: str, expected: str) -> None:
    assert capability(name) == expected


def test_targets_come_once_in_order() -> None:
    assert capabilities(("rtx5090", "8.6", "rtx3090", "sm75")) == ("7.5", "8.6", "12.0")
    assert all(number.count(".") == 1 for number in NAMED.values())


@pytest.mark.parametrize(
    ("found", "options", "message"),
    [
        (RTX, BuildOptions(targets=("rx7900",)), "rx7900: no GPU of that name"),
        (RTX, BuildOptions(targets=("h100",)), r"7\.5, 8\.0, 8\.6, 8\.9, 12\.0, 12\.1 and not for 9\.0"),
        (
            TensorRTLibrary("torch-tensorrt-rtx", "2.11.0", "1.4.0.76"),
            BuildOptions(targets=("gb10",)),
            r"1\.4\.0\.76 builds for .*8\.9, 12\.0 and not for 12\.1",
        ),
        (RTX, BuildOptions(), "this machine has no GPU.*--target"),
        (
            RTX,
            BuildOptions(targets=("8.9",), keep=("norm",)),
            "--keep norm: .*norms, softmax, attention, logits",
        ),
        (STANDARD, BuildOptions(), r"this machine has none.*tensorrt-rtx\]"),
        (STANDARD, BuildOptions(targets=("8.9",)), "--target cannot be given"),
        (
            TensorRTLibrary("torch-tensorrt-rtx", "2.13.0", "1.4.0"),
            BuildOptions(targets=("8.9",)),
            r"rtx 2\.11\.0 with tensorrt-rtx 1\.4\.0\.76 or .* 1\.6\.1\.120, and here are 2\.13\.0 and 1\.4\.0",
        ),
    ],
)
def test_what_cannot_be_built_is_one_sentence(
    has: Callable[[TensorRTLibrary], None], found: TensorRTLibrary, options: BuildOptions, message: str
) -> None:
    has(found)
    with pytest.raises(BackendError, match=message) as caught:
        TensorRTBuilder().check_options(options, CPU)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (BuildOptions(targets=("nope",)), "nope"),
        (BuildOptions(targets=("9.0",)), r"9\.0"),
        (BuildOptions(keep=("nope",)), "--keep nope"),
    ],
)
def test_a_plan_holds_its_options_and_needs_no_gpu(
    has: Callable[[TensorRTLibrary], None], options: BuildOptions, message: str
) -> None:
    has(RTX)
    TensorRTBuilder().check_options(BuildOptions(targets=("8.9",), keep=("norms",)), None)
    TensorRTBuilder().check_options(BuildOptions(), None)
    with pytest.raises(BackendError, match=message):
        TensorRTBuilder().check_options(options, None)


def test_a_version_that_is_not_known_is_refused(has: Callable[[TensorRTLibrary], None]) -> None:
    has(TensorRTLibrary("torch-tensorrt", "2.9.0", "10.13"))
    with pytest.raises(BackendError, match=r"2\.11 to 2\.14, and torch-tensorrt 2\.9\.0"):
        TensorRTLoader().check_installed()
    has(STANDARD)
    TensorRTLoader().check_installed()
    assert keeps_attention()
    has(TensorRTLibrary("torch-tensorrt-rtx", "2.11.0", "1.4.0.76"))
    TensorRTLoader().check_installed()
    assert not keeps_attention()


@pytest.mark.parametrize(("found", "hidden"), [(RTX, True), (STANDARD, False)])
def test_nobody_looks_for_plugins_of_tensorrt_rtx(
    has: Callable[[TensorRTLibrary], None],
    monkeypatch: pytest.MonkeyPatch,
    found: TensorRTLibrary,
    hidden: bool,
) -> None:
    """Its wheels hold a package for them that cannot be imported, and Torch-TensorRT 2.11 asks for it."""
    has(found)
    for name in ("torch_tensorrt", "tensorrt"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "tensorrt.plugin", None)
    del sys.modules["tensorrt.plugin"]
    with library():
        assert ("tensorrt.plugin" in sys.modules) == hidden
    assert not hidden or find_spec("tensorrt.plugin") is None


@pytest.mark.parametrize(
    ("below", "advice"),
    [("1.7.1.116", r"; .* 1\.7\.1\.116: pip install tensorrt-rtx==1\.4\.0\.76"), ("1.4.0.76", "")],
)
def test_what_cannot_be_imported_names_the_tensorrt_that_fits(
    has: Callable[[TensorRTLibrary], None], monkeypatch: pytest.MonkeyPatch, below: str, advice: str
) -> None:
    has(TensorRTLibrary("torch-tensorrt-rtx", "2.11.0", below))
    monkeypatch.setitem(sys.modules, "torch_tensorrt", None)
    with (
        pytest.raises(BackendError, match=f"cannot be imported: import of torch_tensorrt halted.*{advice}$"),
        library(),
    ):
        pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "rtx4090"], "the backend export has no --target: leave it out"),
        (["--require-full", "--keep", "none"], "no --require-full and no --keep"),
        (["--memory-limit", "much"], "--memory-limit much: write a size such as 4GiB"),
    ],
)
def test_other_backends_refuse_its_options(
    small: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    command = ["compile", str(small.document), "--weights", str(small.weights), "--out", str(tmp_path / "x")]
    assert main([*command, *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, None),
        ({"capability": "8.6, 9.0"}, r"sm_86, sm_90, and this GPU is sm_89"),
        ({"library": "torch-tensorrt"}, "built with torch-tensorrt and this machine has torch-tensorrt-rtx"),
        ({"tensorrt": "1.5"}, r"TensorRT 1\.5 and this machine has 1\.6\.1\.120"),
        ({"torch_tensorrt": "2.13.0"}, r"Torch-TensorRT 2\.13\.0 and this machine has 2\.14\.0"),
        ({"platform": "win32 amd64"}, "the platform win32 amd64"),
    ],
)
def test_engines_of_another_gpu_or_version_are_refused(
    has: Callable[[TensorRTLibrary], None],
    monkeypatch: pytest.MonkeyPatch,
    changed: Mapping[str, str],
    message: str | None,
) -> None:
    has(RTX)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: (8, 9))
    made = {**TensorRTBuilder().made_with(CPU, BuildOptions(targets=("rtx4090",))), **changed}
    reason = TensorRTLoader().mismatch(made, torch.device("cuda"))
    assert (reason is None) == (message is None)
    if reason is not None and message is not None:
        assert re.search(message, reason)
