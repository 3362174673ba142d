"""The host side of prompts: texts of users between the author's, with the positions that media fill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from composer.plugin.templates import Placeholder, template_parts
from composer.problems import InputError
from composer.types import Tokens
from composer_text.configs import TextConfig
from composer_text.dialogue import Dialogues, turns_of
from composer_text.file_tokenizer import FileTokenizer
from composer_text.origin import AUTHOR, MEDIUM, Part
from composer_text.processor import tokenizer_of
from composer_text.prompt_config import TemplateConfig
from composer_text.rows import check_text, named, too_long
from composer_text.tokenizer import WordPieceTokenizer

__all__ = ["PromptProcessor", "sample"]

Filled = tuple[list[int], list[int], dict[str, list[int]]]
"""Ids and origins of one prompt, and for each medium the positions that its values fill, in order."""


class PromptProcessor:
    """Fills a template, as a `TemplateConfig` says. A value is the text of its one field, or a map of all of them."""

    def __init__(self, config: TemplateConfig) -> None:
        self.config = config
        self.tokenizer: WordPieceTokenizer | FileTokenizer = tokenizer_of(
            TextConfig(tokenizer=config.tokenizer, special=config.special)
        )
        self._dialogues = Dialogues(config, config.chat) if isinstance(config.chat, dict) else None
        self._template = (
            template_parts(config.template) if self._dialogues is None else self._dialogues.single()
        )
        self._hold_words()
        self._frame = config.frame or ("start" if config.chat is None else "none")
        self._each = {name: template_parts(config.each.get(name, "{}")) for name in config.media}
        padding = self.tokenizer.special.padding
        self._padding = 0 if padding is None else padding
        self._filler = self._padding if config.filler is None else self.tokenizer.special_id(config.filler)

    def _hold_words(self) -> None:
        """Raise InputError where the vocabulary has no token for a whole word that the author wrote."""
        unknown = self.tokenizer.unknown
        if unknown is None:
            return
        around: list[str | Placeholder] = ["", *self._template, ""]
        for before, piece, after in zip(around, around[1:], around[2:], strict=False):
            if isinstance(piece, str):
                for word in self._whole_words(before, piece, after):
                    if unknown in self.tokenizer.read([Part(word)]).ids:
                        raise InputError(f"its template holds {word!r}, which the vocabulary cannot write")

    def _whole_words(self, before: object, piece: str, after: object) -> list[str]:
        """The words of a piece of the template, without those that a text beside it goes on."""
        words = piece.split()
        if (
            isinstance(before, Placeholder)
            and before.name not in self.config.media
            and not piece[:1].isspace()
        ):
            words = words[1:]
        if (
            isinstance(after, Placeholder)
            and after.name not in self.config.media
            and not piece[-1:].isspace()
        ):
            words = words[:-1]
        return words

    def encode(
        self, values: Sequence[Any], counts: Mapping[str, Sequence[int]] | None = None
    ) -> dict[str, Any]:
        """Tokens, origins, positions, and the places of every medium; `counts` says how many values a sample has.

        Raises InputError for what is not a text, or lacks one, and for a prompt that is too long.
        """
        import numpy as np

        counts = counts or {}
        missing = [name for name in self.config.media if name not in counts]
        if missing:
            raise InputError(f"a prompt with {{{missing[0]}}} is read together with the input `{missing[0]}`")
        rows = [
            self._filled(
                named(index, len(values)), value, {name: counts[name][index] for name in self.config.media}
            )
            for index, value in enumerate(values)
        ]
        length = max(len(ids) for ids, _, _ in rows)
        tokens = Tokens(*(np.full((len(rows), length), fill, np.int64) for fill in (self._padding, 0)))
        origins = np.full((len(rows), length), AUTHOR, np.int64)
        slots = {name: np.full((len(rows), length), -1, np.int64) for name in self.config.media}
        before = dict.fromkeys(self.config.media, 0)
        for row, (ids, found, places) in enumerate(rows):
            start = length - len(ids) if self.config.padding == "left" else 0
            here = slice(start, start + len(ids))
            tokens.ids[row, here], tokens.mask[row, here], origins[row, here] = ids, 1, found
            for name, own in places.items():
                slots[name][row, [start + place for place in own]] = before[name] + np.arange(len(own))
                before[name] += len(own)
        positions = np.maximum(tokens.mask.cumsum(1) - 1, 0)
        return {"tokens": tokens, "origins": origins, "positions": positions, **slots}

    def _filled(self, title: str, value: Any, counts: Mapping[str, int]) -> Filled:
        template, texts = self._asked(title, value)
        ids: list[int] = []
        origins: list[int] = []
        places: dict[str, list[int]] = {name: [] for name in self.config.media}
        waiting: list[Part] = []

        def read() -> None:
            found = self.tokenizer.read(waiting)
            ids.extend(found.ids)
            origins.extend(found.origins)
            waiting.clear()

        head, tail = self.tokenizer.frame
        ids.extend(head if self._frame != "none" else ())
        origins.extend([AUTHOR] * len(ids))
        for piece in template:
            if isinstance(piece, str):
                waiting.append(Part(piece))
            elif piece.name in texts:
                waiting.append(Part(texts[piece.name], typed=True))
            else:
                for number in range(1, counts[piece.name] + 1):
                    for each in self._each[piece.name]:
                        if isinstance(each, Placeholder) and not each.name:
                            read()
                            count = self.config.media[piece.name]
                            places[piece.name] += range(len(ids), len(ids) + count)
                            ids.extend([self._filler] * count)
                            origins.extend([MEDIUM] * count)
                        else:
                            waiting.append(Part(str(number) if isinstance(each, Placeholder) else each))
        read()
        closing = tail if self._frame == "both" else ()
        ids.extend(closing)
        origins.extend([AUTHOR] * len(closing))
        if self.config.max_tokens is not None and len(ids) > self.config.max_tokens:
            raise too_long(title, str(len(ids)), self.config.max_tokens, cut=False)
        if not ids:
            raise InputError(f"{title} is empty, and the tokenizer puts no token around it")
        return ids, origins, places

    def _asked(self, title: str, value: Any) -> tuple[Sequence[str | Placeholder], dict[str, str]]:
        """The template of a value, and the texts of its placeholders."""
        turns = None if self._dialogues is None else turns_of(title, value, self.config.fields)
        if turns is None or self._dialogues is None:
            return self._template, self._texts(title, value)
        texts = {str(number): text for number, (_, text) in enumerate(turns)}
        try:
            return self._dialogues.several(tuple(role for role, _ in turns)), texts
        except InputError as error:
            raise InputError(f"{title}: {error}") from None

    def _texts(self, title: str, value: Any) -> dict[str, str]:
        """The texts of all fields, by name. Raises InputError where they are others."""
        fields = self.config.fields
        shown = ", ".join(fields)
        if not fields:
            if value:
                raise InputError(f"{title}: the template takes no text, and one was given")
            return {}
        if not isinstance(value, Mapping):
            if len(fields) > 1:
                raise InputError(f"{title}: the template takes the texts {shown}: give a map of them")
            value = {fields[0]: value}
        strange = [name for name in value if name not in fields]
        missing = [name for name in fields if value.get(name) is None]
        if strange or missing:
            what = f"names {strange[0]!r:.80}" if strange else f"lacks the text {missing[0]}"
            raise InputError(f"{title} {what}; the template takes {shown}")
        for name in fields:
            check_text(title if len(fields) == 1 else f"{name} of {title}", value[name])
        return dict(value)


def sample(config: TemplateConfig) -> list[Any]:
    """Two prompts of unequal length, for the conformance kit."""
    return [dict.fromkeys(config.fields, text) for text in ("is there a circle?", "red")]
