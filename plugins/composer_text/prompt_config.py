"""The config of the prompt modality."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from typing_extensions import Self

from composer.plugin import Config, folder_of, refuse_all
from composer_text.configs import TextConfig
from composer_text.vocabulary import vocabulary_path

__all__ = ["TemplateConfig"]

_OWN = ("tokens", "origins", "positions")
"""Ports that every prompt has."""


class TemplateConfig(Config):
    """`with` of an input of modality `prompt`."""

    template: str
    """The text around what comes: `Human: {image} {question} AI:`. A placeholder that `media` names stands for the
    values of the input of this name; every other is text that comes with the request. `{{` is a brace. Special tokens
    of the tokenizer may be written here, and are read as such here alone."""
    tokenizer: str
    """As of a `text`: a packaged vocabulary, or the path of a `tokenizer.json`, of its folder or of a list of words."""
    special: dict[str, int] | None = Field(default=None, validate_default=True)
    """As of a `text`: ids of the tokens that open, end and pad texts."""
    media: dict[str, int] = Field(default_factory=dict)
    """Placeholder to how many positions each value of this input takes, which is what its encoder makes of it."""
    each: dict[str, str] = Field(default_factory=dict)
    """Medium to what is written for each of its values: `{}` is where its positions are, `{n}` its number, from 1."""
    filler: str | None = None
    """The token whose id stands at the positions of media, which are filled later; left out, that of padding."""
    chat: str | bool | dict[str, str] | None = None
    """A folder of a tokenizer, its `tokenizer_config.json`, or a `.jinja` file: its chat template puts `template`, as
    the turn of a user, between the marks of a dialogue, and opens the answer. `true` is the folder of `tokenizer`."""
    system: str | None = None
    """With `chat`: the text of a turn before, which says how to answer."""
    turns: list[dict[Literal["user", "assistant"], str]] = Field(default_factory=list)
    """With `chat`: turns before that of `template`, each the text of a role with placeholders as `template` has them:
    `[{user: "{first}"}, {assistant: "{answer}"}]`. What a placeholder brings is never read as a special token."""
    frame: Literal["start", "both", "none"] | None = None
    """Whether the tokenizer's own start token opens the prompt, its end token closes it too, or neither. Left out, a
    prompt is opened, and with `chat` neither is done, since the chat template writes its own."""
    padding: Literal["right", "left"] = "right"
    """The side on which the shorter prompts of a batch are filled; `positions` count from each prompt's own first."""
    max_tokens: int | None = Field(default=512, ge=1)
    """Most positions of a prompt, with those of media and special tokens; a longer one is refused (null: no limit)."""

    @field_validator("tokenizer")
    @classmethod
    def _resolve_tokenizer(cls, value: str, info: ValidationInfo) -> str:
        return TextConfig._resolve_tokenizer(value, info)

    @field_validator("special", mode="before")
    @classmethod
    def _named_beside(cls, value: object, info: ValidationInfo) -> object:
        return TextConfig._named_beside(value, info)

    @field_validator("chat", mode="before")
    @classmethod
    def _read_chat(cls, value: object, info: ValidationInfo) -> object:
        """A path is read, so that the config holds what it names."""
        if value is False:
            return None
        if not isinstance(value, str) and value is not True:
            return value
        from composer_text.chat import read_chat

        if value is True:
            if "tokenizer" not in info.data:
                return None  # it has a fault of its own
            return read_chat(vocabulary_path(info.data["tokenizer"]).parent)
        return read_chat((folder_of(info) or Path()) / value)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        refuse_all([*self._faults_of_dialogue(), *self._faults_of_media(), *self._faults_of_each()])
        return self

    def _faults_of_dialogue(self) -> Iterator[str]:
        if self.chat is None and (self.system is not None or self.turns):
            name = "system" if self.system is not None else "turns"
            yield f"`{name}` is of a dialogue, which needs `chat`"
        if any(len(turn) != 1 for turn in self.turns):
            yield "`turns`: each is a map from one role, user or assistant, to its text"
        if isinstance(self.chat, dict) and "template" not in self.chat:
            yield "`chat` is the path of a tokenizer's folder, of its config, or of a .jinja file"

    def _faults_of_media(self) -> Iterator[str]:
        names = self._placeholders
        twice = [name for name in names if names.count(name) > 1 and (name in self.media or not name)]
        if "" in names or twice:
            yield f"`template` has `{{{twice[0] if twice else ''}}}` where one name is expected, once for a medium"
        for medium, places in self.media.items():
            if medium not in names:
                yield f"`template` has no placeholder {{{medium}}}, which `media` names"
            if medium in _OWN:
                yield f"`media`: {medium} is a port of every prompt: give the input another name"
            if places < 1:
                yield f"`media`: a value of {medium} takes 1 position or more, not {places}"
            elif self.max_tokens is not None and places + self._framed > self.max_tokens:
                around = " and the prompt is opened" if self._framed == 1 else " and the prompt is framed"
                yield (
                    f"`media`: a value of {medium} takes {places} positions{around if self._framed else ''}, and "
                    f"`max_tokens` is {self.max_tokens}, so that no prompt holds one"
                )

    def _faults_of_each(self) -> Iterator[str]:
        from composer.plugin.templates import fields_in

        for medium, text in self.each.items():
            own = list(fields_in(text))
            if medium not in self.media:
                yield f"`each` names {medium}, which `media` does not"
            elif own.count("") != 1 or set(own) - {"", "n"}:
                yield f"`each`: write {{}} once where the positions of {medium} are, and {{n}} for its number"

    @property
    def _framed(self) -> int:
        """How many tokens stand around every prompt."""
        from composer_text.vocabulary import vocabulary_ids

        if self.frame == "none" or (self.frame is None and self.chat is not None):
            return 0
        ids = vocabulary_ids(self.tokenizer, self.special)
        return (ids.start is not None) + (self.frame == "both" and ids.end is not None)

    @property
    def fields(self) -> tuple[str, ...]:
        """The texts that come with the request, by name."""
        return tuple(dict.fromkeys(name for name in self._placeholders if name not in self.media))

    @property
    def _placeholders(self) -> list[str]:
        """The names in all turns, in order."""
        from composer.plugin.templates import fields_in

        texts = (text for turn in self.turns for text in turn.values())
        return [name for text in (*texts, self.template) for name in fields_in(text)]
