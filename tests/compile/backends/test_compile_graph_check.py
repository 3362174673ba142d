"""Program files that somebody made up: nothing that stands in one is run while it is loaded, nor when it is called."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from composer_compile.backends.export_loader import loaded_program
from composer_compile.backends.graph_check import check_graphs
from composer_compile.errors import ArtifactError
from torch import Tensor, nn
from torch.export import Dim

CPU = torch.device("cpu")


class Doubled(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        rows = values.shape[0]
        return torch.cat([values, values.new_zeros(rows // 2 + 1, 3)]).reshape(-1)


class Chosen(nn.Module):
    """A graph inside the graph."""

    def forward(self, values: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return values @ values.T


def packed(module: nn.Module) -> bytes:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        exported = torch.export.export(
            module, (torch.ones(5, 3),), dynamic_shapes=({0: Dim("rows", min=2, max=64)},)
        )
        exported.example_inputs = None
        buffer = io.BytesIO()
        torch.export.save(exported, buffer)
    return buffer.getvalue()


def with_graph(content: bytes, change: Callable[[str], str]) -> bytes:
    """A program file whose graph has another text."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(buffer, "w") as archive:
        for name in given.namelist():
            found = given.read(name)
            archive.writestr(name, change(found.decode()) if "/models/" in name else found)
    return buffer.getvalue()


def with_value(key: str, value: str) -> Callable[[str], str]:
    """Every text under a key is another one."""

    def changed(each: Any) -> Any:
        if isinstance(each, list):
            return [changed(item) for item in each]
        if isinstance(each, dict):
            return {
                name: value if name == key and isinstance(item, str) else changed(item)
                for name, item in each.items()
            }
        return each

    return lambda text: json.dumps(changed(json.loads(text)))


@pytest.mark.parametrize("module", [Doubled(), Chosen()], ids=lambda each: type(each).__name__)
def test_programs_that_torch_wrote_are_loaded(module: nn.Module) -> None:
    content = packed(module)
    check_graphs(content)
    values = torch.randn(6, 3)
    (found,) = loaded_program(content, [], CPU)(values)
    torch.testing.assert_close(found, module(values))


WRITES = "__import__('pathlib').Path({place!r}).touch()"
"""What tells that it ran."""
IMPORTS = json.dumps(
    [
        1,
        {
            "type": "builtins.dict",
            "context": json.dumps([{"__enum__": True, "fqn": "this:d", "name": "A"}]),
            "children_spec": [{"type": None, "context": None, "children_spec": []}],
        },
    ]
)
"""The structure of a map whose key torch would import."""
MADE_UP: dict[str, Callable[[str], Callable[[str], str]]] = {
    "an input's name": lambda code: lambda text: text.replace('"values"', json.dumps(f"x={code}")),
    "any name": lambda code: with_value("name", f"x={code}"),
    "a size's name": lambda code: with_value("as_name", f"x={code}"),
    "a size": lambda code: with_value("expr_str", code),
    "a size with an attribute": lambda code: with_value("expr_str", f"Integer(1).__class__({code})"),
    "a size in a text": lambda code: with_value("expr_str", f"Symbol({code!r})"),
    "a function": lambda code: with_value("target", "torch.os.system"),
    "a loader": lambda code: with_value("target", "torch.load"),
    "a library": lambda code: with_value("target", "torch.ops.load_library.__func__.__call__"),
    "a method": lambda code: with_value("target", "_operator.methodcaller"),
    "an inner function": lambda code: with_value(
        "target", "torch.ops.higher_order.triton_kernel_wrapper_mutation"
    ),
    "a structure": lambda code: with_value("in_spec", IMPORTS),
    "a structure of another type": lambda code: with_value(
        "out_spec", '[1, {"type": "this.D", "context": "null", "children_spec": []}]'
    ),
    "a size without end": lambda code: with_value("expr_str", "9**9**9**9"),
    "powers of powers": lambda code: with_value("expr_str", "Pow(Integer(9), Pow(Integer(9), Integer(9)))"),
    "a wide shift": lambda code: with_value("expr_str", "1 << 99999999999"),
    "a long text": lambda code: with_value("expr_str", "'s0' * 99999999999"),
    "a long number": lambda code: with_value("expr_str", "1" * 5000),
    "open brackets": lambda code: with_value("expr_str", "(((("),
    "no JSON": lambda code: lambda text: code,
    "depth": lambda code: lambda text: "[" * 100_000,
}


@pytest.mark.parametrize("change", MADE_UP.values(), ids=MADE_UP)
def test_what_would_run_is_refused_in_one_sentence(
    change: Callable[[str], Callable[[str], str]], tmp_path: Path
) -> None:
    place = tmp_path / "ran"
    contents = [packed(Doubled()), packed(Chosen())]
    made_up = [with_graph(content, change(WRITES.format(place=str(place)))) for content in contents]
    same = [with_graph(content, with_value("nothing", "")) for content in contents]
    changed = [each for each, before in zip(made_up, same, strict=True) if each != before]
    assert changed
    for each in changed:
        with pytest.raises(ArtifactError, match=r"^a program (file )?of the artifact") as caught:
            loaded_program(each, [], CPU)
        assert "\n" not in str(caught.value)
    assert not place.exists()
