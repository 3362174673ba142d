"""Searches: the options of a `generate` node, and the policies that find its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field, model_validator
from typing_extensions import Self

from composer.plugin.declarations.base import Config, Declaration, NoConfig, OfConfig

__all__ = ["GenerateOptions", "SearchChoice", "SearchPolicy"]


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


def _one(config: Any) -> int:
    return 1


def _never(config: Any) -> bool:
    return False


@dataclass(frozen=True)
class SearchPolicy(Declaration):
    """How a generated text is found: which tokens follow, and when a text ends. It knows nothing of decoders.

    `implementation(config=, framing=)` is a `composer.plugin.SearchPolicyImplementation`, `framing` a
    `composer.plugin.Framing`. `beams(config)` says how many texts of each sample it follows at a time, and
    `streams(config)` whether it has a `stream` that gives the tokens of one sample as they are found. What a `seeded`
    policy finds depends on chance: its `search` and `stream` take a whole number as `seed=`.
    """

    noun: ClassVar[str] = "search policy"
    references: ClassVar[tuple[str, ...]] = ("implementation",)
    implementation: str
    summary: str
    config: type[Config] = NoConfig
    """Its options: `with` beside the `uses` of a `search`."""
    beams: OfConfig[int] = _one
    streams: OfConfig[bool] = _never
    seeded: bool = False
    steps_once: bool = False
    """Whether it goes on from each cache once and never returns to it, so that a step may change the cache in place.

    Of one that advances turn by turn (`composer.plugin.AdvancingPolicyImplementation`) this is known.
    """
    examples: tuple[Mapping[str, Any], ...] = ()
    """Options with which the conformance kit searches; empty takes the defaults."""
    formerly: str = ""
    """What documents wrote as `penalty` for it, before a search had options of its own. It is still understood."""
