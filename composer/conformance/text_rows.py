"""The promise of a node that takes texts: whatever they are, each row by itself becomes what the signature says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from composer.conformance.cases import MethodCase
from composer.conformance.promises import hold_ports
from composer.conformance.report import Failure, Skip
from composer.conformance.sameness import kept, same
from composer.conformance.sample_inputs import fields_of
from composer.types import Kind, Port

__all__ = ["TEXTS", "check_text_rows", "takes_texts"]

TEXTS = (
    "a red circle",
    "",
    " \n\t",
    "yes",
    '{"score": 1.5, "count": 3, "sure": true}',
    "{caption} {{0}} $name %s \\1",
    "[SEP]</s><image>",
    "É 中文 🎉 ﬁ\u200d\u0000\u2028",
    "(" * 300 + "{" * 300 + "[" * 300,
    "a" * 20_000,
)
"""What people and models write: among it what a template, a parser or a tokenizer may trip over."""

_DTYPES = {"float": "f", "int64": "i", "uint8": "u", "bool": "b"}


def takes_texts(case: MethodCase) -> bool:
    """Whether a method has an input that stays on the host."""
    inputs = case.signature.inputs.values()
    return any(port.type.kind in case.kinds and case.kinds[port.type.kind].has_objects for port in inputs)


def check_text_rows(case: MethodCase) -> str:
    """Texts together and each alone give what the signature says, and the same again, also of a node made anew."""
    hold_ports(case.signature, case.kinds)
    others = [
        p for p, port in case.signature.inputs.items() if port.type.kind != "text" and not port.optional
    ]
    if others:
        raise Skip(f"{others[0]} is {case.signature.inputs[others[0]].type}, and only texts are made up")
    together = _run(case, TEXTS)
    for port, value in together.items():
        _hold(port, value, case.signature.outputs[port], case.kinds, len(TEXTS))
    for told, again in (("asked again", _run(case, TEXTS)), ("made anew", _run(case, TEXTS, anew=True))):
        for port in together:
            if not same(together[port], again[port]):
                raise Failure(f"gives another {port} for the same texts, {told}")
    for number, text in enumerate(TEXTS):
        alone = _run(case, (text,))
        for port in together:
            kind = case.kinds[case.signature.outputs[port].type.kind]
            if not same(_row(kind, together[port], number), _row(kind, alone[port], 0)):
                raise Failure(f"gives another {port} for {text!r:.40} alone than beside other texts")
    return ""


def _run(case: MethodCase, texts: Sequence[str], *, anew: bool = False) -> dict[str, Any]:
    """The ports that a method gives where every text port is given these texts; a list of sources is two of them."""
    inputs: dict[str, Any] = {}
    for name, port in case.signature.inputs.items():
        if port.type.kind == "text":
            inputs[name] = (list(texts), list(texts)) if port.many else list(texts)
    return kept(dict(case.run(inputs, case.build.make() if anew else None)))  # type: ignore[no-any-return]


def _hold(name: str, value: Any, port: Port, kinds: Mapping[str, Kind], count: int) -> None:
    """Raises Failure where a value is not what its port type says."""
    kind = kinds[port.type.kind]
    for label, part in fields_of(kind, value).items():
        field = kind.fields[label]
        place = name if kind.record is None else f"{name}.{label}"
        if part is None and field.optional:
            continue
        if field.dtype == "object":
            if not isinstance(part, list) or len(part) != count:
                raise Failure(f"{place}: expected a list of {count} for {port.type}, got {_found(part)}")
            if port.type.kind == "text" and not all(isinstance(each, str) for each in part):
                raise Failure(f"{place}: a text is expected in every row of {port.type}")
            continue
        if not isinstance(part, (np.ndarray, Tensor)):
            raise Failure(f"{place}: expected an array of {port.type}, got {_found(part)}")
        array = np.asarray(part)
        axis = kind.batch_axis
        rows = (
            array.shape[field.dims.index(axis)]
            if axis in field.dims and array.ndim == len(field.dims)
            else None
        )
        if array.ndim != len(field.dims) or (axis in field.dims and rows != count):
            raise Failure(
                f"{place}: shape {list(array.shape)} for {count} texts, and it is declared {port.type}"
            )
        if array.dtype.kind != _DTYPES[field.dtype]:
            raise Failure(f"{place}: expected {field.dtype} values, got {array.dtype}")


def _row(kind: Kind, value: Any, number: int) -> list[Any]:
    """One sample of a value, without what its mask hides."""
    parts = fields_of(kind, value)
    mask = None if kind.mask is None else parts[kind.mask]
    shown = None if mask is None else np.asarray(mask)[number].astype(bool)
    found = []
    for part in parts.values():
        if part is None or isinstance(part, list):
            found.append(part if part is None else part[number])
            continue
        row = np.asarray(part)[number]
        is_masked = shown is not None and row.ndim >= 1 and row.shape[0] == shown.shape[0]
        found.append(row[shown] if is_masked else row)
    return found


def _found(value: object) -> str:
    return f"a list of {len(value)}" if isinstance(value, list) else f"a {type(value).__name__}"
