"""The config of the text modality."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from composer.plugin import Config, folder_of
from composer.problems import InputError
from composer_text.tokenizer_file import is_tokenizer_file, read_tokenizer_file
from composer_text.vocabulary import hold_distinct, packaged_vocabularies, read_vocabulary, vocabulary_path

__all__ = ["TextConfig"]


class TextConfig(Config):
    """`with` of an input of modality `text`.

    A text is cleaned, cut to `max_words`, put between `prefix` and `suffix`, split into tokens, opened by
    [CLS] and cut to `max_tokens`. Nothing that comes with a request is read as a special token. An empty text becomes
    [CLS] alone (and [SEP] where there is a separator).
    """

    tokenizer: str
    """Name of a packaged vocabulary (`bert-uncased`), or path of a `tokenizer.json`, of the folder that it lies in, or
    of a vocabulary file with one token a line. A `tokenizer.json` splits, frames and joins texts as it says itself."""
    special: dict[str, int] | None = Field(default=None, validate_default=True)
    """Ids of the tokens that open, end and pad texts; left out, what a tokenizer_config.json beside a `tokenizer.json`
    names, or else what the tokens of the file are called."""
    separator: bool = True
    """Whether [SEP], or what a `tokenizer.json` puts behind a text, closes every text. mPLUG-2 reads its
    questions without."""
    clean: Literal["none", "question", "caption"] = "none"
    """How punctuation and spaces are cleaned first: not at all, or as mPLUG-2 cleans questions, captions."""
    max_words: int | None = Field(default=None, ge=1)
    """Words kept, counted between single spaces after cleaning."""
    max_tokens: int | None = Field(default=512, ge=2)
    """Tokens kept, special tokens included; null sets no limit (a BERT model knows 512 positions)."""
    on_overflow: Literal["truncate", "error"] = "truncate"
    """What becomes of a text beyond `max_tokens`: its end is cut (the separator stays), or it is refused. A
    `tokenizer.json` splits the whole text before that, however long it is: set `max_words` to bound its work."""
    prefix: str = ""
    """Put before the cleaned text as it stands, without a space: a prompt."""
    suffix: str = ""
    """Put after the cleaned text as it stands; it may be cut off. A list of words reads "[SEP]" in it as the special
    token; to a `tokenizer.json` it is text like any other."""

    @field_validator("tokenizer")
    @classmethod
    def _resolve_tokenizer(cls, value: str, info: ValidationInfo) -> str:
        """Keep a packaged name; make a file beside the document that names it absolute."""
        directory = folder_of(info)
        path = vocabulary_path(value, directory=directory)
        if value in packaged_vocabularies():
            return value
        try:
            if is_tokenizer_file(path):
                read_tokenizer_file(path)
            else:
                hold_distinct(path, read_vocabulary(path))
        except InputError as error:
            raise ValueError(str(error)) from error
        return value if directory is None else str(path.absolute())

    @field_validator("special", mode="before")
    @classmethod
    def _named_beside(cls, value: object, info: ValidationInfo) -> object:
        """What lies beside the tokenizer is read, so that the config holds it."""
        if isinstance(value, dict) and set(value) - {"start", "end", "pad"}:
            raise ValueError("special tokens are said of `start`, `end` and `pad`")
        tokenizer = info.data.get("tokenizer")
        if value is not None or tokenizer is None or tokenizer in packaged_vocabularies():
            return value
        from composer_text.tokenizer_config import special_beside

        return special_beside(tokenizer) or None
