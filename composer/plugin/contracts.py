"""What implementations offer, as types: whoever uses such a value relies on nothing else of it.

A plugin need not name these types: an object with their methods will do. The conformance kit holds each registered
implementation to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Union, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from composer.plugin.search_loop import SampleTrace, Turn
    from composer.plugin.stop_tracking import StopTracker

__all__ = [
    "TRAINED",
    "AdvancingPolicyImplementation",
    "Cache",
    "DatasetImplementation",
    "Decoder",
    "DecoderStep",
    "Framing",
    "GrowableNote",
    "Hypothesis",
    "MetricImplementation",
    "PrefillingDecoder",
    "Processor",
    "RowFormatImplementation",
    "Sample",
    "SearchPolicyImplementation",
    "Seed",
    "SeededSearchPolicyImplementation",
    "SpellingTokenizer",
    "Stepper",
    "Tokenizer",
    "TurnTaking",
    "UnreadableSample",
]

TRAINED = "train"
"""The split of a dataset that is trained on, which may be drawn anew for each epoch."""


class Processor(Protocol):
    """What a modality's `processor(config)` gives: raw values to host ports."""

    def encode(self, values: Sequence[Any], /) -> Mapping[str, Any]:
        """A batch of raw values → the host ports: NumPy arrays, or records of them, batch first.

        Raises InputError for a value that the modality cannot read.
        """


class Tokenizer(Protocol):
    """What makes text of ids: the `tokenizer` of the processor of a modality that decoders write."""

    def decode(self, ids: Sequence[int], /) -> str:
        """The text of one sequence, without the tokens that frame it."""


class SpellingTokenizer(Tokenizer, Protocol):
    """One that says too with which ids a decoder writes a text. Searches whose options hold texts ask for it."""

    @property
    def size(self) -> int:
        """Number of ids."""

    def spell(self, text: str, /) -> Sequence[int]:
        """The ids of a text, without tokens around it. Raises InputError for a text that it cannot write."""


class Cache(Protocol):
    """What a decoder remembers of a search, one row per sample and one entry per beam in it."""

    @property
    def device(self) -> torch.device:
        """Where the next ids are expected."""

    def reorder(self, parents: Tensor, /) -> Cache:
        """The cache in which beam `k` of sample `b` goes on from its beam `parents[b, k]`."""

    def select(self, rows: Tensor, /) -> Cache:
        """The cache of the samples `rows[R]` alone, in that order."""


class Stepper(Protocol):
    """What steps: a decoder, or what stands for one. It takes the caches that it gave, or their like."""

    def step(self, ids: Tensor, cache: Any, /) -> tuple[Tensor, Cache]:
        """The last token of every beam, ids[B, K] → logits[B, K, V] of the next, and the cache with this one in it.

        Neither a sample nor a beam sees another.
        """


class Decoder(Stepper, Protocol):
    """A module that a `generate` node calls. A cache is made of tensors in records and tuples."""

    def start(self, *, beams: int, max_tokens: int, **memory: Any) -> Cache:
        """The cache before the first token, with room for `max_tokens` of them in each of `beams` beams.

        `memory` holds the ports of the signature, but for those of the prompt.
        """


@runtime_checkable
class GrowableNote(Protocol):
    """A note of `start` whose cache can grow token by token."""

    def growing(self) -> Any:
        """The note with which `prefill` makes such a cache."""


class PrefillingDecoder(Decoder, Protocol):
    """A decoder whose `Generation` names a prompt. Its `start` may give a note: only `prefill` reads it.

    A note that offers `growing()` is asked for that of a cache which grows, where nothing needs its shapes to stay.
    """

    def prefill(self, *, cache: Any, **prompt: Any) -> tuple[Tensor, Cache]:
        """Run the whole prompt: logits[B, K, V] of the first token, and the cache with the prompt in it."""


DecoderStep = Callable[["Tensor", Any], "tuple[Tensor, Cache]"]
"""`step(ids[B, K], cache) -> (logits[B, K, V], cache)`."""


class Hypothesis(Protocol):
    """One generated text: its ids with the start token, and its score.

    It may offer `text`, which is then shown in the place of what the tokenizer makes of the ids.
    """

    @property
    def ids(self) -> Sequence[int]: ...

    @property
    def score(self) -> float: ...


@dataclass(frozen=True)
class Framing:
    """What opens, ends and limits the texts of a search: of the decoder's vocabulary, and of the node."""

    start: int
    """Opens every text."""
    ends: tuple[int, ...]
    """Each of them ends a text; the first is the vocabulary's `end`, the others are its `stop`."""
    pad: int
    min_tokens: int
    """No text ends before it has as many tokens; the start and the end are not counted."""
    max_tokens: int
    """No text has more of them."""
    normalised: bool = False
    """Whether scores come as log-probabilities that rules have changed, which are not to be normalised again."""
    first: int = 0
    """How many tokens the rules have every text begin with."""
    stops: StopTracker | None = None
    """The stop strings at which the policy is to end texts, where it said that it does (`ends_at_stops`)."""

    @property
    def end(self) -> int:
        """The token that ends a text, where one is to be written."""
        return self.ends[0]


