"""Searches: the options of a `generate` node, the rules that searches share, and the policies that find its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Union

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from composer.plugin.declarations.base import Config, Declaration, NoConfig, OfConfig, refuse_all

__all__ = ["DrawRules", "GenerateOptions", "SearchChoice", "SearchPolicy", "TextRules", "Words"]


class SearchChoice(Config):
    """Which search policy finds the tokens, and its options. `search: ID` is short for `search: {uses: ID}`."""

    uses: str
    """Id of a registered search policy."""
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    """Options of the search policy."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        choice = {"uses": value} if isinstance(value, str) else value
        uses = choice.get("uses", "?") if isinstance(choice, dict) else "?"
        if not isinstance(choice, (dict, SearchChoice)) or (isinstance(uses, str) and not uses.strip()):
            raise ValueError(
                "it names a search policy: `core.beam`, or `{uses: core.beam, with: {beams: 3}}`"
            )
        return choice


class GenerateOptions(Config):
    """`with` of a `generate` node. Token counts include neither the start token nor padding."""

    min_tokens: int = Field(default=1, ge=0)
    """The end token is forbidden before this many tokens."""
    max_tokens: int = Field(default=20, ge=1)
    """Search ends at this length, finished or not."""
    search: SearchChoice = Field(default_factory=lambda: SearchChoice(uses="core.greedy"))
    """How the tokens are found: a search policy, or `{uses: POLICY, with: {...}}` with its options."""

    @model_validator(mode="after")
    def _min_below_max(self) -> Self:
        if self.min_tokens > self.max_tokens:
            raise ValueError(f"min_tokens {self.min_tokens} is more than max_tokens {self.max_tokens}")
        return self


Words = Union[str, int, list[int]]
"""Tokens as a document writes them: a text, the id of one token, or the ids of several."""


class TextRules(Config):
    """Rules that any search takes: what its texts must hold, and what they must not.

    A config that extends this has them, and nothing is left to its policy: scores come to it with the rules applied.
    """

    repetition_penalty: float = Field(default=1.0, gt=0)
    """Makes tokens that a text has already less likely above 1, and more likely below; the prompt does not count."""
    no_repeat_ngram: int = Field(default=0, ge=0)
    """No run of this many tokens stands twice in a text; 0 allows any."""
    forbidden: list[Words] = Field(default_factory=list)
    """What is never written: texts, ids of tokens, or lists of ids. Several tokens are forbidden in that order only."""
    first: Words | None = None
    """What every text begins with: a text, an id or a list of ids."""
    last: Words | None = None
    """The token that is written where `max_tokens` is reached: a text of one token, or an id, such as the end's."""
    stop: list[str] = Field(default_factory=list)
    """Texts that end a text, wherever token boundaries are; what is shown ends before them."""

    @field_validator("forbidden", "first", "last")
    @classmethod
    def _hold_words(cls, value: object) -> object:
        faults = []
        for words in value if isinstance(value, list) and not _is_ids(value) else [value]:
            if words in ("", []):
                faults.append("an empty text has no tokens: leave it out")
            ids = words if isinstance(words, list) else [words]
            if any(isinstance(one, bool) or (isinstance(one, int) and one < 0) for one in ids):
                faults.append(f"{words} is not the id of a token: ids are whole numbers from 0 on")
        refuse_all(faults)
        return value

    @field_validator("last")
    @classmethod
    def _hold_last(cls, value: Words | None) -> Words | None:
        if isinstance(value, list) and len(value) > 1:
            raise ValueError(f"`last` is one token, and {value} are {len(value)}")
        return value

    @field_validator("stop")
    @classmethod
    def _hold_stop(cls, value: list[str]) -> list[str]:
        if "" in value:
            raise ValueError("an empty text would stop every text at once: leave it out")
        return value

    @model_validator(mode="after")
    def _in_agreement(self) -> Self:
        given = {"first": self.first, "last": self.last}
        refuse_all(
            f"{name} and forbidden contradict each other: both hold {words!r}"
            for name, words in given.items()
            if words is not None and any(_ids(words) == _ids(each) for each in self.forbidden)
        )
        return self


def _is_ids(value: list[object]) -> bool:
    """Whether a list is one run of tokens, rather than a list of them."""
    return bool(value) and all(isinstance(one, int) for one in value)


def _ids(words: Words) -> object:
    return [words] if isinstance(words, int) else words


class DrawRules(TextRules):
    """The same with rules that only a search that draws its tokens by chance has a use for."""

    temperature: float = Field(default=1.0, gt=0)
    """What scores are divided by: below 1 likely tokens become likelier, above 1 all become more alike."""
    top_k: int = Field(default=0, ge=0)
    """Draws among this many of the likeliest tokens; 0 draws among all."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Draws among the likeliest tokens that have this share of the probability together; 1 draws among all."""
    min_p: float = Field(default=0.0, ge=0, le=1)
    """Draws among tokens that are at least this share as likely as the likeliest; 0 draws among all."""

    @field_validator("temperature", mode="before")
    @classmethod
    def _no_zero(cls, value: object) -> object:
        if value == 0 and not isinstance(value, bool):
            raise ValueError("with temperature 0 nothing is drawn: take the search `core.greedy` for that")
        return value


def _one(config: Any) -> int:
    return 1


def _never(config: Any) -> bool:
    return False


def _no_ports(config: Any) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class SearchPolicy(Declaration):
    """How a generated text is found: which tokens follow, and when a text ends. It knows nothing of decoders.

    `implementation(config=, framing=)` is a `composer.plugin.SearchPolicyImplementation`, `framing` a
    `composer.plugin.Framing`. `beams(config)` says how many texts of each sample it follows at a time, and
    `streams(config)` whether it has a `stream` that gives the tokens of one sample as they are found. What a `seeded`
    policy finds depends on chance: its `search` and `stream` take a whole number as `seed=`; one that is seeded "each"
    takes a list of them as well, one for each sample.
    """

    noun: ClassVar[str] = "search policy"
    references: ClassVar[tuple[str, ...]] = ("implementation",)
    implementation: str
    summary: str
    config: type[Config] = NoConfig
    """Its options: `with` beside the `uses` of a `search`."""
    beams: OfConfig[int] = _one
    streams: OfConfig[bool] = _never
    seeded: bool | Literal["each"] = False
    steps_once: bool = False
    """Whether it goes on from each cache once and never returns to it, so that a step may change the cache in place.

    Of one that advances turn by turn (`composer.plugin.AdvancingPolicyImplementation`) this is known.
    """
    normalises: bool = False
    """Whether it sums log-probabilities. Where its config is a `TextRules`, rules then change these and not the scores
    of the decoder, and it is told by `framing.normalised` that they come ready."""
    ends_at_stops: OfConfig[bool] = _never
    """Whether it ends a text with the token that completes a stop string, by `framing.stops`. Otherwise the rules have
    such a text end with its next token, at no cost."""
    spells: bool = False
    """Whether its options hold texts that the decoder writes: its implementation then takes `tokenizer=` too, a
    `SpellingTokenizer`. Texts of one option have different ids, and each fits into `max_tokens` with its end (C280)."""
    ports: OfConfig[Mapping[str, str]] = _no_ports
    """Output ports that a node has with it besides those of its module, such as `scores[B, 3]`; `B` counts samples.
    The implementation's `outputs(found, device)` gives their values."""
    examples: tuple[Mapping[str, Any], ...] = ()
    """Options with which the conformance kit searches; empty takes the defaults."""
    formerly: str = ""
    """What documents wrote as `penalty` for it, before a search had options of its own. It is still understood."""
