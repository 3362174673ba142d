"""The short form of a program: the same answers as by torch's own reader, which is asked where the two could differ."""

from __future__ import annotations

import io
import json
import math
import operator
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import composer_compile
import pytest
import torch
from composer_compile.artifact.manifest_file import read_manifest, write_manifest
from composer_compile.artifact.writer import file_entries
from composer_compile.backends import export_loader, short_form
from composer_compile.backends.export_loader import ExportLoader, check_program, loaded_program
from composer_compile.backends.short_form_writing import with_short_form
from composer_compile.errors import ArtifactError
from torch import Tensor, nn
from torch.export import Dim

from composer.cli import main

CPU, META = torch.device("cpu"), torch.device("meta")
FOREIGN = (
    "sympy",
    "torch._dynamo",
    "torch._inductor",
    "torch._export.serde",
    "torch.fx.passes",
    "triton",
    "mpmath",
)
"""What torch needs to read a program of its own, and nothing needs to run one."""


def programs(artifact: Path) -> list[Path]:
    return sorted((artifact / "programs").iterdir())


def short(content: bytes) -> dict[str, Any] | None:
    """What the short form of a file says; None where it has none."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if name.endswith(short_form.SHORT)]
        return json.loads(archive.read(names[0])) if names else None


def rewritten(content: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """A file with other entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(buffer, "w") as archive:
        for name in given.namelist():
            archive.writestr(name, change(name, given.read(name)))
    return buffer.getvalue()


