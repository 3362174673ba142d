"""Score a task of a document or an artifact on your data, or compare two evaluations.

composer evaluate quickstart:image-qa --data questions.jsonl --reference answer --out scores/live
composer evaluate dist/quickstart:image-qa --data questions.jsonl --reference answer --out scores/compiled
composer evaluate my.yaml --data test.csv --metric top5=core.top_k_accuracy,k=5
composer evaluate --against scores/live scores/compiled
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from composer.cli.answering_model import answering_model
from composer.cli.evaluate_options import add_data, add_kept, add_scores, metric_of, reranking_of
from composer.cli.evaluated_data import evaluated_data
from composer.cli.options import (
    add_device,
    add_dtype,
    add_json,
    add_seed,
    add_settings,
    add_threads,
    add_weights,
    columns_given,
    seed_of,
    split_task,
    use_threads,
)
from composer.cli.output import complain, print_json, remark, say
from composer.cli.readers import assignment
from composer.cli.running_rows import collected

if TYPE_CHECKING:
    from composer.cli.evaluated_data import EvaluatedData
    from composer.evaluation import Compared, Evaluating, EvaluationReport
    from composer.evaluation.what_is_scored import AskedMetric
    from composer.execution import Answering
    from composer.plugin import Registry

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "task",
        metavar="DOC:TASK",
        nargs="?",
        help="a document or a compiled artifact, and one of its tasks, which may be left out where there is only one",
    )
    parser.add_argument(
        "inputs",
        metavar="NAME=VALUE",
        nargs="*",
        type=assignment,
        help="inputs that are the same for all samples; NAME=@FILE reads a list (one a line; .json: a list)",
    )
    add_data(parser)
    add_scores(parser)
    add_kept(parser)
    add_weights(parser)
    add_device(parser)
    add_dtype(parser)
    add_threads(parser)
    add_seed(
        parser,
        "draw initial weights, and the tokens of searches that draw them, as another run with this seed did",
    )
    add_json(parser, "the report")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Exit code 1 where some samples failed."""
    wrong = _misused(args)
    if wrong is not None:
        complain(wrong)
        return 2
    if args.task is None:
        return _compared(args)
    metrics = [metric_of(text) for text in args.metrics]
    reranking = reranking_of(args.rerank)
    use_threads(args)
    document, task = split_task(args.task)
    data = evaluated_data(args)
    beside = [] if reranking is None else [reranking.task]
    with answering_model(args, document, task, beside) as model:
        name = model.only_task() if task is None else task
        report = _evaluated(args, model, name, data, metrics)
    found = None if not args.against else _against(args, [args.against[0], str(args.out)], data.registry)
    if args.json:
        told = report.as_json(args.worst)
        print_json(told if found is None else {**told, "against": found.as_json()}, indent=1)
    else:
        _show(args, report, f"{document}:{name}")
        if found is not None:
            _say_compared(found)
    return 1 if report.failed else 0


def _misused(args: argparse.Namespace) -> str | None:
    """What is wrong with the options as they are given together."""
    if args.task is None:
        if len(args.against) != 2:
            return "name what is evaluated (DOC:TASK), or two evaluations to compare (--against A B)"
        return "--data belongs to DOC:TASK, which is not given" if args.data else None
    if args.data is None:
        return "name the data with --data: a file of rows, or a dataset"
    if len(args.against) > 1:
        return "--against takes one evaluation beside DOC:TASK, and two without it"
    if args.against and args.out is None:
        return "--against compares what is kept: give --out too"
    if args.overwrite and (args.resume or args.retry):
        return (
            f"--overwrite begins anew and --{'resume' if args.resume else 'retry'} goes on: give one of them"
        )
    alone = [name for name in ("overwrite", "resume", "retry") if getattr(args, name)]
    if args.out is None and alone:
        return f"--{alone[0]} belongs to --out"
    return None


def _evaluated(
    args: argparse.Namespace, model: Answering, task: str, data: EvaluatedData, metrics: Sequence[AskedMetric]
) -> EvaluationReport:
    from composer.evaluation import evaluate_rows
    from composer.evaluation.what_is_scored import AskedScores, declared_of
    from composer.rows.rows_display import RowsDisplay

    reference = args.reference or data.reference
    asked = AskedScores(tuple(args.outputs), reference, metrics)
    evaluation = asked.settled(declared_of(model, task), model.ports(task), data.registry, task)
    display = RowsDisplay()
    try:
        return evaluate_rows(
            model,
            task,
            data.rows,
            evaluation,
            data.registry,
            out=args.out,
            how=_how(args, model, task, data),
            watching=display,
        )
    except KeyboardInterrupt:
        display.close()
        if args.out is not None:
            anew = " without --overwrite" if args.overwrite else ""
            remark(f"{args.out} keeps the answers so far: the same command{anew} goes on behind them")
        raise
    finally:
        display.close()


def _how(args: argparse.Namespace, model: Answering, task: str, data: EvaluatedData) -> Evaluating:
    from composer.evaluation import Evaluating

    columns = columns_given(args.columns)
    inputs = model.reader(task).inputs
    files = [name for name, facts in inputs.items() if facts.names_files]
    if data.file is not None and len(files) == 1 and files[0] not in columns:
        columns[files[0]] = data.file
    return Evaluating(
        columns=columns,
        constants=collected(args.inputs, inputs),
        id=args.id,
        batch_size=args.batch_size,
        workers=args.workers,
        seed=seed_of(args, model, task),
        media_root=args.media_root,
        overwrite=args.overwrite,
        resume=args.resume,
        retry=args.retry,
        draws=args.draws,
        resamples=args.resamples,
        worst=args.worst,
        reranking=reranking_of(args.rerank),
    )


def _show(args: argparse.Namespace, report: EvaluationReport, subject: str) -> None:
    from composer.evaluation.evaluation_text import (
        failed_lines,
        score_rows,
        summary_line,
        undefined_lines,
        worst_lines,
    )
    from composer.views.columns import columns

    say(summary_line(report, subject))
    say()
    for line in columns(score_rows(report), right=frozenset({1})):
        say(line)
    for told in (undefined_lines(report), failed_lines(report, args.worst), worst_lines(report, args.worst)):
        if told:
            say()
            say("\n".join(told))
    if report.out is not None:
        say()
        say(f"wrote {report.out / 'predictions.jsonl'} and {report.out / 'report.json'}")


def _compared(args: argparse.Namespace) -> int:
    from composer.plugin import load_registry

    found = _against(args, args.against, load_registry())
    if args.json:
        print_json(found.as_json(), indent=1)
    else:
        _say_compared(found)
    return 0


def _against(args: argparse.Namespace, runs: list[str], registry: Registry) -> Compared:
    from composer.evaluation import compare_evaluations, stored_evaluation

    first, second = (stored_evaluation(path) for path in runs)
    return compare_evaluations(first, second, registry, seed=args.draws, resamples=args.resamples)


def _say_compared(found: Compared) -> None:
    for line in found.sentences():
        say(line)
    if found.left_out:
        noun = "sample" if found.left_out == 1 else "samples"
        say(f"{found.left_out:,} {noun} that one of them has not answered left out")
