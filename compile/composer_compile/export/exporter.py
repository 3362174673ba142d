"""A stage as an exported program, with its weights as inputs so that they are stored once for all programs.

torch.export traces a free dimension at 2 or more, and takes for granted that it is never 1. Few operations mean
something else there, so the graph is run at 1 beside the stage: where both agree, one program serves all sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim as ExportDim
from torch.export import ExportedProgram

from composer.graph import Range
from composer.types import Dim
from composer_compile.artifact.dtypes import DTYPES
from composer_compile.errors import CompileError, SpecialSizeError
from composer_compile.export.conditions import prove_conditions, reason_of
from composer_compile.export.size_one import check_at_one
from composer_compile.patches import torch_alone
from composer_compile.tensors.specs import ProgramSpec, TensorSpec
from composer_compile.tensors.variants import SMALLEST, Variant

__all__ = ["Lifted", "export_stage", "forget_sources", "state_of"]


def state_of(module: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer once, tied ones under their first name."""
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: tensor.detach() for name, tensor in named}


class Lifted(nn.Module):
    """A stage whose weights are its first argument."""

    stage: nn.Module

    def __init__(self, stage: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        # Not as a submodule: the weights would be found in both places.
        object.__setattr__(self, "stage", stage)
        self.names = tuple(names)

    def forward(self, weights: list[Tensor], tensors: list[Tensor]) -> Any:
        return torch.func.functional_call(
            self.stage, dict(zip(self.names, weights, strict=True)), tuple(tensors)
        )


def export_stage(
    spec: ProgramSpec, variant: Variant, *, lifted: bool, sources: bool = False
) -> ExportedProgram:
    """Export one variant. `lifted` makes the weights inputs; otherwise the program holds them.

    `sources` keeps what says of an operation which module it comes from.

    Raises:
        SpecialSizeError: the variant has size 1 with others, and the stage does something else there.
        CompileError: torch.export refuses the stage; the message has its reason.
    """
    state = state_of(spec.module)
    device = next((tensor.device for tensor in state.values()), torch.device("cpu"))
    sizes = _example_sizes(variant, spec.quotients)
    examples = [_example(tensor, sizes, device) for tensor in spec.inputs]
    shapes = _dynamic_shapes(spec.inputs, variant)
    try:
        with torch_alone(), torch.no_grad(), _unchanged(spec.module):
            if lifted:
                module = Lifted(spec.module, list(state)).eval()
                arguments: tuple[Any, ...] = (list(state.values()), examples)
                exported = _exported(module, arguments, ([None] * len(state), shapes), spec)
            else:
                exported = _exported(spec.module.eval(), tuple(examples), (tuple(shapes),), spec)
    except Exception as error:  # a module is foreign code, and torch.export raises many kinds of errors
        # What torch takes for granted, that no size is 1, it does not grant itself for quotients: it refuses the range.
        kind = SpecialSizeError if spec.from_one(variant.ranges) else CompileError
        reason, nodes = reason_of(error, spec.inputs), ", ".join(spec.nodes)
        raise kind(f"stage {spec.name} cannot be exported ({reason}); nodes in it: {nodes}") from error
    changed = exported.graph_signature.buffers_to_mutate or exported.graph_signature.user_inputs_to_mutate
    if changed:
        raise CompileError(
            f"stage {spec.name} changes tensors that it was given or holds, so two requests would disturb each "
            f"other; a module among {', '.join(spec.nodes)} must work on copies"
        )
    check_at_one(exported, spec, variant.ranges, sizes, list(state.values()) if lifted else [])
    if not sources:
        forget_sources(exported)
    return exported


def _exported(
    module: nn.Module, arguments: tuple[Any, ...], shapes: tuple[Any, ...], spec: ProgramSpec
) -> ExportedProgram:
    """Export, where torch refuses sizes once more without its questions about layouts, and then with them all open.

    While it traces, torch notes of every tensor whether it is contiguous. Seen in 2.11 and 2.12: what it compares for
    that becomes a condition on sizes, such as `min(4*length, 16*length) == 4*length`, that it cannot prove afterwards.
    The same is true of `length + -length % 4`, by which a length is filled up; there it may fail with an AssertionError
    while it writes advice.

    Raises:
        ConditionError: a condition does not hold at a size.
    """
    from torch._dynamo.exc import UserError
    from torch.fx.experimental import _config as symbolic

    export = partial(torch.export.export, module, arguments, dynamic_shapes=shapes)
    try:
        return export()
    except (UserError, AssertionError) as refused:
        with symbolic.patch(backed_size_oblivious=True):  # type: ignore[attr-defined] # made at run time
            with suppress(Exception):  # of whatever kind: the first refusal is the one to report, or the last
                return export()
            try:
                exported = export(prefer_deferred_runtime_asserts_over_guards=True)
            except UserError as violated:  # it names what is false, and nothing that is only not proven
                raise violated from None
            except Exception:  # torch.export raises many kinds; the first refusal says most
                raise refused from None
    prove_conditions(exported, spec.inputs)
    return exported


def forget_sources(exported: ExportedProgram) -> None:
    """Drop what names files of this machine: equal programs have equal bytes wherever they are made."""
    for node in exported.graph.nodes:
        for key in ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node"):
            node.meta.pop(key, None)


@contextmanager
def _unchanged(module: nn.Module) -> Iterator[None]:
    """Put every weight back: a functional call leaves the tracer's tensors in the place of tied ones."""
    held = [
        (table, name, tensor)
        for part in module.modules()
        for table in (part._parameters, part._buffers)
        for name, tensor in table.items()
    ]
    try:
        yield
    finally:
        for table, name, tensor in held:
            table[name] = tensor  # type: ignore[assignment]


def _example(spec: TensorSpec, sizes: Mapping[str, int], device: torch.device) -> Tensor:
    return torch.ones(spec.shape(sizes), dtype=DTYPES[spec.dtype], device=device)


def _example_sizes(variant: Variant, quotients: Sequence[Dim]) -> dict[str, int]:
    """A size for every free dimension, all different where the ranges allow: equal ones would be taken for one.

    Quotients are sizes, too: they differ from the others, and are 2 or more.
    """
    sizes = dict(variant.fixed)
    ends = {name: (found.low, found.high) for name, found in variant.ranges.items()}
    ends |= {name: (size, size) for name, size in variant.fixed.items()}
    taken: set[int] = set()
    for name, found in variant.ranges.items():
        known = {*sizes, name}
        forms = [form for form in quotients if name in form.symbols and known.issuperset(form.symbols)]
        forms = [Dim.of(name), *(form for form in forms if _reaches_two(form, ends))]
        tries = range(min(found.low + 1, found.high), found.high + 1)
        made = ([form.at({**sizes, name: size}) for form in forms] for size in tries)
        large = [values for values in made if min(values) >= SMALLEST]
        apart = (values for values in large if len({*taken, *values}) == len(taken) + len(values))
        chosen = next(apart, large[0] if large else [found.high])
        sizes[name] = chosen[0]
        taken.update(chosen)
    return sizes


def _reaches_two(form: Dim, ends: Mapping[str, tuple[int, int]]) -> bool:
    low, high = form.bounds(ends, 1)
    return low < high and high >= SMALLEST


def _dynamic_shapes(inputs: Sequence[TensorSpec], variant: Variant) -> list[dict[int, Any] | None]:
    """Per input, axis → dimension. Equal forms share one; `length + 197` is derived where `length` is there too."""
    open_ = {name: found for name, found in variant.ranges.items() if found.low != found.high}
    closed = {**variant.fixed, **{n: f.low for n, f in variant.ranges.items() if f.low == f.high}}
    values = {name: Dim(size) for name, size in closed.items()}
    forms = [[_settled(dim.substitute(values), open_) for dim in spec.dims] for spec in inputs]
    roots = {dim.symbols[0] for dims in forms for dim in dims if dim.is_symbol}
    made: dict[Dim, Any] = {}
    for name in sorted(roots):
        low = max(open_[name].low, SMALLEST)
        made[Dim.of(name)] = ExportDim(f"d{len(made)}", min=low, max=open_[name].high)
    for dim in sorted({dim for dims in forms for dim in dims if not dim.is_number}, key=_by_constant):
        if dim not in made:
            made[dim] = _derived(dim, made, open_)
    return [{axis: made[dim] for axis, dim in enumerate(dims) if not dim.is_number} or None for dims in forms]


def _derived(dim: Dim, made: Mapping[Dim, Any], ranges: Mapping[str, Range]) -> Any:
    root = Dim.of(dim.symbols[0])
    if len(dim.terms) == 1 and dim.is_linear and root in made and dim.terms[0][1] > 0:
        factor = dim.terms[0][1]
        scaled = made[root] if factor == 1 else factor * made[root]
        return scaled + dim.constant if dim.constant else scaled
    near = next((other for other in made if other.terms == dim.terms), None)
    if near is not None:
        return made[near] + (dim.constant - near.constant)
    low, high = _bounds(dim, ranges)
    return ExportDim(f"d{len(made)}", min=max(low, SMALLEST), max=high)


def _settled(dim: Dim, ranges: Mapping[str, Range]) -> Dim:
    """A quotient that is one number over the whole of the ranges is that number."""
    low, high = _bounds(dim, ranges)
    return Dim(low) if low == high else dim


def _bounds(dim: Dim, ranges: Mapping[str, Range]) -> tuple[int, int]:
    return dim.bounds({name: (found.low, found.high) for name, found in ranges.items()}, 1)


def _by_constant(dim: Dim) -> tuple[int, str]:
    return dim.constant, str(dim)
