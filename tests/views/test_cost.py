"""`composer show --cost`: held against counts by hand and against torch's counter on real tensors."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from memory import PEAK
from torch.utils.flop_counter import FlopCounterMode
from views_demo import DOCUMENT, Shared, WidthConfig

from composer.graph import Checked, check
from composer.language import Source
from composer.problems import ComposerError, InputError
from composer.types import States
from composer.views.cost import Cost, StepCost, cost_text, measure

Check = Callable[..., Checked]
FLOAT = 4

LINEAR = """\
composer: 1
name: linear
modules:
  wide: {uses: core.linear, with: {input_dim: 8, output_dim: 32}}
  back: {uses: core.linear, with: {input_dim: 32, output_dim: 8, bias: false}}
tasks:
  there-and-back:
    inputs: {states: {modality: array, with: {kind: states, dims: [B, N, 8]}}}
    nodes:
      a: {call: wide, inputs: states.states}
      b: {call: back, inputs: a.states}
      c: {call: wide, inputs: b.states}
    outputs: {result: c.states}
"""


def steps_of(cost: Cost, task: int = 0) -> dict[str, StepCost]:
    return {step.name: step for stage in cost.tasks[task].stages for step in stage.steps}


def test_linear_maps_are_counted_as_by_hand(checked: Check) -> None:
    cost = measure(checked(LINEAR), at={"batch": 3, "states.length": 5})
    steps = steps_of(cost)
    assert [steps[name].flops for name in "abc"] == [2 * 3 * 5 * 8 * 32] * 3
    assert {name: module.parameters for name, module in cost.modules.items()} == {
        "wide": 8 * 32 + 32,
        "back": 8 * 32,
    }
    # Alive: the input, then every output so far. A linear map holds nothing besides its result.
    narrow, wide = 3 * 5 * 8 * FLOAT, 3 * 5 * 32 * FLOAT
    assert [steps[name].peak_bytes for name in "abc"] == [
        narrow + wide,
        narrow + wide + narrow,
        narrow + wide + narrow + wide,
    ]


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("bfloat16", 2), ("float16", 2)])
def test_the_number_format_scales_weights_and_activations(checked: Check, dtype: str, size: int) -> None:
    cost = measure(checked(LINEAR), at={"batch": 3, "states.length": 5}, dtype=dtype)
    assert cost.modules["wide"].weight_bytes == (8 * 32 + 32) * size
    assert steps_of(cost)["a"].peak_bytes == 3 * 5 * (8 + 32) * size


def attention_flops(batch: int, asking: int, asked: int, width: int) -> int:
    """Four projections, the scores and the weighted sum."""
    projections = 2 * batch * width * width * (2 * asking + 2 * asked)
    return projections + 2 * 2 * batch * asking * asked * width


def test_attention_is_counted_as_by_hand(small: Checked) -> None:
    cost = measure(small, tasks=["video-qa"], at={"batch": 2, "question.length": 7})
    steps = steps_of(cost)
    patches = 4 * 4  # four frames of 32 by 32 pixels, each in four patches of 16 by 16
    assert steps["frames"].flops == 2 * 2 * patches * 64 * (3 * 16 * 16)
    assert steps["visual"].flops == attention_flops(2, patches + 1, patches + 1, 64)
    assert steps["language"].flops == attention_flops(2, 7, 7, 64)
    assert steps["fused"].flops == attention_flops(2, 7, patches + 1, 64)
    assert steps["memory"].flops == 0


def test_attention_never_stores_its_scores(small: Checked) -> None:
    """Queries, keys, values, the weighted sum, the same with its heads joined, and its projection: no N x N."""
    length = 64
    cost = measure(small, tasks=["video-qa"], at={"batch": 1, "question.length": length})
    steps = steps_of(cost)
    held = steps["language"].peak_bytes - steps["words"].peak_bytes
    assert held == 6 * length * 64 * FLOAT


def test_real_tensors_cost_what_was_foretold(small: Checked) -> None:
    cost = measure(small, tasks=["video-vector"], at={"batch": 2})
    states = States(torch.randn(2, 17, 64))
    module = Shared(WidthConfig(width=64))
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter, torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        module(states=states)
    assert steps_of(cost)["visual"].flops == counter.get_total_flops()


def test_generation_is_its_start_and_its_steps(small: Checked) -> None:
    cost = measure(small, tasks=["video-qa"], at={"batch": 2, "question.length": 7})
    found = steps_of(cost)["answer"].generating
    assert found is not None
    batch, beams, memory, width, vocabulary = 2, 3, 17 + 7, 64, 100
    assert found.start_flops == 2 * 2 * batch * memory * width * width
    steps = [
        2
        * batch
        * beams
        * (4 + 2)
        * width
        * width  # own attention projects four times, cross-attention twice
        + 2 * 2 * batch * beams * (past + memory) * width
        + 2 * batch * beams * width * vocabulary
        for past in range(1, 7)
    ]
    assert (found.tokens, found.first_flops, found.last_flops) == (6, steps[0], steps[-1])
    assert steps_of(cost)["answer"].flops == found.total_flops == found.start_flops + sum(steps)


def test_long_generation_goes_on_as_it_began(checked: Check) -> None:
    """More tokens than are run: what is added is what running them all would have cost."""
    cost = measure(checked(DOCUMENT.replace("max_tokens: 6", "max_tokens: 100")), tasks=["video-qa"])
    found = steps_of(cost)["answer"].generating
    assert found is not None
    growth = 2 * 2 * 2 * 3 * 64  # one more past state for each of 2 samples with 3 beams
    assert found.last_flops == found.first_flops + 99 * growth
    assert found.total_flops - found.start_flops == sum(found.first_flops + i * growth for i in range(100))


def test_the_memory_of_a_long_generation_grows_as_it_began(checked: Check) -> None:
    def peak(tokens: int) -> int:
        report = checked(DOCUMENT.replace("max_tokens: 6", f"max_tokens: {tokens}"))
        return steps_of(measure(report, tasks=["video-qa"]))["answer"].peak_bytes

    assert peak(8) > peak(7)
    assert peak(100) - peak(8) == 92 * (peak(8) - peak(7))


def test_a_shared_module_counts_once(small: Checked) -> None:
    cost = measure(small)
    real = sum(p.numel() for p in Shared(WidthConfig(width=64)).parameters())
    assert cost.modules["universal"].parameters == real
    qa, vector = cost.tasks
    both = sum(module.parameters for module in cost.modules.values())
    assert (
        cost.parameters_of(qa) + cost.parameters_of(vector) == both + real + cost.modules["vision"].parameters
    )
    assert "if no task shared" in cost_text(cost)


def test_tied_weights_count_once(checked: Check, registry) -> None:
    report = check("mplug2-base", registry=registry)
    found = measure(report, tasks=["video-caption"]).modules["decoder"].parameters
    width, vocabulary, layers = 768, 30522, 12
    attention = 4 * (width * width + width)
    feed = 2 * 4 * width * width + 4 * width + width
    layer = 2 * attention + feed + 3 * 2 * width
    embeddings = (vocabulary + 512 + 2) * width + 2 * width
    head = width * width + width + 2 * width + vocabulary  # its output weight is that of the embeddings
    assert found == layers * layer + embeddings + head


def test_sizes_come_from_the_compile_ranges(small: Checked) -> None:
    qa, vector = measure(small).tasks
    assert qa.sizes == {"batch": 2, "question.length": 20}
    assert vector.sizes == {"batch": 1}
    assert "task video-qa at batch 2, question.length 20" in cost_text(measure(small))


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (
            {"question.lenth": 3},
            "there is no free dimension `question.lenth`; did you mean `question.length`?",
        ),
        ({"batch": 0}, "batch=0 is not a size: it must be at least 1"),
        ({"question.length": 65}, "input `tokens` of node `words` has L = 65, and takes 1 to 64"),
    ],
)
def test_a_size_that_cannot_be_is_refused(small: Checked, at: dict[str, int], message: str) -> None:
    with pytest.raises(InputError) as caught:
        measure(small, at=at)
    assert message in str(caught.value)


def test_an_unknown_number_format_is_refused(small: Checked) -> None:
    with pytest.raises(InputError, match="'int8' is not a number format for costs"):
        measure(small, dtype="int8")


VALUES = """\
composer: 1
name: values
modules:
  blind: {uses: demo.blind, with: {width: 8}}
  after: {uses: core.linear, with: {input_dim: 8, output_dim: 2}}
