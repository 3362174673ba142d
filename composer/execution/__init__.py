"""Running: programs, inputs, generation and models. Importing this imports torch."""

from composer.execution.answering import Answering, Asking, Reader, ReadValues, TaskPorts, only_one
from composer.execution.attention import attention, prefers_pieces
from composer.execution.forked import one_thread_in_forks
from composer.execution.generation import (
    check_one_sample,
    drawn_seed,
    output_ports,
    seed_for,
    text_pieces,
)
from composer.execution.linear import linear, prefers_packed
from composer.execution.model import (
    INITIAL,
    Model,
    NotCopiedError,
    build_for_training,
    device_of,
    load,
)
from composer.execution.program import Program, build_module, build_program
from composer.execution.runner import Runner
from composer.execution.session import Session
from composer.execution.start import Start
from composer.execution.task_reader import InputFacts, ReadBatch, TaskReader, UndividedError
from composer.execution.text_stream import Flow, TextStream, last_search, leading_to
from composer.execution.timing import NodeTime, Timing
from composer.interruptions import raise_swallowed

__all__ = [
    "INITIAL",
    "Answering",
    "Asking",
    "Flow",
    "InputFacts",
    "Model",
    "NodeTime",
    "NotCopiedError",
    "Program",
    "ReadBatch",
    "ReadValues",
    "Reader",
    "Runner",
    "Session",
    "Start",
    "TaskPorts",
    "TaskReader",
    "TextStream",
    "Timing",
    "UndividedError",
    "attention",
    "build_for_training",
    "build_module",
    "build_program",
    "check_one_sample",
    "device_of",
    "drawn_seed",
    "last_search",
    "leading_to",
    "linear",
    "load",
    "one_thread_in_forks",
    "only_one",
    "output_ports",
    "prefers_packed",
    "prefers_pieces",
    "seed_for",
    "text_pieces",
]

raise_swallowed()  # Ctrl-C while torch was imported
