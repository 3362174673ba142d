"""Run a task on inputs given as name=value: a path for a picture or a clip, the text itself for a text.

composer run quickstart:image-qa image=picture.png question="is there a circle?"
composer run dist/quickstart:image-qa image=picture.png question="is there a circle?"
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import Any

from composer.cli.options import add_settings, assignment, settings_of, split_task

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "task",
        metavar="DOC:TASK",
        help="a document or a compiled artifact, and one of its tasks, which may be left out where there is only one",
    )
    parser.add_argument(
        "inputs",
        metavar="NAME=VALUE",
        nargs="*",
        type=assignment,
        help="the inputs of the task; a name given several times makes a list: a batch, or answers to rank",
    )
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="checkpoint to load, or `initial` for random weights; a shipped document may bring its own",
    )
    parser.add_argument("--layout", metavar="ID", help="how a published checkpoint names its tensors")
    parser.add_argument("--device", default="cpu", help="where it runs: cpu, cuda, cuda:1 (default: cpu)")
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16", "float16"), help="number format of the weights"
    )
    printed = parser.add_mutually_exclusive_group()
    printed.add_argument(
        "--stream", action="store_true", help="print text as it is generated, by a search with one beam"
    )
    printed.add_argument("--json", action="store_true", help="print all outputs as one JSON object")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    document, task = split_task(args.task)
    model = _loaded(args, document, task)
    raw = _collected(args.inputs)
    name = model.only_task() if task is None else task
    if args.stream:
        for piece in model.stream(name, **raw):
            print(piece, end="", flush=True)
        print()
    else:
        print(_written(model.run(name, **raw), as_json=args.json))
    return 0


def _collected(inputs: Iterable[tuple[str, str]]) -> dict[str, str | list[str]]:
    """Values by name; of a name that stands several times, all values in order."""
    values: dict[str, list[str]] = {}
    for name, value in inputs:
        values.setdefault(name, []).append(value)
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


def _loaded(args: argparse.Namespace, document: str, task: str | None) -> Any:
    """A compiled artifact where there is one at the path, otherwise the document's live model."""
    from composer_compile.container import is_artifact

    if is_artifact(document):
        return _artifact(args, document)
    from composer import runtime

    return runtime.load(
        document,
        weights=args.weights,
        layout=args.layout,
        settings=settings_of(args),
        device=args.device,
        dtype=args.dtype,
        tasks=None if task is None else [task],
    )


def _artifact(args: argparse.Namespace, path: str) -> Any:
    from composer_compile import load

    from composer.problems import InputError

    given = {
        "--weights": args.weights,
        "--layout": args.layout,
        "--dtype": args.dtype,
        "--set": args.settings,
    }
    fixed = [name for name, value in given.items() if value]
    if fixed:
        raise InputError(
            f"{path} is a compiled artifact, so {' and '.join(fixed)} cannot be given: compile it again"
        )
    return load(path, device=args.device)


def _written(outputs: Mapping[str, Any], *, as_json: bool) -> str:
    """One output alone is printed bare; several are named. Arrays are printed as lists."""
    plain = {name: _plain(value) for name, value in outputs.items()}
    if as_json:
        import json

        return json.dumps(plain, ensure_ascii=False)
    if len(plain) == 1:
        return str(next(iter(plain.values())))
    return "\n".join(f"{name}: {value}" for name, value in plain.items())


def _plain(value: Any) -> Any:
    """Tensors, arrays and records as lists and maps that JSON can hold."""
    if hasattr(value, "_asdict"):
        return {name: _plain(item) for name, item in value._asdict().items()}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value
