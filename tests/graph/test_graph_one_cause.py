"""Edges that do not fit for one cause are one problem; two faults of one edge are one; what else would fit is named."""

from __future__ import annotations

from documents import checked

HEAD = """\
composer: 1
modules:
  wide: {uses: core.linear, with: {input_dim: 64, output_dim: 96}}
  norm: {uses: core.layer_norm, with: {dim: 64}}
tasks:
  t:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, N, 64]}}}
    nodes:
      w: {call: wide, inputs: x}
"""
MANY = 60


def document(nodes: list[str], head: str = HEAD) -> str:
    return head + "".join(f"      {node}\n" for node in nodes) + "    outputs: {o: n0}\n"


def test_many_readers_of_one_wrong_width_are_one_problem() -> None:
    report = checked(document([f"n{i}: {{call: norm, inputs: w}}" for i in range(MANY)]))
    errors = [problem for problem in report.problems if problem.severity == "error"]
    assert len(errors) == 1
    assert errors[0].message.endswith(f"width 96 ≠ 64, and so at {MANY - 1} more places")
    assert errors[0].place.line == 10
    assert [note.place.line for note in errors[0].notes if "same cause" in note.label] == [11, 12, 13]


def test_many_sources_of_one_wrong_module_are_one_problem() -> None:
    nodes = [f"a{i}: {{uses: core.add, inputs: {{first: w, second: w}}}}" for i in range(MANY)]
    nodes += [f"n{i}: {{call: norm, inputs: a{i}}}" for i in range(MANY)]
    errors = checked(document(nodes)).errors
    assert len(errors) == 1
    assert f"and so at {MANY - 1} more places" in errors[0].message


def test_a_wrong_kind_read_often_is_one_problem() -> None:
    head = HEAD.replace("call: wide", "uses: core.pool")
    errors = checked(document([f"n{i}: {{call: norm, inputs: w}}" for i in range(MANY)], head)).errors
    assert [problem.code for problem in errors] == ["C202"]


def test_a_module_called_often_with_a_second_width_is_one_problem() -> None:
    head = HEAD.replace(", with: {dim: 64}", "")
    nodes = ["n0: {call: norm, inputs: x}", *(f"n{i}: {{call: norm, inputs: w}}" for i in range(1, MANY))]
    errors = checked(document(nodes, head)).errors
    assert [problem.code for problem in errors] == ["C211"]


def test_two_causes_are_two_problems() -> None:
    head = HEAD.replace("tasks:", "  other: {uses: core.layer_norm, with: {dim: 32}}\ntasks:")
    errors = checked(document(["n0: {call: norm, inputs: w}", "n1: {call: other, inputs: w}"], head)).errors
    assert [problem.code for problem in errors] == ["C203", "C203"]


def test_one_fault_in_several_tasks_is_one_problem() -> None:
    second = HEAD[HEAD.index("  t:") :].replace("  t:", "  u:", 1)
    text = document(["n0: {call: norm, inputs: w}"]) + document(["n0: {call: norm, inputs: w}"], second)
    report = checked(text)
    assert [problem.place.line for problem in report.errors] == [10]
    assert report.errors[0].message.endswith("and so at one more place")
    assert not any(task.ok for task in report.tasks.values())


CLIP = """\
composer: 1
modules:
  vision: {uses: mplug2.vision_encoder, with: {image_size: 32, patch_size: 8, width: 64, layers: 2, frames: 4}}
  head: {uses: core.linear, with: {input_dim: 64, output_dim: 8}}
tasks:
  t:
    inputs: {video: {modality: video, with: {frames: FRAMES, size: SIZE}}}
    nodes:
      v: {call: CALL, inputs: video}
      p: {uses: core.pool, inputs: v}
    outputs: {p: p}
"""


def clip(call: str, frames: int, size: int = 32) -> str:
    return CLIP.replace("CALL", call).replace("FRAMES", str(frames)).replace("SIZE", str(size))


def test_frames_and_size_of_one_edge_are_told_together() -> None:
    (problem,) = checked(clip("vision", 2, 48)).errors
    assert problem.message == (
        "dimension mismatch on video.pixels → v.pixels: frames 2 ≠ 4, height and width 48 ≠ 32"
    )
    helps = "\n".join(problem.helps)
    assert "set vision.frames to 2" in helps
    assert "input video: size to 32" in helps


def test_a_method_for_a_clip_is_named_first() -> None:
    (problem,) = checked(clip("vision.image", 4)).errors
    assert problem.helps[0].startswith("`call: vision.video` takes pixels[B, 3, 4, 32, 32]")
    mended = clip("vision.video", 4)
    assert checked(mended).ok
    (problem,) = checked(clip("vision.video", 1)).errors
    assert problem.helps[0].startswith("`call: vision.image` takes pixels[B, 3, 1, 32, 32]")


def test_a_method_for_an_embedding_is_named_first() -> None:
    text = (
        clip("vision", 4)
        .replace("outputs: {p: p}", "outputs: {p: h}")
        .replace("    outputs", "      h: {call: head, inputs: p}\n    outputs")
    )
    (problem,) = checked(text).errors
    assert problem.code == "C202"
    assert problem.helps[0].startswith("`call: head.embedding` takes `embedding`: embedding[B, 64]")
    assert checked(text.replace("call: head,", "call: head.embedding,")).ok


def test_another_type_that_takes_all_inputs_is_named_first() -> None:
    text = """\
composer: 1
modules: {head: {uses: core.linear, with: {input_dim: 8, output_dim: 5}}}
tasks:
  t:
    inputs:
      x: {modality: array, with: {kind: embedding, dims: [B, 8]}}
      y: {modality: array, with: {kind: classes, dims: [B]}}
    nodes: {s: {call: head.scores, inputs: x}}
    outputs: {s: s}
    objective:
      nodes: {cost: {uses: core.token_loss, inputs: {logits: s, labels: y}}}
      loss: cost.loss
"""
    helps = {help_ for problem in checked(text).errors for help_ in problem.helps}
    assert any(help_.startswith("`uses: core.class_loss` takes `scores`: scores[B, K]") for help_ in helps)
