"""What answers a task on the command line: a document's live model, or a compiled artifact."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from composer.cli.options import (
    WEIGHTS_FLAGS,
    checked_with_files,
    report_loading,
    seeded_weights,
    settings_of,
    weights_of,
    whole_misfit,
)

if TYPE_CHECKING:
    from composer.execution import Answering

__all__ = ["answering_model"]


def answering_model(
    args: argparse.Namespace, document: str, task: str | None, beside: Sequence[str] = ()
) -> Answering:
    """A compiled artifact where there is one at the path, otherwise the document's live model.

    `beside` are tasks that are asked besides the one that is named.
    """
    from composer_compile.artifact.container import is_artifact

    args.seed_used = False
    if is_artifact(document):
        return _artifact(args, document)
    report = checked_with_files(args, document, task)
    from composer import execution

    with whole_misfit(args), seeded_weights(args):
        model = execution.load(
            report,
            **weights_of(args),
            settings=settings_of(args),
            device=args.device,
            dtype=args.dtype,
            tasks=None if task is None else [*dict.fromkeys([task, *beside])],
            fuse=getattr(args, "fuse", None),
            registry=report.registry,
        )
    report_loading(args, model.loading)
    return model


def _artifact(args: argparse.Namespace, path: str) -> Answering:
    from composer_compile import load

    from composer.problems import InputError

    given = {
        **{flag: getattr(args, name) for flag, name in WEIGHTS_FLAGS.items()},
        "--loading-report": args.loading_report,
        "--locked": args.locked,
        "--dtype": args.dtype,
        "--fuse": getattr(args, "fuse", None),
        "--set": args.settings,
    }
    fixed = [name for name, value in given.items() if value]
    if fixed:
        raise InputError(
            f"{path} is a compiled artifact, so {' and '.join(fixed)} cannot be given: compile it again"
        )
    return load(path, device=args.device)
