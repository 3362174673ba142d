"""Inputs that only training brings: what a loss compares with, as an input of some modality that gives its kind."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from composer.graph.fitting import kind_fits
from composer.plugin import Modality, Registry
from composer.plugin.answers import as_vocabulary
from composer.plugin.asking import ask
from composer.problems import ComposerError
from composer.types import PortType
from composer.views.proposing.offered_calls import Offered, OfferedInput, config_of, input_with

__all__ = ["TargetInputs"]

Given = tuple[OfferedInput, str]
"""An input, and the port of it that gives the kind."""
ANY_KIND = {"kind", "dims"}
"""Config fields of a modality that gives whatever kind it is told."""


@dataclass
class TargetInputs:
    """The inputs that the modalities of a registry allow."""

    registry: Registry
    _known: dict[str, OfferedInput | None] = field(default_factory=dict)

    def of_vocabulary(self, decoder: Offered) -> OfferedInput | None:
        """The texts that a decoder writes, read by the tokenizer that it writes them with; None where it tells none."""
        if decoder.type.id not in self._known:
            self._known[decoder.type.id] = self._of_vocabulary(decoder)
        return self._known[decoder.type.id]

    def giving(self, wanted: PortType, own: OfferedInput | None, sizes: Collection[int]) -> list[Given]:
        """Inputs that give a kind: what a decoder is taught with, or else those of any modality.

        `sizes` are those of what is compared, such as the number of classes that are scored.
        """
        if own is not None:
            found = [(own, port) for port, type_ in own.ports.items() if self._is(type_.kind, wanted.kind)]
            if found:
                return found
        return [
            (item, port)
            for modality in self.registry.modalities.values()
            for item in self._ways(modality, wanted, sizes)
            for port, type_ in item.ports.items()
            if self._is(type_.kind, wanted.kind)
        ]

    def _is(self, kind: str, wanted: str) -> bool:
        return kind_fits(self.registry.kinds, kind, wanted)

    def _of_vocabulary(self, decoder: Offered) -> OfferedInput | None:
        generation = decoder.type.generation
        if generation is None:
            return None
        try:
            config = config_of(decoder.type.config, decoder.with_)
            what = f"`vocabulary` of {decoder.type.title}"
            vocabulary = ask(generation.vocabulary, config, what=what, accept=as_vocabulary)
        except ComposerError:
            return None
        modality = self.registry.modalities.get(vocabulary.modality)
        with_ = {name: value for name, value in vocabulary.config.items() if value is not None}
        return None if modality is None else input_with(modality, with_)

    def _ways(self, modality: Modality, wanted: PortType, sizes: Collection[int]) -> Iterator[OfferedInput]:
        """An input of a modality with the configs that may do: of its examples, those with a size that is compared."""
        fields = modality.config.model_fields
        if set(fields) >= ANY_KIND:
            dims = [dim.constant if dim.is_number else str(dim) for dim in wanted.dims]
            withs: list[Mapping[str, object]] = [{"kind": wanted.kind, "dims": dims}]
        else:
            examples = modality.examples or ({},)
            withs = [
                {**example, name: size}
                for size in sizes
                for example in examples
                for name, value in example.items()
                if isinstance(value, int) and not isinstance(value, bool)
            ] or [*examples]
        for with_ in withs:
            found = input_with(modality, with_)
            if found is not None:
                yield found
