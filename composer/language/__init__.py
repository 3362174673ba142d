"""The language: text to a resolved document. Imports no torch and asks no plugin."""

from composer.language.extending import Library
from composer.language.gc_pause import collector_paused
from composer.language.models import (
    CompileShape,
    DocumentShape,
    EvaluationShape,
    InputShape,
    Metrics,
    MetricShape,
    ModuleShape,
    NodeShape,
    ObjectiveShape,
    Outputs,
    PieceShape,
    TaskShape,
    WeightsShape,
)
from composer.language.parameters import key_of_parameter, removal, wrong_type
from composer.language.resolving import Resolved, find_source, graphs_of, resolve
from composer.language.roles import role_of
from composer.language.schema12 import shown
from composer.language.source import Source, read_source, text_for_display
from composer.language.tree import Tree, suggest_key
from composer.language.yaml_nodes import place_of
from composer.problems.suggest import nearest

__all__ = [
    "CompileShape",
    "DocumentShape",
    "EvaluationShape",
    "InputShape",
    "Library",
    "MetricShape",
    "Metrics",
    "ModuleShape",
    "NodeShape",
    "ObjectiveShape",
    "Outputs",
    "PieceShape",
    "Resolved",
    "Source",
    "TaskShape",
    "Tree",
    "WeightsShape",
    "collector_paused",
    "find_source",
    "graphs_of",
    "key_of_parameter",
    "nearest",
    "place_of",
    "read_source",
    "removal",
    "resolve",
    "role_of",
    "shown",
    "suggest_key",
    "text_for_display",
    "wrong_type",
]
