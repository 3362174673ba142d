"""What a caller gives to a live model and to an artifact is read, and refused, by one code and in the same words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import composer_compile
import numpy as np
import pytest
import torch

from composer.execution import Answering, load
from composer.problems import InputError
from composer.types import States, Tokens

DOCUMENT = """\
composer: 1
name: hosts
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 8, heads: 2, layers: 1, vocabulary: 30, positions: 6}}
tasks:
  sum:
    inputs:
      first: {modality: array, with: {kind: states, dims: [B, N, 4]}}
      second: {modality: array, with: {kind: states, dims: [B, N, 4]}}
    nodes: {both: {uses: core.add, inputs: {first: first, second: second}}}
    outputs: {both: both.states}
    compile: {ranges: {batch: "1..3", first.length: "1..5"}}
  five:
    inputs: {vectors: {modality: array, with: {kind: states, dims: [B, 5, 4]}}}
    nodes: {pooled: {uses: core.pool, inputs: {states: vectors.states}}}
    outputs: {pooled: pooled.embedding}
    compile: {ranges: {batch: "1..3"}}
  words:
    inputs: {ids: {modality: array, with: {kind: tokens, dims: [B, L]}}}
    nodes:
      words: {call: text, inputs: {tokens: ids.tokens}}
      pooled: {uses: core.pool, inputs: {states: words.states}}
    outputs: {pooled: pooled.embedding}
    compile: {ranges: {batch: "1..3", ids.length: "2..6"}}
  two:
    inputs:
      here: {modality: array, with: {kind: states, dims: [B, N, 4]}}
      there: {modality: array, with: {kind: states, dims: [P, M, 4]}}
    nodes:
      one: {uses: core.pool, inputs: {states: here.states}}
      other: {uses: core.pool, inputs: {states: there.states}}
    outputs: {one: one.embedding, other: other.embedding}
    compile: {ranges: {batch: "1..3"}}
