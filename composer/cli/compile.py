"""Compile tasks into one verified artifact that runs without the document, its plugins' models or a checkpoint.

composer compile quickstart --backend export --out dist/quickstart
composer compile mplug2:video-qa --weights mPLUG2_MSRVTT_QA.pth --layout mplug2 --range batch=1..4 --out dist/qa.zip
composer compile mplug2:video-qa --backend tensorrt --plan --picture plan.html
composer compile quickstart:image-qa --backend tensorrt --precision fp16 --target rtx4090 --out dist/qa
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.options import (
    DTYPES,
    add_device,
    add_dtype,
    add_json,
    add_seed,
    add_settings,
    add_threads,
    add_weights,
    hold_locked,
    report_loading,
    settings_of,
    split_task,
    use_threads,
    weights_of,
    whole_misfit,
)
from composer.cli.output import complain, print_json, remark, say
from composer.cli.readers import picture_file, size_range

if TYPE_CHECKING:
    from composer_compile import BuildOptions, Options

__all__ = ["configure", "run"]

LARGEST_WORKSPACE = 2**50
"""More is a slip of the fingers, and at some point more than libraries can count."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("document", metavar="DOC[:TASK]", help="a document, or one of its tasks")
    parser.add_argument("tasks", metavar="TASK", nargs="*", help="more tasks of the document")
    parser.add_argument("--backend", default="export", help="what compiles the stages (default: export)")
    parser.add_argument(
        "--out", metavar="PATH", help="the artifact to write: a directory, or a file that ends in .zip"
    )
    add_weights(parser)
    add_device(parser, "it is compiled and compared")
    add_dtype(parser, " of the programs: --precision by torch's names")
    add_threads(parser)
    add_seed(parser, "what initial weights are drawn from, of --weights initial and --init")
    parser.add_argument(
        "--range",
        dest="ranges",
        metavar="NAME=LOW..HIGH",
        type=size_range,
        action="append",
        default=[],
        help='sizes of a free dimension: batch=1..32, question.length=1..64, "batch=1..32, best 8"',
    )
    parser.add_argument(
        "--precision",
        dest="precisions",
        metavar="[NAME=]FORMAT",
        type=_precision,
        action="append",
        default=[],
        help="number format of the programs: fp32, fp16 or bf16 (default: the document's); NAME=FORMAT gives a module "
        "or a node one of its own; may be repeated",
    )
    parser.add_argument(
        "--session",
        metavar="INPUTS",
        default="",
        help="inputs, with commas between them, that sessions keep: what depends on them alone becomes a program of "
        "its own, which runs once per session, and once for all rows of a batch with the same values",
    )
    parser.add_argument(
        "--tolerance", type=_tolerance, help="largest accepted relative difference from the live model"
    )
    parser.add_argument(
        "--accept-drift",
        action="store_true",
        help="write the artifact although it differs, and note by how much",
    )
    parser.add_argument(
        "--plan",
        action="store_true",
        help="say what the backend would run and what falls back; loads no weight",
    )
    add_json(parser, "the plan (with --plan)")
    parser.add_argument(
        "--picture",
        metavar="OUT",
        type=picture_file,
        help="with --plan: write a picture to OUT (.svg, .html, .png or .pdf) with the engines in colours",
    )
    _configure_build(parser)
    add_settings(parser)


def _configure_build(parser: argparse.ArgumentParser) -> None:
    """What only some backends take; the others say so."""
    parser.add_argument(
        "--target",
        dest="targets",
        metavar="GPU",
        action="append",
        default=[],
        help="GPU to build for (tensorrt, RTX): rtx4090, sm89, 8.9; several separated by commas (default: this one)",
    )
    parser.add_argument(
        "--require-full", action="store_true", help="refuse where an operation would fall back to torch"
    )
    parser.add_argument(
        "--memory-limit", metavar="SIZE", help="workspace of an engine, such as 4GiB (default: the library's)"
    )
    parser.add_argument(
        "--keep",
        metavar="KINDS",
        help="what stays in float32 at a lower precision: norms,softmax,attention,logits (default: all), or none",
    )
    parser.add_argument(
        "--no-cuda-graphs",
        dest="cuda_graphs",
        action="store_false",
        help="do not run the step of a search through CUDA graphs",
    )
    parser.add_argument(
        "--engine-weights",
        choices=("shared", "held"),
        default="shared",
        help="whether engines take large weights as inputs, each stored once (the default), or hold them (tensorrt)",
    )
    parser.add_argument(
        "--engine-sizes",
        choices=("joined", "apart"),
        default="joined",
        help="whether stages that differ only in sizes are one engine (the default) or each its own (tensorrt)",
    )
    parser.add_argument(
        "--build-cache", metavar="DIR", help="keep finished programs here, and build none of them again"
    )
    parser.add_argument(
        "--jobs",
        type=_jobs,
        metavar="N",
        help="programs that are built at once, each in a process of its own (default: inductor as many as cores and "
        "free memory are enough for, tensorrt one)",
    )


