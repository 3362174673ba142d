"""Implementations, read and held to their contracts: for `ask`, as `accept`, and what a search or a decoder answers.

Each reader gives the value to use, or raises TypeError that says what would be right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Union, cast

from composer.plugin.answers import as_flag, as_map
from composer.plugin.asking import PluginError, ask, import_object
from composer.plugin.contracts import (
    AdvancingPolicyImplementation,
    Cache,
    DatasetImplementation,
    Decoder,
    DecoderStep,
    Framing,
    GrowableNote,
    Hypothesis,
    PrefillingDecoder,
    Processor,
    Sample,
    SearchPolicyImplementation,
    Seed,
    SeededSearchPolicyImplementation,
    Tokenizer,
)
from composer.plugin.declarations import Config, SearchPolicy, TextRules, Vocabulary
from composer.problems import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from composer.plugin.ruled_search import SearchRules
    from composer.plugin.search_loop import Turn

__all__ = [
    "BoundSearch",
    "as_cache",
    "as_dataset",
    "as_decoder",
    "as_prefilling_decoder",
    "as_sample_scores",
    "as_samples",
    "as_score",
    "as_splits",
    "begin",
    "bind_search",
    "decoder_of",
    "framing_of",
    "held_hypotheses",
    "tokenizer_of",
]


def as_decoder(answer: Any) -> Decoder:
    """An object with the methods `start` and `step`."""
    _hold_methods(answer, "start", "step")
    decoder: Decoder = answer
    return decoder


def as_prefilling_decoder(answer: Any) -> PrefillingDecoder:
    """A decoder with the method `prefill`."""
    _hold_methods(answer, "start", "prefill", "step")
    decoder: PrefillingDecoder = answer
    return decoder


def decoder_of(module: object, prompt: Sequence[str], what: str) -> Decoder:
    """A module that was built, as the decoder that its type promises. Raises PluginError where it is none."""
    try:
        return as_prefilling_decoder(module) if prompt else as_decoder(module)
    except TypeError as error:
        fault = f"is built as a {type(module).__name__}, and it generates: {error}"
        raise PluginError(what, fault) from None


def as_cache(answer: Any) -> Cache:
    """An object with `device`, `reorder` and `select`."""
    _hold_methods(answer, "reorder", "select")
    if not hasattr(answer, "device"):
        raise TypeError("an object with `device` is expected")
    cache: Cache = answer
    return cache


def as_dataset(answer: Any) -> DatasetImplementation:
    """An object with `splits` and `samples`."""
    if not callable(getattr(answer, "samples", None)):
        raise TypeError("an object with `splits` and `samples(split, epoch)` is expected")
    dataset: DatasetImplementation = answer
    return dataset


def as_splits(answer: Any) -> tuple[str, ...]:
    """The names of a dataset's splits."""
    if isinstance(answer, str) or not all(isinstance(name, str) for name in answer):
        raise TypeError("a list of names is expected")
    return tuple(answer)


def as_samples(answer: Any) -> Sequence[Sample]:
    """The samples of a split: a list, or what reads each one when it is asked for it."""
    if not (hasattr(answer, "__len__") and hasattr(answer, "__getitem__")) or isinstance(
        answer, (str, Mapping)
    ):
        raise TypeError("a list of samples, each a map from field to value, is expected")
    return answer  # type: ignore[no-any-return]


def as_score(answer: Any) -> float:
    """The number that a metric gives."""
    if answer is None or isinstance(answer, (str, bytes)):
        raise TypeError("a number is expected")
    return float(answer)


def as_sample_scores(count: int, *, rows: bool) -> Callable[[Any], list[Any]]:
    """A reader of what a metric gives for each of so many samples: a number, or one of `rows` of numbers."""

    def read(answer: Any) -> list[Any]:
        if (
            isinstance(answer, (str, bytes, Mapping))
            or not hasattr(answer, "__len__")
            or len(answer) != count
        ):
            found = len(answer) if hasattr(answer, "__len__") else type(answer).__name__
            raise TypeError(f"a list with a number for each of {count} samples is expected, not {found}")
        if rows:
            return [[float(number) for number in row] for row in answer]
        return [as_score(number) for number in answer]

    return read


