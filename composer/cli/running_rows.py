"""`composer run --rows`: many rows of a file through a task, with the options that only they have."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from composer.cli.options import columns_given, seed_of
from composer.cli.output import print_json, remark, say, write_machine
from composer.cli.readers import assignment, positive, whole
from composer.cli.value_files import TakesList, with_files

if TYPE_CHECKING:
    from composer.data.format_table import FormatTable
    from composer.execution import Answering
    from composer.rows import RowsSummary

__all__ = [
    "add_columns",
    "add_reading",
    "add_rows",
    "annotations",
    "answer_rows",
    "collected",
    "hold_places",
    "misused",
]

ONLY_ROWS = {
    "--out": "out",
    "--map": "columns",
    "--id": "id",
    "--keep": "keep",
    "--batch-size": "batch_size",
    "--workers": "workers",
    "--media-root": "media_root",
    "--overwrite": "overwrite",
    "--resume": "resume",
    "--retry": "retry",
}
"""Options that say something of rows, with their attributes."""


def add_rows(parser: argparse.ArgumentParser) -> None:
    """The options of many rows."""
    rows = parser.add_argument_group("many rows")
    rows.add_argument(
        "--rows",
        metavar="FILE",
        help='answer every row of a file (.jsonl, .csv, .tsv, .parquet), or every file of a pattern: "folder/*.png", '
        "or every sample of a benchmark (FORMAT:FILE[,FILE]); columns map to inputs by their names, and NAME=VALUE is "
        "the same in all rows",
    )
    rows.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="where the answers go, in the order of the rows (.jsonl, .csv, .tsv, .parquet; default: standard output); "
        "however it ends, the same command goes on where it was",
    )
    add_reading(rows)
    rows.add_argument(
        "--keep",
        metavar="COLUMN",
        action="append",
        default=[],
        help="a column that is copied beside the answers; may be repeated",
    )
    rows.add_argument(
        "--overwrite",
        action="store_true",
        help="begin anew, whatever --out holds; without it answers are kept",
    )
    rows.add_argument(
        "--resume",
        action="store_true",
        help="go on although rows came to the file or changed (those are asked again), or on another device; "
        "never with another model or other options",
    )
    rows.add_argument(
        "--retry",
        action="store_true",
        help="ask rows again that failed, and keep the answers of the others",
    )


def add_columns(rows: argparse._ArgumentGroup, id_: str) -> None:
    """What of a row is read, and where its paths begin; `id_` is the column that names a row where none is said."""
    rows.add_argument(
        "--map",
        dest="columns",
        metavar="INPUT=COLUMN",
        type=assignment,
        action="append",
        default=[],
        help="the column that an input reads, where it has another name; several make the list of an input that takes "
        "one, and prompt.question=COLUMN is an entry of a map",
    )
    rows.add_argument("--id", metavar="COLUMN", help=f"the column that names a row (default: {id_})")
    rows.add_argument(
        "--media-root",
        metavar="DIR",
        type=Path,
        help="where paths in rows begin, and what they may not leave (default: the folder of the file of rows)",
    )


def add_reading(rows: argparse._ArgumentGroup) -> None:
    """How rows are read and answered, as `composer evaluate` does it too."""
    add_columns(rows, "id, or the file")
    rows.add_argument(
        "--batch-size", type=positive, metavar="N", help="rows that are answered at once (default: 16)"
    )
    rows.add_argument(
        "--workers",
        type=whole,
        metavar="N",
        help="threads that read rows while the task runs (default: up to 4 for files, 1 for texts; 0: read between)",
    )


def misused(args: argparse.Namespace) -> str | None:
    """What is wrong with the options as they are given together."""
    if args.rows is None:
        given = [flag for flag, name in ONLY_ROWS.items() if _given(getattr(args, name))]
        return f"{given[0]} belongs to --rows" if given else None
    if args.stream or args.timing:
        return f"{'--stream' if args.stream else '--timing'} is for one answer, and --rows asks for many"
    if args.overwrite and args.resume:
        return "--overwrite begins anew and --resume goes on: give one of them"
    if args.overwrite and args.retry:
        return "--overwrite begins anew and --retry keeps answers: give one of them"
    if args.out is None:
        alone = [flag for flag in ("--overwrite", "--resume", "--retry") if getattr(args, ONLY_ROWS[flag])]
        if alone:
            return f"{alone[0]} belongs to --out"
    if args.out is None and args.json:
        return "--json tells how the run of --out went; without --out the answers themselves are JSON"
    return None


def _given(value: object) -> bool:
    return value is not None and value is not False and value != []


def hold_places(args: argparse.Namespace) -> None:
    """Look at the places before a model is loaded. Raises InputError for what is not there, or must not be written."""
    from composer.rows.answers_file import AnswersFile
    from composer.rows.row_sources import opened

    if args.out is not None:
        AnswersFile.check_free(args.out, overwrite=args.overwrite)
    annotated = annotated_rows(args.rows, args.media_root)
    args.rows = args.rows if annotated is None else annotated
    opened(args.rows)


def annotated_rows(data: str, media_root: Path | None) -> FormatTable | None:
    """The samples of `FORMAT:FILE[,FILE]`; None where `data` is no such. Raises InputError for files that are not."""
    from composer.data.format_table import format_table
    from composer.plugin import load_registry

    root = None if media_root is None else str(media_root)
    return format_table(data, Path(), root, load_registry().formats) if ":" in data else None


def collected(given: Iterable[tuple[str, str]], inputs: Mapping[str, TakesList]) -> dict[str, Any]:
    """Values by name; of a name that stands several times, all in order, and of `@FILE` those of the file;
    `prompt.question` is an entry of a map. `inputs` are those of the task.
    """
    values: dict[str, list[str]] = {}
    for name, value in with_files(given, inputs):
        values.setdefault(name, []).append(value)
    found: dict[str, Any] = {}
    for name, several in values.items():
        whole, _, part = name.partition(".")
        one = several[0] if len(several) == 1 else several
        if part and isinstance(found.setdefault(whole, {}), dict):
            found[whole][part] = one
        else:
            found[name] = one
    return found


def answer_rows(args: argparse.Namespace, model: Answering, task: str) -> int:
    """Exit code 1 where some rows failed."""
    return _printed(args, model, task) if args.out is None else _written(args, model, task)


class _Options(TypedDict):
    """What `composer.rows.answer_rows` and `run_rows` both take."""

    columns: dict[str, str | list[str]]
    constants: dict[str, str | list[str]]
    id: str | None
    keep: tuple[str, ...]
    batch_size: int | None
    workers: int | None
    seed: int | None
    media_root: Path | None


def _options(args: argparse.Namespace, model: Answering, task: str) -> _Options:
    return {
        "columns": columns_given(args.columns),
        "constants": collected(args.inputs, model.reader(task).inputs),
        "id": args.id,
        "keep": tuple(args.keep),
        "batch_size": args.batch_size,
        "workers": args.workers,
        "seed": seed_of(args, model, task),
        "media_root": args.media_root,
    }


def _printed(args: argparse.Namespace, model: Answering, task: str) -> int:
    from composer import rows
    from composer.rows.answer_lines import JsonAnswers
    from composer.rows.plain_values import NotFinite

    failed = count = 0
    broken = NotFinite()
    for answer in rows.answer_rows(model, task, args.rows, **_options(args, model, task)):
        write_machine(JsonAnswers().line(answer).decode("ascii"))
        broken.see(answer.row, answer.outputs)
        failed += answer.error is not None
        count += 1
    for sentence in broken.told():
        remark(f"composer: {sentence}")
    if not count:
        remark("there are no rows")
    return 1 if failed else 0


def _written(args: argparse.Namespace, model: Answering, task: str) -> int:
    from composer import rows
    from composer.rows.rows_display import RowsDisplay

    display = RowsDisplay()
    try:
        summary = rows.run_rows(
            model,
            task,
            args.rows,
            args.out,
            overwrite=args.overwrite,
            resume=args.resume,
            retry=args.retry,
            watching=display,
            **_options(args, model, task),
        )
        display.warn()
    except KeyboardInterrupt:
        display.close()
        anew = " without --overwrite" if args.overwrite else ""
        remark(f"{args.out} keeps the answers so far: the same command{anew} goes on behind them")
        raise
    finally:
        display.close()
    if args.json:
        print_json(_as_json(args, summary), indent=1)
    else:
        say(_summed_up(summary))
    return 1 if summary.failed else 0


def _summed_up(summary: RowsSummary) -> str:
    now = summary.rows - summary.before
    rate = f", {summary.rows_per_s:.3g} rows/s" if now else ""
    before = f", {summary.before:,} of them before" if summary.before else ""
    noun = "row" if summary.answered == 1 else "rows"
    return f"{summary.out}: {summary.answered:,} {noun} answered, {summary.failed:,} failed{before}{rate}"


def _as_json(args: argparse.Namespace, summary: RowsSummary) -> dict[str, object]:
    asked = {
        **summary.asked,
        "document": args.task,
        "weights": args.weights,
        "settings": dict(args.settings),
        "dtype": args.dtype,
        "threads": args.threads,
        "batch_size": args.batch_size,
        "workers": args.workers,
        "media_root": None if args.media_root is None else str(args.media_root),
    }
    return {
        "asked": asked,
        "out": str(summary.out),
        "rows": summary.rows,
        "answered": summary.answered,
        "failed": summary.failed,
        "before": summary.before,
        "seconds": round(summary.seconds, 3),
        "rows_per_s": round(summary.rows_per_s, 3),
    }
