"""Rows in, answers out: what Python calls and the command line runs."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from composer.execution import Answering
from composer.problems import InputError
from composer.rows.answer_lines import format_of
from composer.rows.answering_rows import RowRunner
from composer.rows.answers_file import AnswersFile
from composer.rows.column_map import AskedRow, ColumnMap, Columns, column_map
from composer.rows.media_root import MediaRoot
from composer.rows.row import RowAnswer, RowSource
from composer.rows.row_contents import RowContent, files_as_told
from composer.rows.row_sources import is_read_once, opened
from composer.rows.rows_asked import Asked

__all__ = ["RowsSummary", "Watching", "answer_rows", "run_rows"]

Rows = str | Path | RowSource | Iterable[Mapping[str, object]]


@dataclass(frozen=True)
class RowsSummary:
    """How a run ended. `answered` and `failed` count all rows of the file, those of a run before too."""

    out: Path
    rows: int
    answered: int
    failed: int
    before: int
    """Rows that a run before had answered."""
    seconds: float
    """What this run took for the others, loading the model not counted."""
    asked: Mapping[str, object]
    """What was asked, as the file of progress keeps it."""

    @property
    def rows_per_s(self) -> float:
        return (self.rows - self.before) / self.seconds if self.seconds else 0.0


class Watching(Protocol):
    """Is told how a run goes on."""

    def begin(self, total: int | None, done: int) -> None:
        """Rows that there are, where that is known, and those that were answered before."""

    def answered(self, answers: list[RowAnswer]) -> None:
        """Some rows have their answers."""

    def line(self, text: str) -> None:
        """Something to be said once."""


def answer_rows(
    model: Answering,
    task: str | None,
    rows: Rows,
    *,
    columns: Mapping[str, Columns] | None = None,
    constants: Mapping[str, object] | None = None,
    id: str | None = None,
    keep: Collection[str] = (),
    batch_size: int | None = None,
    workers: int | None = None,
    seed: int | None = None,
    media_root: str | Path | None = None,
) -> Iterator[RowAnswer]:
    """The answers of a task to many rows, in the order of the rows, as they are found.

    Args:
        model: a loaded model or artifact. task: its task; None where it has only one.
        rows: a file (.jsonl, .csv, .tsv, .parquet), a folder that the library `datasets` saved, a pattern such as
            `"folder/*.png"`, or maps from columns to values.
        columns: input to the column that it reads (of one that takes a list: or to several); others read the column of
            their own name. `prompt.question` is an entry of an input that takes a map.
        constants: inputs that have one value in every row. id: the column that names a row (`id` where there is one).
        keep: columns that stand beside the answers.
        batch_size: rows that the task answers at once (16, or what an artifact takes at most).
        workers: threads that read rows while the task runs; 0 reads between. seed: that of every row.
        media_root: the folder where paths in rows begin and below which they stay; of a file of rows its own folder.

    Raises:
        InputError: rows that cannot be read, a column that is missing, an input that the task does not have.
    """
    name = model.only_task() if task is None else task
    source = opened(rows)
    runner = RowRunner(model, name, batch_size=batch_size, workers=workers, seed=seed)
    mapped = _mapped(source, runner, name, columns, constants, id, keep, media_root)
    return _in_order(runner.answers(mapped.asked(row) for row in source.rows()))


def _in_order(batches: Iterator[list[RowAnswer]]) -> Iterator[RowAnswer]:
    early: dict[int, RowAnswer] = {}
    turn = 1
    for batch in batches:
        early.update({each.row: each for each in batch})
        while turn in early:
            yield early.pop(turn)
            turn += 1


def run_rows(
    model: Answering,
    task: str | None,
    rows: Rows,
    out: str | Path,
    *,
    columns: Mapping[str, Columns] | None = None,
    constants: Mapping[str, object] | None = None,
    id: str | None = None,
    keep: Collection[str] = (),
    batch_size: int | None = None,
    workers: int | None = None,
    seed: int | None = None,
    media_root: str | Path | None = None,
    overwrite: bool = False,
    resume: bool = False,
    retry: bool = False,
    watching: Watching | None = None,
    only: Collection[str] | None = None,
) -> RowsSummary:
    """Answer many rows into a file (.jsonl, .csv, .tsv, .parquet), in the order of the rows.

    However it ends, the same call goes on where it was. `overwrite` begins anew; `resume` goes on although another
    device answers or the file of rows has changed, and asks rows again that hold something else by now; `retry` asks
    rows that failed again. `only` names the outputs that are written, where that is not all of them. The others are
    those of `answer_rows`.

    Raises:
        InputError: beside what `answer_rows` raises, for a file of answers that belongs to another run or cannot be
            written.
    """
    name = model.only_task() if task is None else task
    path = Path(out)
    AnswersFile.check_free(path, overwrite=overwrite)
    if isinstance(rows, (str, Path)) and path.exists() and path.resolve() == Path(rows).resolve():
        raise InputError(f"{path} holds the rows themselves: name another file for the answers")
    written = tuple(model.ports(name).outputs) if only is None else tuple(only)
    format = format_of(path, written, tuple(keep))
    source = opened(rows)
    runner = RowRunner(model, name, batch_size=batch_size, workers=workers, seed=seed)
    mapped = _mapped(source, runner, name, columns, constants, id, keep, media_root)
    total, digest = source.survey()
    files = {name for name, facts in runner.inputs.items() if facts.names_files}
    asked = _asked(model, name, source, mapped, files, digest, seed, only)
    with AnswersFile(path, format, asked, overwrite=overwrite, resume=resume, retry=retry) as answers:
        if total is not None and answers.last > total:
            raise InputError(
                f"{path} answers {answers.last:,} rows, and {source.name} has {total:,}: use --overwrite"
            )
        changed = _ask_changed(answers, source, mapped) if resume else 0
        before = answers.begun
        if watching is not None:
            for again, why in ((answers.retried, "failed"), (changed, "changed since they were answered")):
                if again:
                    watching.line(f"asks {again:,} {'row' if again == 1 else 'rows'} again that {why}")
            _tell(watching, runner, mapped, total, before)
        began = time.monotonic()
        if not answers.finished:
            for batch in runner.answers(_left(answers, source, mapped)):
                answers.add(batch if only is None else [_narrowed(each, written) for each in batch])
                if watching is not None:
                    watching.answered(batch)
            answers.add(())
            answers.finish()
        counts = answers.counts
        seconds = time.monotonic() - began
    return RowsSummary(path, counts.rows, counts.answered, counts.failed, before, seconds, asked.told)


def _left(answers: AnswersFile, source: RowSource, mapped: ColumnMap) -> Iterator[AskedRow]:
    """The rows that are not answered. Of rows that can be read but once, those that are answered are held here to what
    they were; the file of others has a digest, or they were compared before.
    """
    read_once = is_read_once(source)
    for row in source.rows(0 if read_once else answers.written):
        done = answers.is_done(row.number)
        if done and not read_once:
            continue
        asked = mapped.asked(row)
        content = RowContent(row, asked, mapped)
        if not done:
            answers.note(row.number, content)
            yield asked
        elif not answers.is_same(row.number, content):
            raise InputError(
                f"row {row.number:,} of {source.name} is another one than {answers.path} answers: begin anew with "
                "--overwrite, or name another --out"
            )


def _ask_changed(answers: AnswersFile, source: RowSource, mapped: ColumnMap) -> int:
    """Leave rows unanswered that hold something else than when they were asked. Returns how many."""
    if not answers.begun or is_read_once(source):
        return 0
    changed = {
        row.number
        for row in source.rows()
        if answers.is_done(row.number)
        and not answers.is_same(row.number, RowContent(row, mapped.asked(row), mapped))
    }
    if changed:
        answers.ask_again(changed)
    return len(changed)


def _tell(watching: Watching, runner: RowRunner, mapped: ColumnMap, total: int | None, before: int) -> None:
    if mapped.ignored:
        names = ", ".join(f"`{name}`" for name in mapped.ignored)
        watching.line(f"nothing reads the column{'s' if len(mapped.ignored) > 1 else ''} {names}")
    if runner.alone is not None:
        watching.line(f"rows are answered one at a time: {runner.alone}")
    if before:
        watching.line(f"goes on: {before:,} rows are answered already")
    if total == 0:
        watching.line("there are no rows")
    watching.begin(total, before)


def _mapped(
    source: RowSource,
    runner: RowRunner,
    task: str,
    columns: Mapping[str, Columns] | None,
    constants: Mapping[str, object] | None,
    id_: str | None,
    keep: Collection[str],
    media_root: str | Path | None,
) -> ColumnMap:
    folder = source.folder if media_root is None else Path(media_root)
    if folder is not None and not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder: --media-root (media_root=) names the one that holds the files of the rows"
        )
    return column_map(
        source,
        runner.inputs,
        task,
        given=columns or {},
        constants=constants or {},
        id_=id_,
        kept=keep,
        root=None if folder is None else MediaRoot(folder),
    )


def _asked(
    model: Answering,
    task: str,
    source: RowSource,
    mapped: ColumnMap,
    files: Collection[str],
    digest: str,
    seed: int | None,
    only: Collection[str] | None,
) -> Asked:
    from importlib.metadata import version

    return Asked(
        {
            **({} if only is None else {"outputs": list(only)}),
            "composer": version("multimodal-composer"),
            "task": task,
            "model": model.fingerprint(task),
            "device": str(model.device),
            "seed": seed,
            "rows": source.name,
            "media root": None if mapped.root is None else str(mapped.root.folder.absolute()),
            "digest": digest,
            "columns": {
                name: one if isinstance(one, str) else list(one) for name, one in mapped.columns.items()
            },
            "constants": {
                name: [_told(value), *files_as_told(value)] if name in files else _told(value)
                for name, value in mapped.constants.items()
            },
            "id": mapped.id,
            "kept": list(mapped.kept),
        }
    )


def _narrowed(answer: RowAnswer, outputs: Collection[str]) -> RowAnswer:
    return replace(answer, outputs={name: answer.outputs[name] for name in outputs if name in answer.outputs})


def _told(value: object) -> object:
    """A value as JSON tells it; of one that JSON does not know, a digest."""
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        content = value.tobytes() if hasattr(value, "tobytes") else repr(value).encode()
        return hashlib.sha256(content).hexdigest()