def tokenizer_of(processor: Processor, what: str) -> Tokenizer:
    """The tokenizer of a modality that a decoder writes. Raises PluginError where it has none."""
    tokenizer: Tokenizer | None = getattr(processor, "tokenizer", None)
    if not callable(getattr(tokenizer, "decode", None)):
        fault = "has no `tokenizer` with the method `decode`, which makes text of the ids of a decoder"
        raise PluginError(what, fault)
    assert tokenizer is not None
    return tokenizer


def _hold_methods(answer: object, *names: str) -> None:
    missing = [name for name in names if not callable(getattr(answer, name, None))]
    if missing:
        raise TypeError(f"an object with the method `{missing[0]}` is expected")


def framing_of(vocabulary: Vocabulary, *, min_tokens: int, max_tokens: int) -> Framing:
    """What opens, ends and limits the texts of a `generate` node."""
    ends = tuple(dict.fromkeys((vocabulary.end, *vocabulary.stop)))
    return Framing(vocabulary.start, ends, vocabulary.pad, min_tokens, max_tokens)


AnySearchPolicy = Union[SearchPolicyImplementation, SeededSearchPolicyImplementation]


@dataclass(frozen=True)
class BoundSearch:
    """A search policy with its options and its framing: the one way in which decoders are searched."""

    policy: SearchPolicy
    framing: Framing
    beams: int
    streams: bool
    implementation: AnySearchPolicy
    config: Config
    rules: SearchRules | None = None
    """Of its texts; the step and the cache that it searches with have them applied."""

    def search(
        self, step: DecoderStep, cache: Cache, batch: int, seed: Seed
    ) -> Sequence[Sequence[Hypothesis]]:
        """Every sample's hypotheses, best first. Raises PluginError where the policy gives something else."""
        if self.policy.seeded:
            found = self._seeded.search(step, cache, batch, seed=seed)
        else:
            found = self._plain.search(step, cache, batch)
        return held_hypotheses(found, batch, self.policy.title)

    def stream(self, step: DecoderStep, cache: Cache, seed: Seed) -> Iterator[int]:
        """The tokens of one sample as they are found."""
        if self.policy.seeded:
            return self._seeded.stream(step, cache, seed=seed)
        return self._plain.stream(step, cache)

    @property
    def advancing(self) -> AdvancingPolicyImplementation | None:
        """The policy turn by turn, where it offers that."""
        made: Any = self.implementation
        return made if callable(getattr(made, "advance", None)) else None

    @property
    def stops(self) -> Sequence[str]:
        """The texts before which a text is cut."""
        return () if self.rules is None else self.rules.config.stop

    def outputs(self, found: Sequence[Sequence[Hypothesis]], device: torch.device) -> Mapping[str, Any]:
        """The values of the policy's own ports."""
        made: Any = self.implementation
        give = getattr(made, "outputs", None)
        if give is None:
            return {}
        values: Mapping[str, Any] = ask(
            give, found, device, what=f"`outputs` of {self.policy.title}", accept=as_map
        )
        return values

    def opening(self, batch: int, device: torch.device, seed: Seed) -> Turn:
        """Where a policy that advances turn by turn begins."""
        made: Any = self.implementation
        seeded = {"seed": seed} if self.policy.seeded else {}
        opening: Turn = made.opening(batch, device, **seeded)
        return opening

    def check_streams(self) -> None:
        """Raises InputError for a search that gives no tokens before it ends."""
        if not self.streams:
            with_beams = f" with {self.beams} beams" if self.beams > 1 else ""
            raise InputError(
                f"{self.policy.title}{with_beams} cannot stream, because its text is known at the end alone: take a "
                "`search` that writes token by token, such as `core.greedy`"
            )

    @property
    def _seeded(self) -> SeededSearchPolicyImplementation:
        return cast(SeededSearchPolicyImplementation, self.implementation)

    @property
    def _plain(self) -> SearchPolicyImplementation:
        return cast(SearchPolicyImplementation, self.implementation)


