"""Problems and the places they stand at. Knows nothing of documents or plugins."""

from composer.problems.addresses import NOT_FETCHED, is_address
from composer.problems.effects import Effect
from composer.problems.findings import Finding, Findings, Scope
from composer.problems.place import Place, YamlPath
from composer.problems.problem import (
    ComposerError,
    DocumentError,
    Edit,
    InputError,
    Note,
    Problem,
    UndefinedScoreError,
)
from composer.problems.suggest import nearest

__all__ = [
    "NOT_FETCHED",
    "ComposerError",
    "DocumentError",
    "Edit",
    "Effect",
    "Finding",
    "Findings",
    "InputError",
    "Note",
    "Place",
    "Problem",
    "Scope",
    "UndefinedScoreError",
    "YamlPath",
    "is_address",
    "nearest",
]
