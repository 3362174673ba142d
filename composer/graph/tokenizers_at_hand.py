"""Words that a document writes and a tokenizer cannot, told where the tokenizer is at hand without torch.

Imported where a document has such words. A tokenizer that cannot be made tells nothing here: loading tells why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from composer.language import Tree
from composer.plugin import Config, Modality, Tokenizer
from composer.plugin.asking import PluginError
from composer.plugin.made_processors import Processors
from composer.problems import ComposerError, Findings, InputError, Problem, YamlPath

__all__ = ["WrittenWords"]


@dataclass(frozen=True)
class WrittenWords:
    """Makes the processors of modalities that need no torch for it, each once for a document."""

    tree: Tree
    findings: Findings
    made: Processors = field(default_factory=Processors)

    def tokenizer(self, modality: Modality, config: Config) -> Tokenizer | None:
        """The tokenizer of a modality; None where it is not at hand."""
        if not modality.light_processor:
            return None
        try:
            processor = self.made.of(modality, config)
        except ComposerError:
            return None
        found: Tokenizer | None = getattr(processor, "tokenizer", None)
        return found

    def hold(self, modality: Modality, config: Config, path: YamlPath, fields: Sequence[str]) -> None:
        """Report C206 for words in `fields` of a config that its processor refuses; `path` is of the input or node."""
        try:
            self.made.of(modality, config)
        except PluginError:
            return
        except InputError as error:
            here = (*path, "with")
            places = (*((*here, name) for name in (fields if len(fields) == 1 else ())), here, path)
            where = next(place for place in places if self.tree.node(place) is not None)
            message = f"modality {modality.id} refuses its config: {error}"
            helps = ("write other words, or name the tokenizer that has them",)
            self.findings.add(Problem("C206", "error", message, self.tree.place(where), helps=helps))