def bind_search(
    policy: SearchPolicy,
    config: Config,
    framing: Framing,
    *,
    beams: int,
    streams: bool,
    tokenizer: Tokenizer | None = None,
) -> BoundSearch:
    """Make a policy's implementation. Raises PluginError where that fails, or gives nothing that searches.

    `tokenizer` is that of the decoder, for options that hold texts. Raises InputError for those that it cannot write.
    """
    rules: SearchRules | None = None
    if isinstance(config, TextRules):
        from composer.plugin.ruled_search import rules_of

        rules = rules_of(config, framing, tokenizer, policy.title, normalises=policy.normalises)
    forced = 0 if rules is None else len(rules.first)
    known = replace(framing, normalised=rules is not None and policy.normalises, first=forced)
    if rules is not None and ask(policy.ends_at_stops, config, what=policy.title, accept=as_flag):
        known, rules = replace(known, stops=rules.stops), replace(rules, stops=None)

    def accept(answer: Any) -> AnySearchPolicy:
        _hold_methods(answer, "search", *(["stream"] if streams else []))
        if callable(getattr(answer, "advance", None)):
            _hold_methods(answer, "opening", "texts")
            _hold_methods(answer, *(["rivals"] if streams and beams > 1 else []))
            if not isinstance(getattr(answer, "framing", None), Framing):
                raise TypeError("an object that keeps its `framing` is expected")
        made: AnySearchPolicy = answer
        return made

    implementation = import_object(policy.implementation, policy.title)
    spelling = {"tokenizer": tokenizer} if policy.spells else {}
    make = partial(implementation, config=config, framing=known, **spelling)
    made = ask(make, what=policy.title, accept=accept)
    return BoundSearch(policy, known, beams, streams, made, config, rules)


def held_hypotheses(found: object, batch: int, what: str) -> Sequence[Sequence[Hypothesis]]:
    """What a search gave for `batch` samples, where it is what the contract says. Raises PluginError otherwise."""
    if not isinstance(found, (list, tuple)) or len(found) != batch:
        count = f"{len(found)} lists" if isinstance(found, (list, tuple)) else f"a {type(found).__name__}"
        raise PluginError(
            what, f"gives {count} where a list of hypotheses for each of {batch} samples is expected"
        )
    for each in found:
        if not isinstance(each, (list, tuple)) or not each:
            raise PluginError(what, "gives no hypothesis for a sample; at least one is expected")
        if not all(hasattr(one, "ids") and hasattr(one, "score") for one in each):
            raise PluginError(what, f"gives a {type(each[0]).__name__} where `ids` and `score` are expected")
    return found


def begin(
    decoder: Decoder,
    ports: Mapping[str, Any],
    prompt: Sequence[str],
    *,
    beams: int,
    max_tokens: int,
    what: str,
    may_grow: bool = False,
) -> tuple[Tensor | None, Cache]:
    """Start a decoder on its memory and, where it has a prompt, run that: scores of the first token, and the cache.

    `may_grow`: steps run as they are, and the cache may get other shapes with every token.
    `ports` are the values of the input ports, of which `prompt` go to `prefill`. There are no scores without a prompt.
    Raises PluginError where the decoder does not give what the contract says.
    """
    memory = {port: value for port, value in ports.items() if port not in prompt}
    cache = decoder.start(**memory, beams=beams, max_tokens=max_tokens)
    if not prompt:
        return None, cache
    given = {port: value for port, value in ports.items() if port in prompt}
    note = cache.growing() if may_grow and isinstance(cache, GrowableNote) else cache
    answer: object = as_prefilling_decoder(decoder).prefill(**given, cache=note)
    if not isinstance(answer, tuple) or len(answer) != 2 or getattr(answer[0], "ndim", 0) != 3:
        raise PluginError(f"`prefill` of {what}", "does not give (logits[B, K, V], cache)")
    logits, cache = answer
    return logits, cache
