"""The promise that a method can be compiled: `torch.export` with every symbol free."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

import torch
from torch import nn

from composer.plugin.conformance.cases import Case
from composer.plugin.conformance.outputs import difference, tensors_of
from composer.plugin.conformance.report import Failure
from composer.plugin.conformance.samples import as_record, fields_of, make_inputs
from composer.plugin.conformance.sizes import bindings
from composer.types import Kind, Port

__all__ = ["check_export"]


class _Method(nn.Module):
    """One method of a module as the forward of another."""

    def __init__(self, *, case: Case) -> None:
        super().__init__()
        self.module = case.build.module
        self._function = case.function(self.module)

    def forward(self, inputs: dict[str, Any]) -> Any:
        return self._function(**inputs)


def check_export(case: Case) -> str:
    """Export at one binding, run at two others, and compare with the module itself."""
    first, *others = (
        (sizes, make_inputs(case.signature, case.kinds, sizes, partition=case.partition))
        for sizes in bindings(case.signature, case.partition, 3)
    )
    free = {name: _free(case.signature.inputs[name], case.kinds, value) for name, value in first[1].items()}
    printed = StringIO()  # torch prints whole graphs before some errors; the report has room for the error
    with warnings.catch_warnings(), redirect_stdout(printed), redirect_stderr(printed), torch.no_grad():
        warnings.simplefilter("ignore")  # torch's own, about its own
        try:
            program = torch.export.export(
                _Method(case=case), (first[1],), dynamic_shapes=(free,), strict=False
            )
            exported = program.module()
        except Exception as error:  # export fails with whatever the traced code raises
            raise Failure(f"torch.export refuses it: {_first_lines(error)}") from error
        for sizes, inputs in others:
            at = ", ".join(f"{symbol}={size}" for symbol, size in sizes.items())
            try:
                found_outputs = case.by_port(exported(inputs))
            except Failure:
                raise
            except Exception as error:
                raise Failure(f"the exported program fails at {at}: {_first_lines(error)}") from error
            one, other = (
                tensors_of(values, case.signature.outputs, case.kinds)
                for values in (found_outputs, case.run(inputs))
            )
            found = difference(one, other)
            if found:
                raise Failure(f"the exported program gives something else at {at}: {found}")
    return ""


def _free(port: Port, kinds: Mapping[str, Kind], value: Any) -> Any:
    """Which axes of a value are free: those that the port type sizes by a symbol."""
    kind = kinds[port.type.kind]
    dims = {
        name: {
            axis: torch.export.Dim.DYNAMIC
            for axis, index in enumerate(field.dims)
            if not port.type.dims[index].is_number
        }
        for name, field in kind.fields.items()
    }
    items = value if port.many else (value,)
    free = tuple(
        as_record(
            kind,
            {name: dims[name] if item is not None else None for name, item in fields_of(kind, i).items()},
        )
        for i in items
    )
    return free if port.many else free[0]


def _first_lines(error: Exception) -> str:
    """What the error says, without the pages of advice that follow."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:2]) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]} ..."
