"""The promise of a policy that advances turn by turn: a turn is one program, and finds what its `search` finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map

from composer.conformance.report import Failure
from composer.execution.captured import Graphs, Replay
from composer.execution.captured_search import TurnInPlace, captured_turns
from composer.plugin import AdvancingPolicyImplementation, Cache, Hypothesis, Stepper
from composer.plugin.implementations import BoundSearch
from composer.plugin.search_loop import Turn, Turns, found_in, tokens_in

__all__ = ["check_advance", "found_in_place", "streamed_in_place"]

CPU = torch.device("cpu")
LIFTED = torch.ops.aten.lift_fresh.default
"""What torch calls where a tensor is made of Python's numbers: on a GPU they are copied there, which no graph holds."""


def check_advance(search: BoundSearch, batch: int, vocabulary: int, seed: int) -> None:
    """Its `advance` is a pure function that reads no number, and whose results keep their shapes."""
    policy = search.advancing
    if policy is None:
        return
    before = search.opening(batch, CPU, seed)
    if not isinstance(before, Turn):
        raise Failure(f"its `opening` gives a {type(before).__name__}; a Turn is expected")
    logits = torch.linspace(-1, 1, batch * search.beams * vocabulary).reshape(batch, search.beams, -1)
    position = torch.zeros(1, dtype=torch.int64)
    given = (before, logits, position)
    kept = tree_map(torch.clone, given)
    with _MakesNothing():  # type: ignore[no-untyped-call]
        after = policy.advance(*given)
    changed = [
        not torch.equal(ours, theirs) for ours, theirs in zip(*map(tree_leaves, (given, kept)), strict=True)
    ]
    if any(changed):
        raise Failure("its `advance` changes a tensor that it was given")
    _hold_form(before, after, batch, search.beams)
    _hold_blindness(policy, given)


class _MakesNothing(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses tensors of Python's numbers."""

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: object,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        if func is LIFTED:
            raise Failure(
                "its `advance` makes a tensor of Python's numbers: make it in `opening`, in the state"
            )
        return func(*args, **(kwargs or {}))


def _hold_form(before: Turn, after: object, batch: int, beams: int) -> None:
    if not isinstance(after, Turn):
        raise Failure(f"its `advance` gives a {type(after).__name__}; a Turn is expected")
    for name, form in (("tokens", (batch, beams)), ("parents", (batch, beams)), ("done", (batch,))):
        found: Tensor = getattr(after, name)
        dtype = torch.bool if name == "done" else torch.int64
        if (found.shape, found.dtype) != (form, dtype):
            raise Failure(
                f"its `advance` gives `{name}` {list(found.shape)} of {found.dtype}; {dtype} {list(form)} is expected"
            )
    (ours, spec), (theirs, other) = tree_flatten(before.state), tree_flatten(after.state)
    if spec != other or [(each.shape, each.dtype) for each in ours] != [
        (each.shape, each.dtype) for each in theirs
    ]:
        raise Failure("the state that its `advance` gives has another form than the one before")
    if any(not each.ndim or len(each) != batch for each in (*theirs, *after.noted)):
        raise Failure("a tensor of its state, or one that it notes, has no row for each sample")


def _hold_blindness(policy: AdvancingPolicyImplementation, given: tuple[Turn, Tensor, Tensor]) -> None:
    """With tensors that have no numbers."""
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        try:
            policy.advance(*tree_map(mode.from_tensor, given))
        except Exception as error:
            told = str(error).partition("\n")[0]
            raise Failure(
                f"its `advance` looks at numbers, or has results of no fixed shape: {told}"
            ) from None


def _in_place(run: Replay, begin: Callable[[], None], device: torch.device) -> Replay:
    """As a graph, without one: what lies in the places changes."""
    begin()
    try:
        run()
    except RuntimeError as error:
        raise Failure(f"a turn of it cannot be one program: {error}") from None
    return run


def found_in_place(
    search: BoundSearch, decoder: Stepper, cache: Cache, batch: int, seed: int
) -> list[Sequence[Hypothesis]]:
    """What it finds where a whole turn is one program that changes values in fixed places, as on a GPU."""
    turns, policy = _turns(search, decoder, cache, batch, seed)
    return found_in(turns, policy, batch)


def streamed_in_place(search: BoundSearch, decoder: Stepper, cache: Cache, seed: int) -> list[int]:
    """What it streams in that way."""
    return list(tokens_in(*_turns(search, decoder, cache, 1, seed)))


def _turns(
    search: BoundSearch, decoder: Stepper, cache: Cache, batch: int, seed: int
) -> tuple[Turns, AdvancingPolicyImplementation]:
    policy = search.advancing
    assert policy is not None
    graphs = Graphs("a turn", lambda: TurnInPlace(policy, decoder), capture=_in_place)
    with torch.no_grad():
        turns = captured_turns(graphs, policy, cache, search.opening(batch, CPU, seed))
    assert turns is not None  # what is in the way was told
    return turns, policy
