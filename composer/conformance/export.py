"""The promise that a method can be compiled, or that its declaration says why not: `torch.export` with free sizes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from typing import Any

import torch
from torch import nn

from composer.conformance.cases import MethodCase
from composer.conformance.outputs import difference, tensors_of
from composer.conformance.report import Failure, Skip
from composer.conformance.sample_inputs import as_record, fields_of, make_inputs
from composer.conformance.symbol_sizes import bindings
from composer.types import Kind, Port

__all__ = ["check_export", "check_exported", "export_inputs", "hold_statement", "run_exported"]


class _Method(nn.Module):
    """One method of a module as the forward of another."""

    def __init__(self, *, case: MethodCase, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self._function = case.function(self.module)

    def forward(self, inputs: dict[str, Any]) -> Any:
        return self._function(**inputs)


def check_export(case: MethodCase) -> str:
    """Exported with free sizes, a method gives the same; one that is declared not exportable fails at that."""
    for name, port in case.signature.outputs.items():
        if any(field.dtype == "object" for field in case.kinds[port.type.kind].fields.values()):
            raise Skip(f"{name} is {port.type}, which stays on the host: no program holds the method")
    return hold_statement(case.method.not_exportable, partial(check_exported, case, case.build.module))


def hold_statement(reason: str, export: Callable[[], None]) -> str:
    """Run `export` and hold what happens against the declaration. Raises Failure where the two disagree."""
    try:
        export()
    except Failure as failure:
        if reason:
            return f"not exportable, as declared: {reason}"
        raise Failure(f"{failure}; if that cannot be helped, declare it with `not_exportable`") from None
    if reason:
        raise Failure(f"it is declared not exportable ({reason}) and can be exported: leave that out")
    return ""


def check_exported(case: MethodCase, module: nn.Module) -> None:
    """Export the method of a module at one binding, run it at two others, and compare with the module itself."""
    first, *others = (
        (sizes, make_inputs(case.signature, case.kinds, sizes, partition=case.partition))
        for sizes in bindings(case.signature, case.partition, 3)
    )
    exported = export_inputs(_Method(case=case, module=module), first[1], case)
    for sizes, inputs in others:
        found_outputs = case.by_port(run_exported(exported, inputs, sizes))
        one, other = (
            tensors_of(values, case.signature.outputs, case.kinds)
            for values in (found_outputs, case.run(inputs, module))
        )
        found = difference(one, other)
        if found:
            raise Failure(f"the exported program gives something else at {_at(sizes)}: {found}")


def export_inputs(module: nn.Module, inputs: Mapping[str, object], case: MethodCase) -> nn.Module:
    """`module(inputs)` as an exported program whose sizes are as free as the case's ports say."""
    free = {name: _free(case.signature.inputs[name], case.kinds, value) for name, value in inputs.items()}
    with _quiet():
        try:
            program = torch.export.export(module, (inputs,), dynamic_shapes=(free,), strict=False)
            return program.module()
        except Exception as error:  # export fails with whatever the traced code raises
            raise Failure(f"torch.export refuses it: {_first_lines(error)}") from error


def run_exported(exported: nn.Module, inputs: Mapping[str, object], sizes: Mapping[str, int]) -> Any:
    with _quiet():
        try:
            return exported(inputs)
        except Exception as error:  # as above
            raise Failure(f"the exported program fails at {_at(sizes)}: {_first_lines(error)}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """torch prints whole graphs before some errors, where the report has room for the error; and it warns of itself."""
    printed = StringIO()
    with warnings.catch_warnings(), redirect_stdout(printed), redirect_stderr(printed), torch.no_grad():
        warnings.simplefilter("ignore")
        yield


def _at(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{symbol}={size}" for symbol, size in sizes.items())


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
