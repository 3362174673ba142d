"""The border of the program: finds the command, runs it, and turns every error into one line and an exit code."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from composer.cli.output import complain, remark, say
from composer.cli.signals import Ended, ending_signals
from composer.interruptions import raise_swallowed, telling_interruptions

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

    from composer.problems import ComposerError

__all__ = ["COMMANDS", "run"]

COMMANDS = {
    "check": "find every problem in documents, without loading a weight",
    "show": "print a document, a task, its plan, cost or picture",
    "diff": "compare two documents, or two tasks",
    "explain": "explain a problem code with a bad and a good example",
    "run": "run a task on your inputs",
    "lock": "pin the versions and the weight files of a document",
    "import": "write a checkpoint anew as safetensors, under the names of a layout",
    "train": "train a document on its tasks together",
    "evaluate": "score a task on your data, with intervals; compare two runs",
    "compile": "compile tasks into one verified artifact",
    "inspect": "print what an artifact holds",
    "verify": "run an artifact's recorded samples on this machine",
    "compare": "compare a model with recorded tensors of another implementation",
    "plugins": "list, show, make or check plugins",
    "schema": "write the JSON Schema of documents, for editors",
    "new": "write a first document to start from",
    "suggest": "find documents that lead from given modalities to given kinds",
}
"""Every command with the line that `composer --help` shows; `composer/cli/<command>.py` holds it."""

SHORT = frozenset({"check", "explain", "plugins", "schema", "new", "suggest"})
"""Commands that are over before a garbage collection could pay: importing alone would trigger several, and the end of
the program one more over all that it holds."""

TRACEBACK = "COMPOSER_TRACEBACK"
"""The environment variable that shows where an error came from, too."""

FINE, PROBLEMS, USAGE, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141


def run(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code; without `argv`, as the console script with the program's arguments."""
    arguments = sys.argv[1:] if argv is None else argv
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal without the letter shows `?` rather than a traceback.
            stream.reconfigure(errors="replace")
    try:
        with ending_signals(), telling_interruptions():
            return _flushed(_dispatch(arguments, ends=argv is None))
    except Ended as end:
        _drop_output()
        if argv is not None:  # the program that called us was asked to end, and has its way of doing that
            signal.raise_signal(end.number)
        return end.code
    except KeyboardInterrupt:
        _drop_output()
        remark("composer: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`composer show x | head`); what Python still holds for it must not fail at exit.
        _drop_output()
        return BROKEN_PIPE
    except OSError as error:  # of any other file it is told by the command
        _drop_output()
        complain(f"standard output cannot be written: {error.strerror or error}")
        return PROBLEMS


def _open_closed_streams() -> None:
    """A stream that the shell closed (`>&-`) leads nowhere; else the next file that is opened would take its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            try:
                os.fstat(number)
            except OSError:
                os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115


def _flushed(code: int) -> int:
    """The exit code once all output has left; where it cannot and something else is told already, that is enough."""
    try:
        sys.stdout.flush()
    except OSError as error:
        if code != PROBLEMS or isinstance(error, BrokenPipeError):
            raise
        _drop_output()
    return code


def _drop_output() -> None:
    """What is still held for standard output goes nowhere; what cannot be dropped (a test's stream) stays."""
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _dispatch(arguments: list[str], *, ends: bool) -> int:
    """Run what the arguments name; `ends` says that the program is over then."""
    if not arguments:
        remark(_help())
        return USAGE
    name, *rest = arguments
    if name in {"-h", "--help", "help"}:
        say(_help())
        return FINE
    if name in {"-V", "--version"}:
        from importlib.metadata import version

        say(f"composer {version('multimodal-composer')}")
        return FINE
    if name not in COMMANDS:
        return _unknown(name)
    if name in SHORT:
        gc.disable()
    try:
        return _run_command(name, rest, ends=ends)
    finally:
        if ends and name in SHORT:
            gc.freeze()
        else:
            gc.enable()


class _Parser(argparse.ArgumentParser):
    """Tells wrong usage in one line; what there is stands in the help."""

    def error(self, message: str) -> NoReturn:
        remark(f"{self.prog}: error: {message}; `{self.prog} --help` shows how it is used")
        self.exit(USAGE)

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        if file is None:
            say(self.format_help(), end="")  # argparse is silent about what it cannot write
        else:
            super().print_help(file)


def _run_command(name: str, rest: list[str], *, ends: bool) -> int:
    command = import_module(f"composer.cli.{name}")
    parser = _Parser(
        prog=f"composer {name}",
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.configure(parser)
    from composer.cli.streams import OutputError, own_output
    from composer.problems import ComposerError

    try:
        parsed = _parsed(parser, rest)
    except SystemExit as stop:  # argparse ends the program for --help and for wrong usage
        return stop.code if isinstance(stop.code, int) else USAGE
    parsed.words = (name, *rest)
    try:
        _hold_folder()
        with own_output(ends=ends):
            return _answer(command, parsed)
    except ComposerError as error:
        return _report(error)
    except MemoryError as error:
        complain(f"there is not enough memory{f': {error}' if str(error) else ''}")
        return PROBLEMS
    except (BrokenPipeError, OutputError):
        raise
    except (Exception, SystemExit) as error:
        return _unexpected(error)


def _answer(command: ModuleType, parsed: argparse.Namespace) -> int:
    """The exit code of the command; a fault that a swallowed signal left behind is none."""
    try:
        return int(command.run(parsed))
    except Exception:
        raise_swallowed()
        raise


def _hold_folder() -> None:
    """Raise InputError where the working directory is gone: relative paths and some libraries need one."""
    try:
        os.getcwd()
    except FileNotFoundError:
        from composer.problems import InputError

        raise InputError("the folder that this command runs in was removed: `cd` to another one") from None


def _unexpected(error: Exception | SystemExit) -> int:
    """Print one sentence for what a plugin or the system did; whatever else comes here is our own fault and raised."""
    from composer.cli.foreign import is_of_a_library, plugin_at_fault

    found = plugin_at_fault(error)
    if found is not None:
        _show_traceback(error)
        complain(found)
    elif isinstance(error, OSError):
        subject = f"{error.filename}: " if error.filename else ""
        complain(f"{subject}{error.strerror or error}")
    elif isinstance(error, SystemExit):  # no command ends the program: code that a library brought did
        complain(f"code that a plugin or a library brought ended the program (SystemExit: {error.code})")
    elif isinstance(error, ImportError) and is_of_a_library(error):
        complain(f"a library cannot be loaded: {error}")
    else:
        raise error
    return PROBLEMS


def _show_traceback(error: BaseException) -> None:
    """For authors of plugins, who need more than a line of their code."""
    if os.environ.get(TRACEBACK):
        import traceback

        traceback.print_exception(error)


def _parsed(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Options may stand anywhere: before, between and after what they are options of.

    Behind `--` stands no option. What begins with `-` there is a path: argparse, which mixes, would forget that.
    """
    if "--" in arguments:
        from composer.cli.usage import plain_path

        at = arguments.index("--")
        arguments = arguments[:at] + [plain_path(each) for each in arguments[at + 1 :]]
    try:
        return parser.parse_intermixed_args(arguments)
    except TypeError:  # argparse cannot mix them for a command with actions of its own (`composer plugins`)
        return parser.parse_args(arguments)


def _report(error: ComposerError) -> int:
    """Print an error that a command let through: the rendered problems of a document, one line for all else."""
    from composer.cli.usage import UsageError
    from composer.problems import DocumentError

    if isinstance(error, UsageError):
        complain(error)
        return USAGE
    if isinstance(error, DocumentError):
        from composer.cli.output import print_problems

        print_problems(error.problems, error.sources or None, stream=sys.stderr)
    else:
        _show_traceback(error)
        complain(error)
    return PROBLEMS


def _unknown(name: str) -> int:
    from composer.problems.suggest import nearest

    guess = nearest(name, COMMANDS)
    hint = f"did you mean `composer {guess}`?" if guess is not None else f"there are {', '.join(COMMANDS)}"
    kind = "option" if name.startswith("-") else "command"
    complain(f"unknown {kind} {name!r}; {hint}")
    return USAGE


def _help() -> str:
    size = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{size}}  {summary}" for name, summary in COMMANDS.items())
    return (
        "usage: composer COMMAND ...\n\nDeclare multimodal models in YAML; check, run and compile them.\n\n"
        f"commands:\n{commands}\n\n"
        "options:\n  -h, --help     show this help, or `composer COMMAND --help`\n"
        "  -V, --version  print the version\n\n"
        "exit codes: 0 fine, 1 problems found, 2 wrong usage"
    )