tasks:
  t:
    inputs: {states: {modality: array, with: {kind: states, dims: [B, N, 8]}}}
    nodes:
      a: {call: blind, inputs: states.states}
      b: {call: after, inputs: a.states}
    outputs: {result: b.states}
"""


def test_a_node_that_needs_values_is_named_and_left_out(checked: Check) -> None:
    cost = measure(checked(VALUES), at={"states.length": 4})
    steps = steps_of(cost)
    assert steps["a"].unknown
    assert steps["b"].flops == 2 * 4 * 8 * 2  # what comes after it is measured all the same
    assert "? node a cannot run without values, so its cost is not in the sums" in cost_text(cost)


def test_a_module_that_needs_memory_to_be_built_is_one_error(checked: Check) -> None:
    report = checked(VALUES.replace("demo.blind", "demo.stubborn"))
    with pytest.raises(ComposerError, match=r"module `blind` \(demo.stubborn\) cannot be told"):
        measure(report)


def test_a_full_size_model_allocates_no_weights() -> None:
    """1.03 billion parameters are 4.1 GB in float32; the process that counts them stays far below."""
    code = (
        f"{PEAK}\n"
        "from composer.graph import check\n"
        "from composer.views.cost import measure\n"
        "cost = measure(check('mplug2'), tasks=['video-qa'], at={'batch': 1, 'question.length': 20})\n"
        "print(sum(m.parameters for m in cost.modules.values()), peak())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    parameters, kibibytes = map(int, done.stdout.split())
    assert parameters == 1_031_533_370
    assert kibibytes < 3 * 1024**2


def test_text_work_is_no_device_work() -> None:
    cost = measure(check("mplug2-base"), tasks=["image-caption"], at={"batch": 1})
    steps = steps_of(cost)
    assert steps["spoken"].host
    assert not any(step.unknown for step in steps.values())


ADAPTED = """\
composer: 1
name: adapted
modules:
  body:
    uses: core.linear
    with: {input_dim: 8, output_dim: 6}
    freeze: [weight]
    adapters:
      one: {with: {rank: 2, targets: [map]}}
      two: {with: {rank: 3, targets: [map]}}
