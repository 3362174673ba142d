"""What a program file may say, held before torch reads it: torch writes Python from names, and evaluates sizes.

Seen in 2.8 to 2.14: `torch.export.load` puts the names of inputs and arguments into a function's source as they stand,
gives expressions over sizes to sympy, which evaluates them, and takes whatever it finds under a dotted name of `torch`
for a function to call. A file that somebody made up could run anything by each of the three.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import torch

from composer_compile.backends.short_form import FUNCTIONS, operation_named
from composer_compile.errors import ArtifactError

__all__ = ["check_graphs"]

NAMES = ("name", "as_name")
"""What a value, an argument or a graph inside the graph is called."""
WORD = re.compile(r"[^\W\d]\w*")
EXPRESSION = re.compile(r"(?:[\w\s()+\-*/%,=<>&|~]|(?<=\d)\.(?=\d))*")
SYMBOL = re.compile(r"[a-z]+\d+")
QUOTED = re.compile(r"Symbol\('[a-z]+\d+'")
NUMBER = re.compile(r"(?<!\w)\d+")
POWERS = frozenset({"Pow", "PowByNatural", "FloatPow", "LShift"})
MOST_DIGITS = 19
MOST_DEEP = 50
STRUCTURES = (None, "builtins.tuple", "builtins.list", "builtins.dict")
SIZES = frozenset(
    (
        *("Add", "Mul", "Pow", "Integer", "Rational", "Float", "Symbol", "Max", "Min", "Mod", "Abs", "floor"),
        *("ceiling", "Half", "One", "Zero", "NegativeOne", "Infinity", "int_oo", "oo", "IntInfinity"),
        *("Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And", "Or", "Not", "Equality", "Unequality", "Piecewise"),
        *("StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan", "Relational", "ITE", "e"),
        *(
            "true",
            "false",
            "True",
            "False",
            "positive",
            "nonnegative",
            "integer",
            "real",
            "finite",
            "precision",
        ),
        *(
            "FloorDiv",
            "ModularIndexing",
            "Where",
            "PythonMod",
            "CleanDiv",
            "CeilToInt",
            "FloorToInt",
            "CeilDiv",
        ),
        *("LShift", "RShift", "PowByNatural", "FloatPow", "FloatTrueDiv", "IntTrueDiv", "TruncToFloat"),
        *(
            "IsNonOverlappingAndDenseIndicator",
            "TruncToInt",
            "RoundToInt",
            "RoundDecimal",
            "ToFloat",
            "Identity",
        ),
    )
)
"""What an expression over sizes is made of, besides symbols such as `s0`: sums, products, comparisons, assumptions."""
INSIDE = frozenset(
    (
        *("cond", "while_loop", "map_impl", "scan", "associative_scan", "flex_attention", "hints_wrapper"),
        *(
            "wrap_with_set_grad_enabled",
            "wrap_with_autocast",
            "auto_functionalized",
            "auto_functionalized_v2",
        ),
    )
)
"""What runs a graph inside the graph, or an operation of a plugin that changes its arguments."""


def check_graphs(content: bytes) -> None:
    """Raise ArtifactError for a program file that names or evaluates what no program does, or calls another function.

    An operation that nothing has registered is another matter, which `unknown_operation` tells.
    """
    with zipfile.ZipFile(BytesIO(content)) as archive:
        graphs = [archive.read(name) for name in archive.namelist() if "/models/" in name]
    for graph in graphs:
        try:
            found = next(_faults(json.loads(graph)), None)
        except (ValueError, RecursionError):
            raise ArtifactError("a program file of the artifact holds a graph that is not JSON") from None
        if found is not None:
            raise ArtifactError(f"a program file of the artifact holds {found}: it is not loaded")


def _faults(data: Any) -> Iterator[str]:
    """What is wrong with the texts of a graph, in words."""
    waiting = [data]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting += [item for item in each if isinstance(item, (list, dict))]
        elif isinstance(each, dict):
            for key, value in each.items():
                if isinstance(value, (list, dict)):
                    waiting.append(value)
                elif isinstance(value, str) and key in RULES and not RULES[key](value):
                    yield f"{value[:80]!r} as {WHAT[key]}"


def _is_name(text: str) -> bool:
    return not text or (text.isascii() and text.isidentifier())


def _is_size(text: str) -> bool:
    """Whether an expression is one over sizes, of known words, and small enough to be evaluated."""
    text = QUOTED.sub("Symbol(", text)
    words, numbers = WORD.findall(text), NUMBER.findall(text)
    powers = text.count("**") + text.count("<<") + sum(word in POWERS for word in words)
    longest = MOST_DIGITS if not powers else 2
    return (
        bool(EXPRESSION.fullmatch(text))
        and all(word in SIZES or SYMBOL.fullmatch(word) for word in words)
        and powers <= 1
        and all(len(number) <= longest for number in numbers)
        and _is_balanced(text)
    )


def _is_balanced(text: str) -> bool:
    depth = 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if not 0 <= depth <= MOST_DEEP:
            return False
    return depth == 0


def _is_structure(text: str) -> bool:
    """Whether a text describes tuples, lists and maps with plain keys: torch imports what other ones name."""
    try:
        waiting = [json.loads(text)[1]] if text else []
        while waiting:
            each = waiting.pop()
            context = json.loads(each["context"]) if isinstance(each["context"], str) else each["context"]
            keys = context if isinstance(context, list) else []
            if each["type"] not in STRUCTURES or (context is not None and keys is not context):
                return False
            if not all(isinstance(key, str) for key in keys):
                return False
            waiting += each["children_spec"]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return False
    return True


def _is_function(text: str) -> bool:
    """Whether a graph may call what a dotted name stands for."""
    module, _, name = text.partition(".")
    if module == "_operator":
        return f"operator.{name}" in FUNCTIONS
    if not text.startswith("torch.ops."):
        return text in FUNCTIONS
    parts = text.removeprefix("torch.ops.").split(".")
    if len(parts) == 2:
        inside = getattr(torch.ops.higher_order, parts[1], None) if parts[0] == "higher_order" else None
        return parts[1] in INSIDE and isinstance(inside, torch._ops.HigherOrderOperator)
    return len(parts) == 3 and operation_named(*parts) is not None


RULES: dict[str, Callable[[str], bool]] = {
    **dict.fromkeys(NAMES, _is_name),
    "expr_str": _is_size,
    **dict.fromkeys(("in_spec", "out_spec"), _is_structure),
    "target": _is_function,
    "as_operator": _is_function,
}
WHAT = {
    **dict.fromkeys(NAMES, "a name"),
    "expr_str": "a size",
    **dict.fromkeys(("in_spec", "out_spec"), "the structure of values"),
    **dict.fromkeys(("target", "as_operator"), "a function to call"),
}
"""What a text of a graph says, by its key."""
