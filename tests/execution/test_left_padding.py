"""Text encoders read a text the same wherever padding stands, with the positions of a prompt where they take some."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from composer.conformance.cases import Build, MethodCase, configs_of
from composer.plugin import load_registry
from composer.types import Tokens

REGISTRY = load_registry()


def cases() -> list[Any]:
    """The first config of every module type with a method that makes states of tokens alone."""
    found = []
    for entry in REGISTRY.module_types.values():
        if entry.stateless:
            continue
        for name, method in entry.methods.items():
            build = Build(entry, next(iter(configs_of(entry))))
            case = MethodCase(build, name, method, REGISTRY.kinds)
            if case.refusal:
                continue
            needed = [port.type.kind for port in case.signature.inputs.values() if not port.optional]
            given = {port.type.kind for port in case.signature.outputs.values()}
            if needed == ["tokens"] and given & {"states", "logits"}:
                found.append(pytest.param(case, id=f"{entry.id}.{name}"))
    return found


@pytest.mark.parametrize("case", cases())
def test_a_text_is_read_the_same_behind_padding(case: MethodCase) -> None:
    (port,) = (name for name, port in case.signature.inputs.items() if not port.optional)
    ids = torch.tensor([[1, 0, 1, 1, 0, 1]])

    def read(left: int, right: int) -> torch.Tensor:
        padded, mask = (torch.nn.functional.pad(each, (left, right)) for each in (ids, torch.ones_like(ids)))
        given: dict[str, Any] = {port: Tokens(padded, mask)}
        if "positions" in case.signature.inputs:
            given["positions"] = (mask.cumsum(1) - 1).clamp(0)
        result: Any = case.function(case.build.module)(**given)
        values: torch.Tensor = result if torch.is_tensor(result) else result.values
        return values[:, left : left + ids.shape[1]]

    with torch.inference_mode():
        wanted = read(0, 0)
        for left, right in ((0, 3), (3, 0), (1, 0)):
            torch.testing.assert_close(read(left, right), wanted, atol=1e-4, rtol=1e-3)