def _misused(args: argparse.Namespace) -> str | None:
    """What is wrong with the options as they are given together."""
    if args.dtype is not None and any(name == "" for name, _ in args.precisions):
        return "--dtype and --precision say the same: give one of them"
    if args.plan:
        return None
    if args.json or args.picture:
        return f"{'--json' if args.json else '--picture'} belongs to --plan"
    if args.out is None:
        return "say where the artifact goes: --out dist/name (a directory), or --out name.zip"
    return None


def run(args: argparse.Namespace) -> int:
    wrong = _misused(args)
    if wrong is not None:
        complain(wrong)
        return 2
    document, task = split_task(args.document)
    names = [*([task] if task is not None else []), *args.tasks] or None
    if args.plan:
        return _plan(args, document, names)
    use_threads(args)
    from composer_compile import Options, compile_document

    with whole_misfit(args):
        manifest = compile_document(
            document,
            args.out,
            tasks=names,
            **weights_of(args),
            settings=settings_of(args),
            options=_options(args, Options),
            device=args.device,
            progress=remark,
            loaded=lambda model: report_loading(args, model.loading),
        )
    total = sum(entry.bytes for entry in manifest.files.values())
    say(f"{args.out}: {', '.join(manifest.tasks)} ({total / 1e6:.1f} MB)")
    for name, parity in manifest.parity.items():
        if parity.not_measured is not None:
            say(f"  {name}: not measured: {parity.not_measured}; `composer verify` measures it there")
            continue
        worst = max((each.max_rel for each in parity.differences), default=0.0)
        verdict = "accepted" if parity.passed else "BEYOND THE TOLERANCE, accepted by --accept-drift"
        say(f"  {name}: worst relative difference from the live model {worst:.2g} ({verdict})")
    return 0


def _options(args: argparse.Namespace, options: type[Options]) -> Options:
    precisions = dict(args.precisions)
    default = precisions.pop("", None if args.dtype is None else DTYPES[args.dtype])
    return options(
        backend=args.backend,
        ranges=dict(args.ranges),
        precision=default,
        precisions=precisions,
        tolerance=args.tolerance,
        accept_drift=args.accept_drift,
        session=tuple(name for name in args.session.split(",") if name),
        build=_build_options(args),
        seed=args.seed,
    )


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above zero, such as 1e-4")
    return value


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def _precision(text: str) -> tuple[str, str]:
    name, _, value = text.rpartition("=")
    if value not in ("fp32", "fp16", "bf16"):
        raise argparse.ArgumentTypeError(f"{value!r} is not a number format: write fp32, fp16 or bf16")
    return name, value


def _build_options(args: argparse.Namespace) -> BuildOptions:

    from composer_compile import BuildOptions

    keep = None if args.keep is None else () if args.keep == "none" else tuple(_listed(args.keep))
    return BuildOptions(
        targets=tuple(each for text in args.targets for each in _listed(text)),
        require_full=args.require_full,
        memory_limit=None if args.memory_limit is None else _size(args.memory_limit),
        keep=keep,
        cuda_graphs=args.cuda_graphs,
        engine_weights=args.engine_weights,
        engine_sizes=args.engine_sizes,
        cache=None if args.build_cache is None else Path(args.build_cache),
        jobs=args.jobs,
    )


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _size(text: str) -> int:
    """`4GiB`, `512MiB`, `1.5GB` or a number of bytes. Raises InputError for anything else."""
    import re

    from composer.problems import InputError

    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)B?", text.strip())
    if found is None or float(found[1]) == 0:
        raise InputError(f"--memory-limit {text}: write a size such as 4GiB, 512MiB or 2000000000")
    power = " KMGT".index(found[2].upper() or " ")
    size = float(found[1]) * (1024 if found[3] else 1000) ** power
    if size > LARGEST_WORKSPACE:
        raise InputError(f"--memory-limit {text}: no machine has as much; write a size such as 4GiB")
    return int(size)


def _plan(args: argparse.Namespace, document: str, names: list[str] | None) -> int:
    from composer_compile import Options
    from composer_compile.plan.planner import plan_document

    from composer.graph import check

    report = check(document, settings=settings_of(args)).raise_for_errors()
    hold_locked(args, document, report)
    plan = plan_document(report, tasks=names, options=_options(args, Options))
    if args.json:
        print_json(plan.as_json(), indent=1)
    else:
        say(plan)
    if args.picture is not None:
        from composer.cli.compile_picture import draw_plan

        draw_plan(report, plan, args.picture)
        remark(f"wrote {args.picture}")
    return 0