"""


def real(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 10


def states(*shape: int) -> States:
    return States(real(*shape))


def tokens(ids: Any, mask: Any = (1, 1, 1)) -> Tokens:
    return Tokens(np.asarray(ids), None if mask is None else np.asarray(mask))


class Three(NamedTuple):
    a: Any
    b: Any
    c: Any


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Answering]]:
    folder = tmp_path_factory.mktemp("hosts")
    path = folder / "hosts.yaml"
    path.write_text(DOCUMENT)
    torch.manual_seed(3)
    model = load(path, weights="initial")
    from composer.weights import save_weights

    save_weights(model.modules, folder / "w.safetensors")
    composer_compile.compile_document(path, folder / "out", weights=folder / "w.safetensors")
    with composer_compile.load(folder / "out") as artifact:
        yield {"live": model, "artifact": artifact}


@pytest.fixture(params=["live", "artifact"])
def answering(request: pytest.FixtureRequest, opened: dict[str, Answering]) -> Answering:
    return opened[request.param]


def refusal(answering: Answering, task: str, raw: dict[str, Any]) -> str:
    with pytest.raises(InputError) as refused:
        answering.run(task, **raw)
    return str(refused.value)


FOUR, FIVE = states(4, 4), states(5, 4)
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown name": (
        "sum",
        {"frist": FOUR, "second": FOUR},
        "task `sum` has no input `frist`; did you mean `first`? There are: first, second",
    ),
    "missing name": ("sum", {"first": FOUR}, "task `sum` needs the input `second`; it takes first, second"),
    "nothing": ("sum", {}, "task `sum` needs the input `first` and `second`; it takes first, second"),
    "empty list": (
        "sum",
        {"first": [], "second": []},
        "input `first` is an empty list: give at least one value",
    ),
    "a number that is too long": (
        "sum",
        {"first": States(np.array([[10**400] * 4], object), None), "second": FOUR},
        "a number that was given cannot be held in 64 bits",
    ),
    "a decimal that is none": (
        "sum",
        {"first": States(np.array([[Decimal("sNaN")] * 4], object), None), "second": FOUR},
        "a number that was given cannot be held in 64 bits",
    ),
    "nothing in a list": (
        "sum",
        {"first": States(np.array([[None] * 4], object), None), "second": FOUR},
        "input `first` takes numbers for its values, and no values were given",
    ),
    "unequal numbers": (
        "sum",
        {"first": [FOUR] * 2, "second": [FOUR] * 3},
        "the inputs of one batch have unequal numbers of values (first: 2, second: 3)",
    ),
    "two lengths of one symbol": (
        "sum",
        {"first": FIVE, "second": FOUR},
        "input `second` takes states[B, N, 4], and the length of what came is 4, and input `first` has N = 5",
    ),
    "another width": (
        "sum",
        {"first": states(4, 1), "second": FOUR},
        "input `first` takes states[B, N, 4], and the width of what came is 1, not 4",
    ),
    "another number": (
        "five",
        {"vectors": FOUR},
        "input `vectors` takes states[B, 5, 4], and the length of what came is 4, not 5",
    ),
    "a batch in the place of a sample": (
        "sum",
        {"first": states(1, 4, 4), "second": FOUR},
        "a sample of states has the axes [N, 4], and one with the shape (1, 4, 4) was given",
    ),
    "a mask of another length": (
        "five",
        {"vectors": States(real(5, 4), np.ones(3))},
        "input `vectors` takes states[B, 5, 4], and the length of what came is 3, not 5",
    ),
    "a mask of another rank": (
        "five",
        {"vectors": States(real(5, 4), np.ones((5, 4)))},
        "input `vectors` takes states[B, 5, 4], and its mask came with the shape [1, 5, 4]",
    ),
    "an array for a record": (
        "five",
        {"vectors": real(5, 4)},
        "input `vectors` takes states with values and mask, not one array",
    ),
    "a record of another kind": (
        "words",
        {"ids": Three(np.ones(3), np.ones(3), np.ones(3))},
        "input `ids` takes tokens with ids and mask, not a record of 3",
    ),
    "no mask": (
        "words",
        {"ids": tokens([1, 2, 3], None)},
        "input `ids` takes tokens with ids and mask, and its mask is missing",
    ),
    "texts": (
        "five",
        {"vectors": States(np.array([["a"] * 4] * 5))},
        "input `vectors` takes numbers for its values, and texts were given",
    ),
    "complex numbers": (
        "five",
        {"vectors": States(np.ones((5, 4), np.complex64))},
        "input `vectors` takes numbers for its values, and complex64 values were given",
    ),
    "objects": (
        "five",
        {"vectors": States(np.full((5, 4), object))},
        "input `vectors` takes numbers for its values, and values of type type were given",
    ),
    "rows of unequal length": (
        "five",
        {"vectors": States([[1, 2], [3]])},
        "a list cannot be read as an array: setting an array element with a sequence",
    ),
    "a sparse tensor": (
        "five",
        {"vectors": States(torch.eye(5, 4).to_sparse())},
        "a Tensor cannot be read as an array: can't convert Sparse layout tensor to numpy",
    ),
    "a tensor without data": (
        "five",
        {"vectors": States(torch.ones(5, 4, device="meta"))},
        "a Tensor cannot be read as an array: Cannot copy out of meta tensor; no data!",
    ),
    "an id that no format holds": (
        "words",
        {"ids": tokens(np.array([1, 2**70, 3]))},
        "input `ids` takes numbers from -9223372036854775808 to 9223372036854775807 for its ids, and 1.18059e+21 came",
    ),
    "ids with a fraction": (
        "words",
        {"ids": tokens([1.0, 2.5, 3.0])},
        "input `ids` takes whole numbers for its ids, and 2.5 came",
    ),
    "ids that are not finite": (
        "words",
        {"ids": tokens([1.0, np.nan, 3.0])},
        "input `ids` takes whole numbers for its ids, and nan came",
    ),
    "too many ids": (
        "words",
        {"ids": tokens(np.ones(7, np.int64), np.ones(7, np.int64))},
        "input `ids` has 7 entries, and task `words` takes at most 6; shorten it, or give fewer",
    ),
    "a word for an array": (
        "five",
        {"vectors": "cat.npy"},
        "an input of modality `array` takes an array (states), which only Python can give: model.run(NAME=array); "
        "the command line gives text",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_a_fault_has_the_same_words_in_both(answering: Answering, fault: str) -> None:
    task, raw, message = REFUSED[fault]
    assert refusal(answering, task, raw) == message


def test_only_an_artifact_has_sizes_that_it_was_compiled_for(opened: dict[str, Answering]) -> None:
    raw = {"first": [FOUR] * 4, "second": [FOUR] * 4}
    assert len(opened["live"].run("sum", **raw)["both"].values) == 4
    assert "`batch` is 4, and task `sum` was compiled for 1..3" in refusal(opened["artifact"], "sum", raw)


def backwards(array: np.ndarray) -> np.ndarray:
    """The same numbers, and strides that are negative."""
    return np.ascontiguousarray(array[::-1])[::-1]


def locked(array: np.ndarray) -> np.ndarray:
    copied = array.copy()
    copied.flags.writeable = False
    return copied


LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "foreign bytes": lambda array: array.astype(array.dtype.newbyteorder()),
    "columns first": np.asfortranarray,
    "backwards": backwards,
    "strided": lambda array: np.repeat(array, 2, axis=0)[::2],
    "locked": locked,
    "double": lambda array: array.astype(np.float64),
    "extended": lambda array: array.astype(np.longdouble),
    "tensor": torch.from_numpy,
    "transposed tensor": lambda array: torch.from_numpy(np.ascontiguousarray(array.T)).T,
    "parameter": lambda array: torch.nn.Parameter(torch.from_numpy(array)),
    "list": lambda array: array.tolist(),
    "decimals": lambda array: np.array([[Decimal(float(each)) for each in row] for row in array]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_numbers_in_every_layout_are_the_same_numbers(answering: Answering, layout: str) -> None:
    expected = answering.run("five", vectors=FIVE)["pooled"]
    found = answering.run("five", vectors=States(LAYOUTS[layout](FIVE.values)))["pooled"]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float8_e5m2])
def test_narrow_numbers_are_read(answering: Answering, dtype: torch.dtype) -> None:
    narrow = torch.from_numpy(FIVE.values).to(dtype)
    expected = answering.run("five", vectors=States(narrow.float().numpy()))["pooled"]
    torch.testing.assert_close(
        answering.run("five", vectors=States(narrow))["pooled"], expected, rtol=2e-3, atol=2e-3
    )


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint16, np.bool_])
def test_whole_numbers_are_real_ones_where_those_are_read(answering: Answering, dtype: type) -> None:
    whole: Any = np.ones((5, 4), dtype)
    found = answering.run("five", vectors=States(whole))["pooled"]
    torch.testing.assert_close(found, torch.ones(4))


@pytest.mark.parametrize("dtype", [np.int32, np.uint64, np.float32, np.float64, ">i8"])
def test_ids_may_be_in_any_format_that_holds_them(answering: Answering, dtype: Any) -> None:
    expected = answering.run("words", ids=tokens([3, 1, 2]))["pooled"]
    found = answering.run("words", ids=tokens(np.array([3, 1, 2], dtype), np.ones(3, bool)))["pooled"]
    torch.testing.assert_close(found, expected)


def test_a_mask_that_one_sample_lacks_shows_all_of_it(answering: Answering) -> None:
    half = States(FIVE.values, np.array([1, 1, 0, 0, 0]))
    alone = [answering.run("five", vectors=each)["pooled"] for each in (FIVE, half)]
    for order in ((0, 1), (1, 0)):
        found = answering.run("five", vectors=[(FIVE, half)[n] for n in order])["pooled"]
        torch.testing.assert_close(found, torch.stack([alone[n] for n in order]))


def test_two_batches_may_have_two_sizes(answering: Answering) -> None:
    found = answering.run("two", here=[FOUR, FOUR], there=[states(2, 4)] * 3)
    assert [len(found["one"]), len(found["other"])] == [2, 3]
    single = answering.run("two", here=FOUR, there=states(2, 4))
    assert single["one"].shape == (4,)


def test_a_session_refuses_in_the_same_words(answering: Answering) -> None:
    session = answering.session("sum", first=FOUR)
    for asked, message in (
        ({"second": FIVE}, "the length of what came is 5, and input `first` has N = 4"),
        ({"secnd": FOUR}, "task `sum` has no input `secnd`; did you mean `second`? There are: first, second"),
        ({"first": FOUR, "second": FOUR}, "the session keeps the input `first`: open another one to change it"),
        ({"second": [FOUR] * 2}, "the session keeps 1 value of `first`, so it is asked for 1 at a time, not 2"),
        ({"second": real(4, 4)}, "input `second` takes states with values and mask, not one array"),
    ):  # fmt: skip
        with pytest.raises(InputError) as refused:
            session.ask(**asked)
        assert message in str(refused.value)


def test_checking_names_needs_no_torch() -> None:
    code = """
import importlib.util, sys, types
import composer
for name in ("composer.execution",):  # the room itself offers what runs, which is torch
    package = types.ModuleType(name)
    package.__path__ = [composer.__path__[0] + "/execution"]
    sys.modules[name] = package
from composer.execution.host_inputs import HostInputs
from composer.problems import InputError
try:
    HostInputs("t", {}, {}).check_names(["x"])
except InputError as error:
    print(error)
assert not {"torch", "numpy"} & sys.modules.keys(), sorted(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "has no input `x`" in done.stdout
