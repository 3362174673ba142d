"""Asking a plugin: the one way in which the project calls a function that a plugin brought.

Whatever such a function does (raises, leaves the program, returns something else), the answer is a value that was asked
for or one `PluginError` that names the plugin's entry, the function, the file and the line.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, TypeVar, overload

from composer.interruptions import is_interruption
from composer.plugin.surroundings import ProcessEndedError
from composer.problems import ComposerError

__all__ = ["META_CURE", "PluginError", "ask", "fault_of", "import_object", "place_of_fault", "unchanged"]

T = TypeVar("T")
OURS = "composer"
LONGEST = 300
"""Characters of a foreign message that are shown."""
META_CURE = (
    "Modules are built on torch's meta device too, where tensors have no values: let the builder compute constants "
    "with Python's numbers, not with float(tensor) or tensor.item()"
)
"""What the author of a builder changes that needs the values of tensors."""
_NOT_THE_PLUGIN = frozenset(
    {"composer", "composer_compile", "networkx", "numpy", "pluggy", "pydantic", "pydantic_core", "torch"}
)
"""Packages whose frames say less about a fault than the plugin's frame that called them."""


class PluginError(ComposerError):
    """A function of a plugin failed, or gave what nobody can use. That is the plugin's fault and nobody else's.

    `what` is the part that was asked, `fault` what it did, `where` the function with its file and line.
    """

    def __init__(self, what: str, fault: str, where: str = "") -> None:
        self.what, self.fault, self.where = what, fault, where
        super().__init__(f"{what} {fault}" + (f" ({where})" if where else ""))


def unchanged(value: T) -> T:
    """For `ask`: any answer will do."""
    return value


@overload
def ask(
    function: Callable[..., object], *arguments: object, what: str, passing: tuple[type[Exception], ...] = ()
) -> Any: ...


@overload
def ask(
    function: Callable[..., object],
    *arguments: object,
    what: str,
    accept: Callable[[Any], T],
    passing: tuple[type[Exception], ...] = (),
) -> T: ...


def ask(
    function: Callable[..., object],
    *arguments: object,
    what: str,
    accept: Callable[[Any], Any] = unchanged,
    passing: tuple[type[Exception], ...] = (),
) -> Any:
    """Call a plugin's function and read its answer with `accept`.

    `accept` gives the value to use, or raises TypeError or ValueError that says what is wrong with the answer.
    `passing` are exceptions that mean something to the caller, such as pydantic's ValidationError.

    Raises:
        PluginError: the function raised something foreign, ended the program, or its answer was not accepted.
        ComposerError: the function refused its arguments in the project's own words (`InputError`).
    """
    try:
        answer = function(*arguments)
    except ComposerError:
        raise
    except passing:
        raise
    except BaseException as error:
        if is_interruption(error):
            raise
        raise PluginError(what, fault_of(error), place_of_fault(error, function)) from error
    try:
        return accept(answer)
    except Exception as error:  # reading a foreign value can run foreign code
        fault = f"returns {_described(answer)}: {_one_line(error)}"
        raise PluginError(what, fault, _definition(function)) from error


def import_object(reference: str, what: str) -> Any:
    """The object that `"package.module:Name"` names. Raises PluginError: importing runs a plugin's code."""
    module_name, _, attribute = reference.partition(":")
    try:
        return functools.reduce(getattr, attribute.split("."), importlib.import_module(module_name))
    except BaseException as error:
        if is_interruption(error):
            raise
        package = module_name.partition(".")[0]
        where = _deepest(error, package) if not isinstance(error, SyntaxError) else ""
        fault = f"cannot be imported from {reference}: it {fault_of(error)}"
        raise PluginError(what, fault, where) from error


def fault_of(error: BaseException) -> str:
    """What a plugin did, as a verb and its object: `raises KeyError: 'width'`."""
    if isinstance(error, SystemExit):
        return f"ends the program: sys.exit({'' if error.code is None else repr(error.code)})"
    if isinstance(error, ProcessEndedError):
        return f"ends the program: {error}"
    if isinstance(error, SyntaxError) and error.filename:
        return f"has a syntax error: {error.msg} ({_short(error.filename)}:{error.lineno})"
    text = _one_line(error)
    name = type(error).__name__
    return f"raises {name}: {text}" if text and text != name else f"raises {name}"


def place_of_fault(error: BaseException, function: Callable[..., object] | None = None) -> str:
    """`name, file.py:12`: the line of the plugin's code that failed, as deep as the plugin goes."""
    if function is None:
        return _deepest(error, "")
    bare = _bare(function)
    package = str(getattr(bare, "__module__", "")).partition(".")[0]
    if package == OURS:  # a function of ours that reads a value of the plugin's own type
        return _deepest(error, "")
    found = _deepest(error, package)
    return f"`{_name(bare)}`, {found}" if found else _definition(function)


def _deepest(error: BaseException, package: str) -> str:
    """The deepest line in a package, or else in anything that is neither ours nor the language's."""
    inside = other = None
    for frame, line in _walk(error.__traceback__):
        top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if top == package:
            inside = frame, line
        elif top and top not in _NOT_THE_PLUGIN and top not in sys.stdlib_module_names:
            other = frame, line
    deepest = inside or other
    return "" if deepest is None else f"{_short(deepest[0].f_code.co_filename)}:{deepest[1]}"


def _walk(trace: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    return traceback.walk_tb(trace)


def _definition(function: Callable[..., object]) -> str:
    """The function's name with the file and line where it begins."""
    bare = _bare(function)
    try:
        file = inspect.getsourcefile(bare)
        line = bare.__code__.co_firstlineno if hasattr(bare, "__code__") else inspect.findsource(bare)[1] + 1
    except (OSError, TypeError):
        return f"`{_name(bare)}`"
    return f"`{_name(bare)}`, {_short(file or '?')}:{line}"


def _bare(function: object) -> Any:
    """The function itself, without what is wrapped around it; of an object that is called, its class.

    So it is for a method that a plugin's class has from a library, such as pydantic's validation.
    """
    while isinstance(function, functools.partial):
        function = function.func
    owner = getattr(function, "__self__", None)
    if owner is not None and str(function.__module__).partition(".")[0] in _NOT_THE_PLUGIN:
        return owner if isinstance(owner, type) else type(owner)
    function = inspect.unwrap(function) if callable(function) else function
    function = getattr(function, "__func__", function)
    return function if hasattr(function, "__qualname__") else type(function)


def _name(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__)).replace("<locals>.", "")


def _short(file: str) -> str:
    """A file as Python finds it, without the folders of this machine."""
    path = Path(file)
    roots = [Path(root) for root in sys.path if root]
    inside = [root for root in roots if path.is_relative_to(root)]
    if inside:
        return str(path.relative_to(max(inside, key=lambda root: len(root.parts))))
    return "/".join(path.parts[-2:])


def _one_line(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except Exception:  # an exception whose own text fails
        return "its text cannot be shown"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def _described(value: object) -> str:
    """A foreign value: plain ones as they are, of others the type."""
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else f"{value[:40]}...")
    return f"a {type(value).__name__}"