tasks:
  first:
    inputs: {x: {modality: array, with: {kind: embedding, dims: [B, 8]}}}
    nodes: {y: {call: body.embedding, adapter: one, inputs: x}}
    outputs: {y: y}
  second:
    inputs: {x: {modality: array, with: {kind: embedding, dims: [B, 8]}}}
    nodes: {y: {call: body.embedding, adapter: two, inputs: x}}
    outputs: {y: y}
"""


def test_trained_frozen_and_adapter_parameters_are_counted() -> None:
    report = check(Source("adapted.yaml", ADAPTED))
    both = measure(report)
    counts = {name: (it.parameters, it.trained, it.frozen, it.adapter) for name, it in both.modules.items()}
    assert counts == {
        "body": (54, 6, 48, False),
        "body+one": (28, 28, 0, True),
        "body+two": (42, 42, 0, True),
    }
    assert [both.parameters_of(task) for task in both.tasks] == [82, 96]
    text = cost_text(both)
    assert "body+two" in text
    assert re.search(r"all, each once +124 +76 +48 ", text)
    assert re.search(r"of these in adapters +70 +70 +0 ", text)
    # where a task is alone, its adapter is merged: no operation more than without
    (beside,) = (task.flops for task in both.tasks if task.name == "first")
    alone = measure(report, tasks=["first"]).tasks[0].flops
    assert alone == 2 * 8 * 6
    assert beside == alone + 2 * 2 * (8 + 6)


def test_a_document_without_adapters_has_no_such_columns() -> None:
    text = ADAPTED[: ADAPTED.index("    freeze")] + ADAPTED[ADAPTED.index("tasks:") :]
    shown = cost_text(
        measure(check(Source("plain.yaml", text.replace("adapter: one, ", "").replace("adapter: two, ", ""))))
    )
    assert "frozen" not in shown
