"""Training a document by its recipe: from names to weights, a record and scores."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from composer.data.data_faults import told
from composer.execution.read_files import digests_of_inputs
from composer.plugin import Registry
from composer.problems import ComposerError, InputError
from composer.recipes import DataRecipe, data_recipe
from composer.sources import GivenNames, GivenWeights
from composer.training.beginning import first_lines
from composer.training.display import Display
from composer.training.final_scores import evaluate_document
from composer.training.loop import EpochResult, train_epochs
from composer.training.places import Places
from composer.training.preparing import SPLITS, Prepared, Request, prepare
from composer.training.processes import Processes, processes_of
from composer.training.record import count_parameters, record_of, validations_of, write_record
from composer.training.run_files import RunFiles
from composer.training.run_options import Following, Stored
from composer.training.validating import Validation
from composer.weights import LoadReport, save_weights

__all__ = ["check_training", "train_document"]


def train_document(
    name: str | Path,
    *,
    out: str | Path,
    recipe: str | Path | None = None,
    tasks: Iterable[str] | None = None,
    data: DataRecipe | str | Mapping[str, object] | None = None,
    batch: int | None = None,
    learning_rate: float | None = None,
    epochs: int | None = None,
    save_every: str | None = None,
    seed: int | None = None,
    threads: int | None = None,
    resume: bool = False,
    weights: GivenWeights = None,
    layout: GivenNames = None,
    root: GivenNames = None,
    init: Iterable[str] = (),
    locked: bool | str | Path = False,
    settings: Mapping[str, object] | None = None,
    splits: Iterable[str] = SPLITS,
    device: str = "cpu",
    precision: str = "fp32",
    shard: bool = False,
    tensorboard: str | Path | None = None,
    loaded: Callable[[LoadReport | None], object] | None = None,
    command: str | None = None,
    registry: Registry | None = None,
) -> dict[str, Any]:
    """Train a document and write `OUT.safetensors`, `OUT.json` (the record, which is returned) and `OUT.checkpoint`; on
    the way `OUT.metrics.jsonl`, `OUT.curves.svg` and, where the recipe validates, `OUT.best.safetensors`. Of
    several processes (`accelerate launch`), the first writes, and the others return an empty record.

    Args:
        name: a document's path or shipped name.
        out: path of the weights; `.safetensors` may be left out. Its folder is made when it is missing.
        recipe: path of the recipe; left out, `training/<name>.yaml` beside the document.
        tasks: train these tasks only. epochs, batch, learning_rate, save_every, seed, threads: override the recipe.
        data: the user's own rows, in the place of the recipe's: a file, a folder, or a map as `data` of a recipe. Where
            there is no recipe, one is made for them.
        resume: go on from `OUT.checkpoint`, as if the run had not stopped; more `epochs` extend a finished run.
        weights, layout, root, init: what the run begins with, as for `composer.load`; left out, what the document names
            for its modules, and initial weights.
        locked: hold versions and weight files against the document's lock, or one at this path.
        settings: parameter overrides of the document.
        splits: splits that are scored at the end.
        device: where it trains and is scored: `cpu`, `cuda`, `cuda:1`. A checkpoint goes on anywhere.
        precision: `fp32`, or `bf16` or `fp16`: the forward pass in that (autocast), weights and optimizer in float32.
        shard: split weights, gradients and the optimizer's state over the processes (FSDP2).
        tensorboard: write event files for TensorBoard into this folder as well.
        loaded: is called with what became of the weights that the run begins with.
        command: the command line, kept in the record.

    Raises:
        DocumentError: with every problem of the document, or of the recipe and the data that it names, before the
            first step. InputError: for a task, a split or a place that does not do. ComposerError: where training
            diverges or a plugin fails; what was stored last is kept.
    """
    places = Places.of(out)
    start = {"weights": weights, "layout": layout, "root": root, "init": init, "locked": locked}
    processes = processes_of(device, shard=shard)
    with processes.meeting():
        if resume and processes.told(not places.checkpoint.is_file()):
            raise InputError(
                f"there is no checkpoint {places.checkpoint} to resume from: start the run without --resume"
            )
        request = _request(
            name,
            recipe,
            tasks,
            settings,
            splits,
            start,
            processes.device(device),
            precision,
            data=data,
            batch=batch,
            learning_rate=learning_rate,
            epochs=epochs,
            save_every=save_every,
            seed=seed,
            threads=threads,
        )
        prepared = processes.each(lambda: prepare(request, registry))
        if loaded is not None and processes.is_first:
            loaded(prepared.programs.loading)
        display = Display(None if processes.is_first else io.StringIO())
        counts = processes.each(lambda: _begin(prepared, places, display))
        events = None if tensorboard is None else Path(tensorboard)
        files = processes.each(lambda: RunFiles(prepared, places, display, events))
        processes.of_first(files.log.check_free)
        validation = files.validation(processes)
        try:
            results = train_epochs(
                prepared.programs,
                prepared.data,
                prepared.recipe,
                stored=_stored(prepared, places, resume=resume),
                following=files.following() if processes.is_first else Following(stopping=display.stopping),
                numerics=prepared.programs.numerics,
                validation=validation,
                processes=processes,
            )
        finally:
            files.close()
            display.close()

        for own in prepared.own.values():  # of several processes each met others
            own.late.update(processes.collected(partial(list, own.late.items())))

        def written() -> dict[str, Any]:
            _tell_end(prepared, validation, display)
            given = command or f"composer train {name} --out {out}"
            record = _written(prepared, places, results, settings or {}, counts)
            return {**record, **validations_of(validation, places), "command": given}

        record = _scored(processes.of_first(written), prepared, places, display, processes)
        processes.close()
        return record if processes.is_first else {}


def _tell_end(prepared: Prepared, validation: Validation | None, display: Display) -> None:
    """Say why a run ended early, and what it left out."""
    if validation is not None and validation.is_over:
        count = validation.recipe.patience
        display.line(f"ended early: no better score in {count} validation{'s' if count != 1 else ''}")
    for own in prepared.own.values():
        if own.late:
            display.line(f"left out on the way: {told(list(own.late.values()), own.placed.rows)}")


def _written(
    prepared: Prepared,
    places: Places,
    results: list[EpochResult],
    settings: Mapping[str, object],
    counts: Mapping[str, int],
) -> dict[str, Any]:
    """Write the weights, and say in a record what they are."""
    written = prepared.written
    metadata = written.metadata(places.weights.parent)
    save_weights(prepared.programs.modules_by_name, places.weights, metadata, leave_out=written.left_out)
    return record_of(prepared, places, results, settings, counts)


def _stored(prepared: Prepared, places: Places, *, resume: bool) -> Stored:
    """Where the state of the run lies, and what tells the run from others."""
    return Stored(
        places.checkpoint,
        resume,
        prepared.digest,
        prepared.written.left_out,
        prepared.written.digest,
        {
            f"{task}.{name}": digest
            for task in prepared.recipe.tasks
            for name, digest in digests_of_inputs(prepared.report.tasks[task].inputs).items()
        },
        {task: own.placed.digest for task, own in prepared.own.items()},
    )


def check_training(
    name: str | Path,
    *,
    recipe: str | Path | None = None,
    tasks: Iterable[str] | None = None,
    weights: GivenWeights = None,
    layout: GivenNames = None,
    root: GivenNames = None,
    init: Iterable[str] = (),
    locked: bool | str | Path = False,
    settings: Mapping[str, object] | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    data: DataRecipe | str | Mapping[str, object] | None = None,
    registry: Registry | None = None,
    **changes: object,
) -> Prepared:
    """Do everything that `train_document` does before its first step. Writes nothing; raises as it does."""
    start = {"weights": weights, "layout": layout, "root": root, "init": init, "locked": locked}
    request = _request(name, recipe, tasks, settings, SPLITS, start, device, precision, data=data, **changes)
    return prepare(request, registry)


def _request(
    name: str | Path,
    recipe: str | Path | None,
    tasks: Iterable[str] | None,
    settings: Mapping[str, object] | None,
    splits: Iterable[str],
    start: Mapping[str, object],
    device: str | torch.device,
    precision: str,
    *,
    data: DataRecipe | str | Mapping[str, object] | None = None,
    **changes: object,
) -> Request:
    own = None if data is None else data_recipe(data)
    given = {key: value for key, value in changes.items() if value is not None}
    chosen = None if tasks is None else tuple(tasks)
    return Request(name, recipe, chosen, given, settings, tuple(splits), start, own, device, precision)


def _begin(prepared: Prepared, places: Places, display: Display) -> dict[str, int]:
    """Make the folder, and say what begins. Returns the numbers of parameters."""
    modules = prepared.programs.modules_by_name
    counts = count_parameters(modules)
    tensors = {id(t): t.numel() * t.element_size() for m in modules.values() for t in m.state_dict().values()}
    places.make_folder(sum(tensors.values()))
    for line in first_lines(prepared, counts["total"]):
        display.line(line)
    return counts


def _scored(
    record: dict[str, Any], prepared: Prepared, places: Places, display: Display, processes: Processes
) -> dict[str, Any]:
    """Score the weights and write the record: without the scores where they fail, since the weights are good."""
    started = time.monotonic()
    try:
        found = evaluate_document(prepared, places.weights, display, processes=processes)
        best = record.get("best")
        if best is not None and best["sha256"] != record["weights"]["sha256"]:
            display.line(f"the best weights, of step {best['step']:,}, in {places.best}:")
            best["scores"] = evaluate_document(prepared, places.best, display, processes=processes).scores
    except ComposerError as error:
        _keep(record, places, processes)
        raise ComposerError(f"{error}; the weights are trained and stored in {places.weights}") from error
    record["scores"], record["intervals"] = found.scores, found.intervals
    record["seconds"]["evaluation"] = round(time.monotonic() - started, 1)
    _keep(record, places, processes)
    if prepared.written.left_out:
        rest = ", ".join(prepared.written.modules)
        name = places.weights.name
        display.line(
            f"{name} holds what was trained; what is frozen of {rest} stays in {prepared.written.source}"
        )
    display.line(f"wrote {places.weights} and {places.record}")
    return record


def _keep(record: dict[str, Any], places: Places, processes: Processes) -> None:
    if processes.is_first:
        write_record(places.record, record)