Seed = Union[int, Sequence[int]]
"""What chance depends on: one number for all samples, or one for each of them."""


class SearchPolicyImplementation(Protocol):
    """What a search policy's `implementation(config=, framing=)` gives. It knows nothing of decoders.

    One that has `ports` offers `outputs(found, device) -> values by port` besides.
    """

    def search(self, step: DecoderStep, cache: Cache, batch: int, /) -> Sequence[Sequence[Hypothesis]]:
        """Every sample's hypotheses, best first, at least one each."""

    def stream(self, step: DecoderStep, cache: Cache, /) -> Iterator[int]:
        """The tokens of one sample as they are found; a token that ends it ends the iteration and is not given."""


class SeededSearchPolicyImplementation(Protocol):
    """The same of a policy that is `seeded`: what it draws depends on the seed, and on nothing outside of it.

    All samples of a search draw with one seed, each as it would alone. One that is `seeded="each"` also takes a list.
    """

    def search(
        self, step: DecoderStep, cache: Cache, batch: int, /, *, seed: Any
    ) -> Sequence[Sequence[Hypothesis]]: ...

    def stream(self, step: DecoderStep, cache: Cache, /, *, seed: Any) -> Iterator[int]: ...


class TurnTaking(Protocol):
    """How a search goes from turn to turn, once it has begun. It may have `turns`, the most that it ever takes."""

    @property
    def framing(self) -> Framing:
        """What the implementation was made with."""

    def advance(self, before: Turn, logits: Tensor, position: Tensor, /) -> Turn:
        """The turn after `before`, from the scores logits[B, K, V]; position[1] int64 counts the turns before.

        A pure function of these tensors: it reads none of their numbers, changes none of them, makes no tensor of
        Python's numbers, and its results have the same shapes at every position. With one beam, a turn that ends a text
        wrote no other token.
        """

    def texts(self, trace: SampleTrace) -> Sequence[Hypothesis]:
        """The texts of one sample from all its turns, best first.

        One that streams with several beams also has `rivals(trace) -> ids`: every text, whole or begun, that the best
        one may still turn out to be or to continue. What all of them begin with is settled.
        """


class AdvancingPolicyImplementation(TurnTaking, Protocol):
    """What a search policy may give besides: its search turn by turn, which never looks at its numbers.

    A GPU then runs a whole turn, the decoder's step and the search, as one graph. `search`, and `stream` where it has
    one, come from `composer.plugin.search_loop`. Where the policy is `seeded`, `opening` takes `seed=` too.
    """

    def opening(self, batch: int, device: torch.device, /) -> Turn:
        """Before the first token: start tokens (`Turn.opening`) and the first state, on the device."""


Sample = Mapping[str, Any]
"""A sample of a dataset: its values by field."""


class DatasetImplementation(Protocol):
    """What a dataset's `builder(config)` gives; whatever is built of one config has the same samples."""

    @property
    def splits(self) -> Sequence[str]:
        """The splits that are scored, and perhaps `train`."""

    def samples(self, split: str, epoch: int = 0) -> Sequence[Sample]:
        """The samples of a split, at least one; asked again for the same epoch, it gives the same ones.

        Epochs of `train` have equally many, and may have others. Every other split is fixed: its samples are the same
        in every epoch.
        """


class MetricImplementation(Protocol):
    """A metric's function. One with a config takes it as a third argument."""

    def __call__(self, predictions: Sequence[Any], references: Sequence[Any], /, *config: Any) -> Any:
        """The score of predictions against what was expected, both in the order of the samples: a finite number.

        There is at least one sample. A prediction is a text or another value of the host, or an array with what the
        output gives for the sample. Neither list is changed, and the same ones have the same score. A metric that is
        `per_sample` gives a list with a number, or a row of them, for each sample.
        """


@dataclass(frozen=True)
class UnreadableSample:
    """In the place of a row, a sample that cannot be read: it is counted and told, and those behind it are read."""

    reason: str
    """Which entry of which file it is, and what is wrong with it."""


class RowFormatImplementation(Protocol):
    """The reader of a `RowFormat`."""

    def __call__(
        self, files: Sequence[Path], media: Path, /
    ) -> Iterator[Mapping[str, object] | UnreadableSample]:
        """The samples of annotation files in their order, as maps from columns to plain values (those of JSON).

        What names a file is a path below the folder `media`. A reader holds one sample at a time, and of what it joins
        it keeps on disk what is large. Raises InputError for a file that is none of its format.
        """
