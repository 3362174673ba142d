"""Options that several commands share, each written once, and how `DOC:TASK` and `name=value` are read."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from composer.cli.readers import assignment, device, names, seed, threads
from composer.problems.render import FORMATS

if TYPE_CHECKING:
    from composer.execution import Answering
    from composer.graph import Checked
    from composer.sources import GivenNames, GivenWeights
    from composer.weights import LoadReport

__all__ = [
    "DTYPES",
    "WEIGHTS_FLAGS",
    "WeightsOptions",
    "add_device",
    "add_dtype",
    "add_format",
    "add_json",
    "add_locked",
    "add_seed",
    "add_settings",
    "add_sources",
    "add_threads",
    "add_weights",
    "checked_with_files",
    "columns_given",
    "hold_locked",
    "report_loading",
    "seed_of",
    "seeded_weights",
    "settings_of",
    "sources_of",
    "split_task",
    "use_seed",
    "use_threads",
    "weights_of",
    "whole_misfit",
]

WEIGHTS_FLAGS = {"--weights": "weights", "--layout": "layout", "--root": "root", "--init": "init"}
"""The options of `add_weights` that say which weights are loaded, with their attributes."""


class SourceOptions(TypedDict):
    """What says where weights come from."""

    weights: GivenWeights
    layout: GivenNames
    root: GivenNames
    init: list[str]


class WeightsOptions(SourceOptions):
    """What `composer.load`, `compile_document` and `train_document` take of weights."""

    locked: bool


DTYPES = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
"""Number formats as torch calls them, and as artifacts and recipes do."""

SHIPPED = "what the document names for its modules, and what ships with it or with one that it extends"


def add_weights(parser: argparse.ArgumentParser, default: str = SHIPPED) -> None:
    """Which weights are loaded, and how; `weights_of` reads it. `default` tells those that nobody names."""
    add_sources(parser, default)
    parser.add_argument(
        "--loading-report",
        action="store_true",
        help="say what became of every parameter and key, also where the weights do not fit",
    )
    add_locked(parser)


def add_sources(parser: argparse.ArgumentParser, default: str = SHIPPED) -> None:
    """Where weights come from; `sources_of` reads it."""
    parser.add_argument(
        "--weights",
        metavar="[MODULE=]FILE",
        action="append",
        default=[],
        help="checkpoint for the whole document, or for one module: a path, package:name/file, "
        "hub:owner/name@revision/file, or the name of a shipped document that has some; `initial` for random weights; "
        f"may be repeated (default: {default})",
    )
    parser.add_argument(
        "--layout",
        metavar="[MODULE=]ID",
        action="append",
        default=[],
        help="how a published checkpoint names its tensors",
    )
    parser.add_argument(
        "--root",
        metavar="[MODULE=]NAME",
        action="append",
        default=[],
        help="entry of the checkpoint, or first words of its keys, under which the tensors lie: ema, net.body",
    )
    parser.add_argument(
        "--init",
        metavar="MODULE",
        type=names,
        action="extend",
        default=[],
        help="modules that start with fresh weights, separated by commas; may be repeated",
    )


def add_locked(parser: argparse.ArgumentParser) -> None:
    """`--locked`, of every command that uses a document."""
    parser.add_argument(
        "--locked",
        action="store_true",
        help="refuse versions and weight files other than those in the lock that `composer lock` wrote",
    )


def hold_locked(args: argparse.Namespace, document: str, report: Checked) -> None:
    """With `--locked`, hold a document that was only checked against its lock. Raises InputError where it differs."""
    if args.locked:
        from composer.sources.held_lock import hold_document

        hold_document(True, document, report)


def weights_of(args: argparse.Namespace) -> WeightsOptions:
    """What the options say; raises UsageError as `sources_of`."""
    return {**sources_of(args), "locked": args.locked}


def sources_of(args: argparse.Namespace) -> SourceOptions:
    """What the options say. Raises UsageError where one says two things of a module, or of the whole document."""
    return {
        "weights": _by_module("--weights", args.weights),
        "layout": _by_module("--layout", args.layout),
        "root": _by_module("--root", args.root),
        "init": args.init,
    }


_NAME = "[A-Za-z_][A-Za-z0-9_-]*"
_OF_MODULE = re.compile(rf"({_NAME}(?:\+{_NAME})?)=(.*)", re.DOTALL)
"""`text=FILE`, and `text+qa=FILE` for its adapter."""


def _by_module(option: str, texts: list[str]) -> str | dict[str, str] | None:
    """The one text for the whole document, or a map from modules to theirs. A path that is there is a path."""
    found: dict[str, str] = {}
    for text in texts:
        match = None if Path(text).exists() else _OF_MODULE.fullmatch(text)
        name, value = ("*", text) if match is None else match.groups()
        if name in found:
            from composer.cli.usage import UsageError

            what = "the whole document" if name == "*" else f"`{name}`"
            raise UsageError(f"{option} is given twice for {what}, {found[name]} and {value}: leave one out")
        found[name] = value
    return found if set(found) - {"*"} else found.get("*")


@contextmanager
def whole_misfit(args: argparse.Namespace) -> Iterator[None]:
    """With `--loading-report`, weights that do not fit are told with the whole list."""
    from composer.weights import WeightsError

    try:
        yield
    except WeightsError as error:
        raise (WeightsError(error.details) if args.loading_report else error) from None


def report_loading(args: argparse.Namespace, loading: LoadReport | None) -> None:
    """Print the loading report where it was asked for; else only what was done to the keys without being asked."""
    from composer.cli.output import remark

    if args.loading_report:
        remark(loading if loading is not None else "initial weights: no checkpoint was read")
    elif loading is not None:
        for note in loading.unasked:
            remark(f"composer: note: {note}")


def add_dtype(
    parser: argparse.ArgumentParser, what: str = " of the weights", default: str = "float32"
) -> None:
    """`--dtype`, the number format that a model computes in."""
    parser.add_argument("--dtype", choices=tuple(DTYPES), help=f"number format{what} (default: {default})")


def add_threads(parser: argparse.ArgumentParser, default: str = "as many as torch takes") -> None:
    """`--threads`; `use_threads` sets it."""
    parser.add_argument(
        "--threads", type=threads, metavar="N", help=f"threads that torch computes on (default: {default})"
    )


def use_threads(args: argparse.Namespace) -> None:
    """Have torch compute on as many threads as were asked for; to be called before anything runs."""
    if args.threads is not None:
        import torch

        torch.set_num_threads(args.threads)


def add_seed(parser: argparse.ArgumentParser, what: str) -> None:
    """`--seed`, a whole number; `what` says what it decides."""
    parser.add_argument("--seed", type=seed, metavar="N", help=what)


def use_seed(args: argparse.Namespace) -> None:
    """Draw initial weights from the seed that was asked for; to be called before a model is built."""
    if args.seed is not None:
        import torch

        torch.manual_seed(args.seed)


@contextmanager
def seeded_weights(args: argparse.Namespace) -> Iterator[None]:
    """Load a model; a seed that its initial weights were drawn from has been used, if no search needs it.

    Then `args.seed_used` is True.
    """
    args.seed_used = False
    use_seed(args)
    if args.seed is None:
        yield
        return
    import torch

    before = torch.random.get_rng_state()
    yield
    args.seed_used = not torch.equal(before, torch.random.get_rng_state())


def seed_of(args: argparse.Namespace, model: Answering, task: str) -> int | None:
    """The seed of the searches of a task: none where they draw nothing, and the weights have used it."""
    from composer.problems import InputError

    if args.seed is not None and args.seed_used:
        try:
            model.reader(task).check_seed(args.seed)
        except InputError:
            return None
    seed: int | None = args.seed
    return seed


def add_device(parser: argparse.ArgumentParser, what: str = "it runs") -> None:
    """`--device`, by a name of torch."""
    parser.add_argument(
        "--device", type=device, default="cpu", help=f"where {what}: cpu, cuda, cuda:1 (default: cpu)"
    )


def add_json(parser: argparse._ActionsContainer, what: str) -> None:
    """`--json`, the machine output of every command that has one."""
    parser.add_argument("--json", action="store_true", help=f"print {what} as JSON")


def checked_with_files(args: argparse.Namespace, document: str, task: str | None) -> Checked:
    """The document, whose weight files are there: told before torch is imported, which takes longer than all of this.

    Raises DocumentError, and InputError where a file is missing or an option names nothing.
    """
    from composer.graph import check
    from composer.plan import plan_task
    from composer.sources import choose
    from composer.sources.located import hold_there

    report = check(document, settings=settings_of(args)).raise_for_errors()
    tasks = list(report.tasks) if task is None else [task]
    if all(name in report.tasks for name in tasks):
        plans = [plan_task(report.tasks[name]) for name in tasks]
        needed = dict.fromkeys(name for plan in plans for name in plan.modules)
        choice = choose(report, report.registry, **sources_of(args), needed=needed)
        hold_there(source.declared for source in choice.sources)
    return report


def add_settings(parser: argparse.ArgumentParser) -> None:
    """`--set name=value`, as often as wanted; the value is typed and checked like the parameter's default."""
    parser.add_argument(
        "--set",
        dest="settings",
        metavar="NAME=VALUE",
        type=assignment,
        action="append",
        default=[],
        help="give a parameter of the document another value",
    )


