"""`composer run`: what is printed, and one clear error for everything that cannot be run."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import pytest

SPEAKING = """\
composer: 1
name: speaking
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1}}
  decoder: {uses: mplug2.text_decoder, with: {hidden: 16, heads: 2, layers: 1}}
tasks:
  embed:
    inputs:
      question: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 20}}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      vector: {uses: core.pool, inputs: {states: words.states}}
    outputs:
      vector: vector.embedding
      words: words.states
  reply:
    inputs:
      question: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 20}}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      answer: {generate: decoder, inputs: {memory: words.states}, with: {max_tokens: 4}}
    outputs:
      answer: answer.text
"""


@pytest.fixture
def speaking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("speaking.yaml").write_text(SPEAKING)
    return "speaking.yaml"


INITIAL = ("--weights", "initial")


def test_several_outputs_are_named(composer, speaking: str) -> None:
    done = composer("run", f"{speaking}:embed", *INITIAL, "question=hello there")
    assert (done.code, done.err) == (0, "")
    assert [line.split(": ")[0] for line in done.out.splitlines()] == ["vector", "words"]


def test_json_holds_every_output_with_its_shape(composer, speaking: str) -> None:
    done = composer("run", f"{speaking}:embed", *INITIAL, "--json", "question=hello there")
    outputs = json.loads(done.out)
    assert len(outputs["vector"]) == 16
    assert [len(outputs["words"]["values"]), len(outputs["words"]["mask"])] == [
        4,
        4,
    ]  # [CLS] hello there [SEP]


def test_a_single_output_is_printed_bare_and_streams_as_the_same_text(composer, speaking: str) -> None:
    import torch

    torch.manual_seed(0)
    whole = composer("run", f"{speaking}:reply", *INITIAL, "question=hello there")
    torch.manual_seed(0)
    streamed = composer("run", f"{speaking}:reply", *INITIAL, "question=hello there", "--stream")
    assert (whole.code, streamed.code) == (0, 0)
    assert whole.out == streamed.out
    assert ":" not in whole.out.split()[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["speaking.yaml", *INITIAL, "question=hi"], "several tasks"),
        (["speaking.yaml:embde", *INITIAL, "question=hi"], "did you mean `embed`?"),
        (["speaking.yaml:embed", *INITIAL], "needs the input `question`"),
        (["speaking.yaml:embed", *INITIAL, "question=hi", "picture=x.png"], "has no input `picture`"),
        (["speaking.yaml:embed", *INITIAL, "question=hi", "--stream"], "nothing to stream"),
        (["speaking.yaml:embed", "question=hi"], "ships no weights"),
        (["speaking.yaml:embed", "question=hi", "--weights", "gone.safetensors"], "gone.safetensors"),
        (["speaking.yaml:embed", *INITIAL, "question=hi", "--layout", "mplug3"], "layout"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_run_is_one_line(composer, speaking: str, arguments: list[str], message: str) -> None:
    done = composer("run", *arguments)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("composer: error: ")
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_document_with_errors_is_not_run(composer, speaking: str) -> None:
    Path(speaking).write_text(SPEAKING.replace("heads: 2", "head: 2"))
    done = composer("run", f"{speaking}:embed", *INITIAL, "question=hi")
    assert (done.code, done.out) == (1, "")
    assert "error[C101]" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "x.yaml:y", "question"],
        ["run", "x.yaml:y", "--dtype", "int8"],
        ["run", "x", "--device", "gpu"],
    ],
)
def test_wrong_usage(composer, arguments: list[str]) -> None:
    assert composer(*arguments).code == 2


def test_an_answer_that_is_not_finite_is_told_and_is_valid_json(
    composer, tmp_path: Path, monkeypatch
) -> None:
    import torch
    from safetensors.torch import save_file

    from composer import execution

    monkeypatch.chdir(tmp_path)
    Path("large.yaml").write_text(
        "composer: 1\nname: large\n"
        "modules:\n  text: {uses: mplug2.text_encoder, with: {hidden: 8, heads: 2, layers: 1}}\n"
        "  head: {uses: core.linear, with: {input_dim: 8, output_dim: 3}}\n"
        "tasks:\n  t:\n    inputs: {q: {modality: text, with: {tokenizer: bert-uncased}}}\n"
        "    nodes: {w: {call: text, inputs: q}, v: {uses: core.pool, inputs: w}, s: {call: head, inputs: w}}\n"
        "    outputs: {vector: v, scores: s}\n"
    )
    model = execution.load("large.yaml", weights="initial")
    state = {
        f"{m}.{k}": v.clone() for m, module in model.modules.items() for k, v in module.state_dict().items()
    }
    state["head.map.weight"] = torch.full_like(state["head.map.weight"], 3e38)
    save_file(state, "large.safetensors")
    for options in ([], ["--json"]):
        done = composer("run", "large.yaml", "--weights", "large.safetensors", "q=a b", *options)
        assert done.code == 0
        assert "composer: warning: output `scores` is not finite: " in done.err
        assert "`vector`" not in done.err
    values = json.loads(done.out, parse_constant=pytest.fail)
    assert None in [value for row in values["scores"]["values"] for value in row]


def test_text_for_an_array_says_who_can_give_one(composer, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(
        "composer: 1\nname: a\nmodules:\n  a: {uses: core.linear, with: {input_dim: 4, output_dim: 8}}\n"
        "tasks:\n  t:\n    inputs: {x: {modality: array, with: {kind: states, dims: [B, N, 4]}}}\n"
        "    nodes: {p: {call: a, inputs: x}}\n    outputs: {o: p}\n"
    )
    for value in ("five", "[[1, 2, 3, x]]", "a.npy", ""):
        done = composer("run", "a.yaml", "--weights", "initial", f"x={value}")
        assert (done.code, done.out) == (1, "")
        assert "which only Python can give" in done.err
        assert done.err.count("\n") == 1


def test_timing_is_told_beside_the_answer(composer, speaking: str) -> None:
    done = composer("run", f"{speaking}:embed", *INITIAL, "--timing", "question=hello there")
    assert done.code == 0
    assert [line.split(": ")[0] for line in done.out.splitlines()] == ["vector", "words"]
    assert [line.split()[0] for line in done.err.splitlines()] == [
        "node",
        "words",
        "vector",
        "beside",
        "together",
    ]
    done = composer("run", f"{speaking}:embed", *INITIAL, "--timing", "--json", "question=hello there")
    assert done.err == ""
    found = json.loads(done.out)
    assert set(found["outputs"]) == {"vector", "words"}
    assert [node["name"] for node in found["timing"]["nodes"]] == ["words", "vector"]


def test_fusing_says_how_long_it_took_and_where_it_is_kept(composer, speaking: str, monkeypatch) -> None:
    import torch

    with warnings.catch_warnings():  # of what torch itself will give up
        warnings.simplefilter("ignore")
        from torch._inductor import compile_fx
    monkeypatch.setattr(compile_fx, "compile_fx", lambda graph, examples: graph.forward)
    done = composer("run", f"{speaking}:embed", *INITIAL, "--fuse", "kept", "question=hello there")
    torch._dynamo.reset()
    assert done.code == 0
    assert re.fullmatch(
        r"composer: note: fusing 1 programs took [\d.]+ s; the next process finds them in .*kept\n", done.err
    )
    assert Path("kept").is_dir()
