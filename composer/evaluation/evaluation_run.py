"""An evaluation: rows through a task, in batches and resumable, and then the scores of what it answered."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from composer.evaluation.evaluation_report import ANSWERS, PREDICTIONS, EvaluationReport
from composer.evaluation.intervals import CONFIDENCE, RESAMPLES
from composer.evaluation.reranking import Reranking, reranked_scores
from composer.evaluation.sample_scores import scores_of_samples
from composer.evaluation.scored_samples import ScoredSample, read_answers, samples_digest, write_samples
from composer.evaluation.scoring import Score
from composer.execution import Answering, Model
from composer.graph import CheckedEvaluation
from composer.plugin import Registry
from composer.problems import InputError
from composer.rows import RowsSummary, run_rows
from composer.rows.column_map import Columns
from composer.rows.row_sources import opened
from composer.rows.rows_run import Rows, Watching

__all__ = ["WORST", "Evaluating", "evaluate_rows"]

WORST = 5
"""Samples that a report lists where nobody says how many."""


@dataclass(frozen=True)
class Evaluating:
    """How rows are read, answered and scored."""

    columns: Mapping[str, Columns] | None = None
    """Input (or reference) to the column that it reads, where that has another name."""
    constants: Mapping[str, object] | None = None
    id: str | None = None
    batch_size: int | None = None
    workers: int | None = None
    seed: int | None = None
    """That of the searches."""
    media_root: str | Path | None = None
    overwrite: bool = False
    resume: bool = False
    retry: bool = False
    draws: int = 0
    """Seed of what is drawn for intervals."""
    confidence: float = CONFIDENCE
    resamples: int = RESAMPLES
    worst: int = WORST
    reranking: Reranking | None = None
    """A closer look at the best candidates of retrieval, by another task of a live document."""


def evaluate_rows(
    model: Answering,
    task: str,
    rows: Rows,
    evaluation: CheckedEvaluation,
    registry: Registry,
    *,
    out: str | Path | None = None,
    how: Evaluating = Evaluating(),
    watching: Watching | None = None,
) -> EvaluationReport:
    """Answer rows and score the answers.

    With `out`, a folder, the answers are kept there as they come, and however a process ends, the same call goes on;
    beside them stand the predictions with their scores and the report, each written whole or not at all.

    Raises:
        InputError: rows, columns or options that do not do, an output that is not finite, and where no row is left to
            be scored. PluginError: a metric that fails.
    """
    with _kept(out, how.overwrite) as folder:
        began = time.monotonic()
        column = _column(evaluation.reference, how.columns)
        summary = _answered(model, task, rows, evaluation, folder, column, how, watching)
        samples = list(read_answers(folder / ANSWERS, evaluation.outputs, column, evaluation.classes))
        report = _scored(model, task, evaluation, registry, samples, summary, how)
        if how.reranking is not None:
            looked = _reranked(model, task, rows, report, how.reranking, folder, how, watching)
            report = replace(report, scores=[*report.scores, *looked])
        report = replace(report, seconds=time.monotonic() - began, out=None if out is None else folder)
        if out is not None:
            kinds = model.ports(task).outputs
            every = sorted((*report.samples, *report.failed), key=lambda each: each.row)
            report.write(folder, how.worst, write_samples(folder / PREDICTIONS, every), kinds)
    return report


def _reranked(
    model: Answering,
    task: str,
    rows: Rows,
    report: EvaluationReport,
    reranking: Reranking,
    folder: Path,
    how: Evaluating,
    watching: Watching | None,
) -> list[Score]:
    """The scores after a closer look. Raises InputError for an artifact: it does not say what an output is made of."""
    if not isinstance(model, Model):
        raise InputError(
            "a closer look needs the document: an artifact does not say what an output is made of"
        )
    source = opened(rows)
    reading = {
        "constants": how.constants, "batch_size": how.batch_size, "workers": how.workers,
        "media_root": how.media_root, "overwrite": how.overwrite, "resume": how.resume, "retry": how.retry,
    }  # fmt: skip
    drawn = {"seed": how.draws, "confidence": how.confidence, "resamples": how.resamples}
    return reranked_scores(
        model, task, source, report.samples, report.evaluation, reranking, folder,
        columns=how.columns or {}, reading=reading, watching=watching, drawn=drawn,
    )  # fmt: skip


@contextmanager
def _kept(out: str | Path | None, overwrite: bool) -> Iterator[Path]:
    """The folder of an evaluation, or a temporary one; where no row was asked, a new folder is removed again."""
    if out is None:
        with tempfile.TemporaryDirectory(prefix="evaluate-") as temporary:
            yield Path(temporary)
        return
    folder = Path(out)
    new = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    try:
        yield _made(folder, overwrite=overwrite)
    except BaseException:
        with suppress(OSError):  # the first one that holds something
            for each in new:
                each.rmdir()
        raise


def _made(folder: Path, *, overwrite: bool) -> Path:
    """The folder of an evaluation. What a run before has concluded there is concluded anew."""
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"{folder} is a file: --out (out=) names a folder for the predictions and the report"
        )
    try:
        if folder.is_dir() and any(folder.iterdir()) and not (folder / ANSWERS).is_file() and not overwrite:
            raise InputError(
                f"{folder} holds other files and no evaluation: name another --out, or an empty folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from None
    return folder


def _column(reference: str | None, columns: Mapping[str, Columns] | None) -> str | None:
    """The column of the reference, which is called as it is or as the map says."""
    if reference is None:
        return None
    found = (columns or {}).get(reference, reference)
    if not isinstance(found, str):
        raise InputError(f"the reference `{reference}` is read from one column, not from {', '.join(found)}")
    return found


def _answered(
    model: Answering,
    task: str,
    rows: Rows,
    evaluation: CheckedEvaluation,
    folder: Path,
    column: str | None,
    how: Evaluating,
    watching: Watching | None,
) -> RowsSummary:
    inputs = model.ports(task).inputs
    columns = {
        name: one
        for name, one in (how.columns or {}).items()
        if name != evaluation.reference or name in inputs
    }
    return run_rows(
        model,
        task,
        rows,
        folder / ANSWERS,
        columns=columns,
        constants=how.constants,
        id=how.id,
        keep=() if column is None else (column,),
        batch_size=how.batch_size,
        workers=how.workers,
        seed=how.seed,
        media_root=how.media_root,
        overwrite=how.overwrite,
        resume=how.resume,
        retry=how.retry,
        watching=watching,
        only=evaluation.outputs,
    )


def _scored(
    model: Answering,
    task: str,
    evaluation: CheckedEvaluation,
    registry: Registry,
    samples: Sequence[ScoredSample],
    summary: RowsSummary,
    how: Evaluating,
) -> EvaluationReport:
    good = [each for each in samples if not each.error]
    failed = [each for each in samples if each.error]
    if not good:
        why = f"; the first: {failed[0].title}: {failed[0].error}" if failed else ""
        number = f"all {len(failed):,} rows failed" if failed else "there are no rows"
        raise InputError(f"nothing can be scored: {number}{why}")
    drawn = {"seed": how.draws, "confidence": how.confidence, "resamples": how.resamples}
    kinds = model.ports(task).outputs
    scores = scores_of_samples(evaluation, good, kinds, registry, task, finite=True, **drawn)
    scored = [
        replace(each, scores={s.name: s.samples[n] for s in scores if s.samples})
        for n, each in enumerate(good)
    ]
    every = sorted((*scored, *failed), key=lambda each: each.row)
    data = {
        "name": summary.asked.get("rows"),
        "rows": len(samples),
        "digest": summary.asked.get("digest"),
        "samples": samples_digest(every),
    }
    return EvaluationReport(
        task, evaluation, scores, scored, failed, data, summary.asked, 0.0, summary.before, how.confidence, how.draws
    )  # fmt: skip