def add_format(
    parser: argparse.ArgumentParser, formats: tuple[str, ...] = FORMATS, what: str = "problems are"
) -> None:
    """`--format`, and `--json` as its short form."""
    parser.add_argument(
        "--format", choices=formats, default="text", help=f"how {what} written (default: text)"
    )
    parser.add_argument(
        "--json", dest="format", action="store_const", const="json", help="the same as --format json"
    )


def settings_of(args: argparse.Namespace) -> dict[str, str]:
    """The values of `--set` as they were typed, which the parameters' defaults tell how to read; the last counts."""
    return dict(args.settings)


def columns_given(given: Iterable[tuple[str, str]]) -> dict[str, str | list[str]]:
    """Input to column; of one that stands several times, all of them in order."""
    found: dict[str, list[str]] = {}
    for name, column in given:
        found.setdefault(name, []).append(column)
    return {name: columns[0] if len(columns) == 1 else columns for name, columns in found.items()}


def split_task(text: str) -> tuple[str, str | None]:
    """Split `DOC:TASK`. A path that exists as it stands is a document, whatever colons it holds."""
    if Path(text).exists():
        return text, None
    document, colon, task = text.rpartition(":")
    # `C:\\models\\vqa.yaml` has a colon too: a task name holds no slash.
    if not colon or not document or "/" in task or "\\" in task:
        return text, None
    return document, task or None
