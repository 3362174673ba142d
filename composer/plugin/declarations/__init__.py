"""What a plugin offers, as light frozen values: no torch here, and implementations are named, not imported.

An implementation is written `"package.module:Name"` and imported when a task that needs it is built.
"""

from composer.plugin.declarations.backend import Backend
from composer.plugin.declarations.base import (
    Config,
    Declaration,
    NoConfig,
    config_of_json,
    config_text,
    refuse_all,
)
from composer.plugin.declarations.dataset import Dataset, Metric
from composer.plugin.declarations.document import Document
from composer.plugin.declarations.layout import Layout, Rule
from composer.plugin.declarations.modality import Modality
from composer.plugin.declarations.module_type import Generation, Method, ModuleType, Vocabulary
from composer.plugin.declarations.row_format import RowFormat
from composer.plugin.declarations.search import (
    DrawRules,
    GenerateOptions,
    SearchChoice,
    SearchPolicy,
    TextRules,
    Words,
)

__all__ = [
    "Backend",
    "Config",
    "Dataset",
    "Declaration",
    "Document",
    "DrawRules",
    "GenerateOptions",
    "Generation",
    "Layout",
    "Method",
    "Metric",
    "Modality",
    "ModuleType",
    "NoConfig",
    "RowFormat",
    "Rule",
    "SearchChoice",
    "SearchPolicy",
    "TextRules",
    "Vocabulary",
    "Words",
    "config_of_json",
    "config_text",
    "refuse_all",
]