def with_short(content: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """A file whose short form says something else; `change` may give what stands in its place."""

    def changed(name: str, found: bytes) -> bytes:
        if not name.endswith(short_form.SHORT):
            return found
        data = json.loads(found)
        other = change(data)
        return other if isinstance(other, bytes) else json.dumps(data).encode()

    return rewritten(content, changed)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The programs that torch's own reader was asked for."""
    seen: list[bytes] = []
    real = export_loader._read_by_torch

    def reading(content: bytes, *others: Any) -> Any:
        seen.append(content)
        return real(content, *others)

    monkeypatch.setattr(export_loader, "_read_by_torch", reading)
    return seen


def test_answers_are_those_of_the_program_that_torch_reads(
    small: Any, monkeypatch: pytest.MonkeyPatch, asked: list[bytes]
) -> None:
    clip = torch.arange(2 * 8 * 8 * 3, dtype=torch.uint8).view(2, 8, 8, 3).numpy()
    requests: dict[str, dict[str, Any]] = {
        "classify": {"question": ["what is it", "red"]},
        "caption": {"video": clip},
        "video-qa": {"video": clip, "question": "is it red"},
    }

    def answers() -> dict[str, Any]:
        with composer_compile.load(small.artifact) as artifact:
            artifact.warm_up()
            return {task: artifact.run(task, **raw) for task, raw in requests.items()}

    ours = answers()
    assert not asked
    monkeypatch.setattr(export_loader, "read_short_form", lambda content: None)
    theirs = answers()
    assert set(asked) == {path.read_bytes() for path in programs(small.artifact)}
    torch.testing.assert_close(ours.pop("classify"), theirs.pop("classify"), rtol=0, atol=0)
    assert ours == theirs


def test_a_program_is_still_one_of_torch(small: Any) -> None:
    for path in programs(small.artifact):
        assert short(path.read_bytes()) is not None
        torch.export.load(path)


class Sizes(nn.Module):
    """Arguments of every form: sizes that are reckoned with, constants, numbers that JSON has not, formats, texts."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 6))
        self.table = torch.arange(12, dtype=torch.int64).view(3, 4)  # no buffer: a constant of the program
        self.empty = torch.zeros(0, 4)

    def forward(self, values: Tensor) -> tuple[Tensor, ...]:
        rows = values.shape[0]
        mapped = nn.functional.gelu(values @ self.weight, approximate="tanh")
        first, _ = mapped.split([1, rows - 1])
        hidden = mapped.masked_fill(mapped > 0.5, -math.inf).clamp(min=-1e30)
        made = torch.full((rows * 2, 3), math.nan, dtype=torch.float64, device=values.device)
        turned = torch.view_as_real(hidden.to(torch.complex64) * (1 + 2j))
        laid = values[:, None, :, None].to(memory_format=torch.channels_last).flatten()
        picked = self.table[0] + rows // 2 + torch.cat([self.empty, values]).shape[0]
        return first, hidden, made.nan_to_num(0.5), turned, laid, picked


def packed(module: nn.Module, *examples: Tensor, shapes: Any = None, state: bool = True) -> bytes:
    """The file of a program, with its short form where it has one."""

    class Lifted(nn.Module):
        def forward(self, weights: list[Tensor], tensors: list[Tensor]) -> Any:
            names = [name for name, _ in module.named_parameters()]
            return torch.func.functional_call(module, dict(zip(names, weights, strict=True)), tuple(tensors))

    weights = [each.detach() for each in module.parameters()]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        exported = torch.export.export(
            Lifted(), (weights, list(examples)), dynamic_shapes=([None] * len(weights), shapes or [None])
        )
        exported.example_inputs = None
        buffer = io.BytesIO()
        torch.export.save(exported, buffer)
        return with_short_form(buffer.getvalue())


@pytest.fixture(scope="module")
def sizes() -> tuple[Sizes, bytes]:
    module = Sizes()
    return module, packed(module, torch.randn(5, 4), shapes=[{0: Dim("rows", min=3, max=9)}])


def test_arguments_of_every_form_come_back(sizes: tuple[Sizes, bytes], asked: list[bytes]) -> None:
    module, content = sizes
    found = short(content)
    assert found is not None
    assert {"operator.getitem", "operator.sub", "operator.floordiv"} & set(found["operations"])
    program = loaded_program(content, [module.weight.detach()], CPU)
    assert not asked
    for rows in (3, 5, 9):
        values = torch.randn(rows, 4)
        with torch.no_grad():
            torch.testing.assert_close(tuple(program(values)), module(values), rtol=0, atol=0, equal_nan=True)
    check_program(content)


def test_a_program_is_loaded_on_the_device_that_is_asked_for(
    sizes: tuple[Sizes, bytes], asked: list[bytes]
) -> None:
    module, content = sizes
    program = loaded_program(content, [module.weight.detach().to(META)], META)
    assert not asked
    assert {each.device for each in program(torch.empty(5, 4, device=META))} == {META}


class Inner(nn.Module):
    """A graph inside a graph."""

    def forward(self, values: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return values @ values


def test_what_has_no_short_form_is_read_by_torch(asked: list[bytes]) -> None:
    content = packed(Inner(), torch.ones(2, 2))
    assert short(content) is None
    (result,) = loaded_program(content, [], CPU)(torch.ones(2, 2))
    assert len(asked) == 1
    assert result.dtype is torch.bfloat16
    check_program(content)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(torch="1.0"),
        lambda data: data.update(version=99, nodes="of another kind"),
        lambda data: data.update(program="0" * 64),
    ],
    ids=["torch", "version", "program"],
)
def test_a_short_form_of_another_torch_or_program_is_passed_over(
    sizes: tuple[Sizes, bytes], asked: list[bytes], change: Callable[[dict[str, Any]], Any]
) -> None:
    module, content = sizes
    other = with_short(content, change)
    values = torch.randn(3, 4)
    with torch.no_grad():
        expected = module(values)
        found = loaded_program(other, [module.weight.detach()], CPU)(values)
    assert len(asked) == 1
    torch.testing.assert_close(tuple(found), expected, rtol=0, atol=0, equal_nan=True)


def renamed(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda data: operator.setitem(data["operations"], 0, name)


def node(*parts: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda data: operator.setitem(data["nodes"], 0, list(parts))


def deep(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


def constant(dtype: str) -> Callable[[dict[str, Any]], Any]:
    """A number format for what is stored, wherever the first tensor of a call is made of it."""
    return lambda data: operator.setitem(data["nodes"], 0, [0, [{"dtype": dtype}], {}])


WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "depth": node(0, deep(201), {}),
    "a keyword in other letters": node(0, [], {"fi": 1, "\ufb01": 2}),
    "a keyword of Python": node(0, [], {"__debug__": 1}),
    "a result that is a text": lambda data: data.update(result="abc"),
    "a quantized format": constant("quint8"),
    "no JSON": lambda data: b"{",
    "a list": lambda data: b"[]",
    "deep": lambda data: b"[" * 100_000,
    "no nodes": lambda data: data.pop("nodes"),
    "no version": lambda data: data.pop("version"),
    "no result": lambda data: data.update(result=None),
    "a builtin": renamed("builtins.eval"),
    "a module": renamed("os.system"),
    "a method": renamed("load_library.__func__.__call__"),
    "a hidden name": renamed("aten.__class__.__init__"),
    "a packet": renamed("aten.add.__call__"),
    "a number": renamed(7),  # type: ignore[arg-type]
    "another function of torch": renamed("torch.load"),
    "a value that comes later": node(0, [{"n": 99999}], {}),
    "a value before the first": node(0, [{"n": -1}], {}),
    "a truth as a place": node(0, [{"n": True}], {}),
    "an operation that is not listed": node(999, [], {}),
    "an unknown word": node(0, [{"eval": "1"}], {}),
    "two words": node(0, [{"n": 0, "tuple": []}], {}),
    "a format that is none": node(0, [{"dtype": "load"}], {}),
    "a keyword that is none": node(0, [], {"a b": 1}),
    "a keyword that runs": node(0, [], {"x=print(1), y": 1}),
    "a number that has no word": node(0, [{"complex": [1, math.inf]}], {}),
    "a word for a keyword": node(0, [], {"lambda": 1}),
    "no keywords": node(0, [], []),
    "too few inputs": lambda data: data.update(inputs=[]),
    "a constant elsewhere": lambda data: data["inputs"].append(
        {"entry": "../x", "dtype": "int64", "shape": [1]}
    ),
    "a constant of another size": lambda data: [
        each.update(shape=[7, 7]) for each in data["inputs"] if not isinstance(each, str)
    ],
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_short_form_that_no_builder_writes_is_refused(
    sizes: tuple[Sizes, bytes], change: Callable[[dict[str, Any]], Any]
) -> None:
    module, content = sizes
    with pytest.raises(ArtifactError, match=r"^a program file of the artifact holds a short form") as caught:
        loaded_program(with_short(content, change), [module.weight.detach()], CPU)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["aten.from_file.default", "aten.from_file.out", "aten.save.default", "aten._print.default"]
)
def test_operations_that_open_files_are_refused(
    sizes: tuple[Sizes, bytes], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, content = sizes
    with pytest.raises(ArtifactError, match="which opens a file"):
        loaded_program(with_short(content, renamed(name)), [module.weight.detach()], CPU)
    called = f"torch.ops.{name}".encode()
    other = rewritten(content, lambda _, found: found.replace(b"torch.ops.aten.gelu.default", called))
    monkeypatch.setattr(export_loader, "read_short_form", lambda content: None)
    with pytest.raises(ArtifactError, match="which opens a file"):
        loaded_program(other, [module.weight.detach()], CPU)


def test_an_operation_that_nothing_has_registered_is_named(sizes: tuple[Sizes, bytes]) -> None:
    module, content = sizes
    with pytest.raises(ArtifactError, match=r"the operation strange::part, which nothing"):
        loaded_program(with_short(content, renamed("strange.part.default")), [module.weight.detach()], CPU)


def test_a_weight_that_is_not_given_is_told(sizes: tuple[Sizes, bytes]) -> None:
    with pytest.raises(ArtifactError, match=r"reads a weight .* that its manifest entry does not give"):
        loaded_program(sizes[1], [None], CPU)


def test_verify_holds_both_forms_together(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A right hash, another computation: only a comparison with the program finds it."""
    assert main(["verify", str(copied)]) == 0
    path = next(path for path in programs(copied) if b"aten.gelu.default" in path.read_bytes())

    def other(data: dict[str, Any]) -> None:
        place = data["operations"].index("aten.gelu.default")
        data["operations"][place] = "aten.relu.default"

    path.write_bytes(with_short(path.read_bytes(), other))
    manifest = read_manifest((copied / "manifest.json").read_bytes(), "it")
    (copied / "manifest.json").write_bytes(
        write_manifest(manifest.model_copy(update={"files": file_entries(copied)}))
    )
    capsys.readouterr()
    assert main(["verify", str(copied)]) == 1
    assert "the short form of a program is not that of its program" in capsys.readouterr().err
    assert path.is_file()


ANSWER = """
import sys, torch
before = set(sys.modules)
import composer_compile
with composer_compile.load(sys.argv[1]) as artifact:
    artifact.warm_up()
    artifact.run("classify", question="red is it")
print(*set(sys.modules) - before)
"""


def test_an_answer_imports_neither_tracer_nor_algebra(small: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ANSWER, str(small.artifact)], capture_output=True, text=True, check=True
    )
    found = done.stdout.split()
    assert "composer_compile.backends.export_loader" in found
    assert [name for name in found if name.startswith(FOREIGN)] == []


def test_the_loader_checks_what_it_stored(small: Any) -> None:
    for path in programs(small.artifact):
        ExportLoader().check_stored(memoryview(path.read_bytes()))
