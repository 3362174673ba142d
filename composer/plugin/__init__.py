"""The plugin core: what a plugin declares, how plugins are loaded, and the registry that results."""

from composer.plugin.contracts import Cache, DecoderStep, Hypothesis, SearchPolicyImplementation
from composer.plugin.declarations import (
    Backend,
    Config,
    Dataset,
    Document,
    GenerateOptions,
    Generation,
    Layout,
    Method,
    Metric,
    Modality,
    ModuleType,
    NoConfig,
    Rule,
    SearchPolicy,
    Vocabulary,
)
from composer.plugin.folders import folder_of, is_file
from composer.plugin.hooks import hookimpl
from composer.plugin.libraries import library_help
from composer.plugin.loading import load_registry
from composer.plugin.registry import Register, Registry

__all__ = [
    "Backend",
    "Cache",
    "Config",
    "Dataset",
    "DecoderStep",
    "Document",
    "GenerateOptions",
    "Generation",
    "Hypothesis",
    "Layout",
    "Method",
    "Metric",
    "Modality",
    "ModuleType",
    "NoConfig",
    "Register",
    "Registry",
    "Rule",
    "SearchPolicy",
    "SearchPolicyImplementation",
    "Vocabulary",
    "folder_of",
    "hookimpl",
    "is_file",
    "library_help",
    "load_registry",
]
