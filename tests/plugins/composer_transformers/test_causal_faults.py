"""What cannot be a language model, in one sentence each; and checking one imports neither torch nor transformers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import composer
from composer.problems import InputError

HEAD = "composer: 1\nmodules:\n  lm: {uses: transformers.causal_lm, with: %s}\n"
TASK = """\
tasks:
  read:
    inputs: {text: {modality: text, with: {tokenizer: bert-uncased}}}
    nodes: {words: {call: lm.embed, inputs: {tokens: text.tokens}}}
    outputs: {words: words}
"""
SIZES = {"vocab_size": 30522, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
LLAMA = {"model_type": "llama", **SIZES}
TOKENIZER = {"model": {"type": "WordLevel", "vocab": {"a": 0}}, "added_tokens": []}


def problems_of(folder: Path, with_: Any) -> list[str]:
    (folder / "a.yaml").write_text(HEAD % json.dumps(with_) + TASK)
    found = composer.check(folder / "a.yaml").problems
    return [problem.message for problem in found if problem.severity == "error"]


def model_folder(place: Path, config: Any, **files: Any) -> str:
    folder = place / "model"
    folder.mkdir()
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    for name, content in {"tokenizer": TOKENIZER, **files}.items():
        if content is not None:
            (folder / f"{name}.json").write_text(json.dumps(content))
    return "model"


def given(**changed: Any) -> dict[str, Any]:
    return {"family": "llama", "config": {**SIZES, **changed}}


def seeing(**changed: Any) -> dict[str, Any]:
    return {"family": "qwen2_vl", "config": {**SIZES, "num_key_value_heads": 4, **changed}}


@pytest.mark.parametrize(
    ("with_", "message"),
    [
        ({"family": "gwen2", "config": SIZES}, "no family is called 'gwen2'; did you mean `qwen2`?"),
        ({"config": SIZES}, "`family` (with `config`) or `folder` say which model it is"),
        ({"family": "llama"}, "config lacks `num_attention_heads`, which every llama model says"),
        ({"family": "gpt2", "config": {"n_head": 4}}, "config lacks `n_embd`, which every gpt2 model says"),
        (given(hiden_size=32), "a llama model has no `hiden_size`; did you mean `hidden_size`?"),
        (given(hidden_size="wide"), "`hidden_size` is 'wide', not a number from 1 to"),
        (given(num_hidden_layers=-2), "`num_hidden_layers` is -2, not a number from 1 to"),
        (given(vocab_size=10**12), "`vocab_size` is 1000000000000, not a number from 1 to"),
        (given(num_attention_heads=5), "hidden_size 32 is not a multiple of num_attention_heads 5"),
        (given(num_key_value_heads=3), "num_attention_heads 4 is not a multiple of num_key_value_heads 3"),
        (given(eos_token_id=40000), "end 40000 lies outside a vocabulary of 30522 entries"),
        (
            given(rope_scaling={"type": "dynamic", "factor": 2.0}),
            "`rope_scaling` of the type 'dynamic' changes with the longest text of a batch",
        ),
        (
            given(rope_parameters={"rope_type": "longrope", "short_factor": [1.0], "long_factor": [2.0]}),
            "`rope_parameters` of the type 'longrope' changes with the longest text of a batch",
        ),
        (
            given(rope_scaling={"rope_type": "spiral", "factor": 2.0}),
            "`rope_scaling` is of the type 'spiral', which llama models do not have here; there are default",
        ),
        (
            given(rope_scaling={"type": "mrope", "mrope_section": [1, 1, 2]}),
            "`rope_scaling` is of the type 'mrope', which llama models do not have here",
        ),
        (
            seeing(rope_scaling={"type": "mrope", "mrope_section": [1, 1, 9]}),
            "`mrope_section` is [1, 1, 9]: 3 numbers are wanted, which make 4, half of a head",
        ),
        (seeing(), "`mrope_section` is [16, 24, 24]: 3 numbers are wanted, which make 4, half of a head"),
        ({"folder": "nowhere"}, "nowhere does not exist: `folder` is that of a model"),
    ],
)
def test_a_config_that_cannot_work_is_one_sentence(tmp_path: Path, with_: Any, message: str) -> None:
    (found,) = problems_of(tmp_path, with_)
    assert message in found


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    found = problems_of(tmp_path, given(hiden_size=32, n_layer=2))
    assert sorted(each.partition("no ")[2].partition(";")[0] for each in found) == [
        "`hiden_size`",
        "`n_layer`",
    ]
    name = model_folder(tmp_path, {**LLAMA, "eos_token_id": 40000}, tokenizer=None)
    found = problems_of(tmp_path, {"folder": name, "config": {"hidden_size": 8}})
    for said in (
        "`config` goes with `family`",
        "has no tokenizer.json",
        "end 40000 lies outside a vocabulary",
    ):
        assert sum(said in each for each in found) == 1
    assert len(found) == 3


def test_all_faults_of_both_towers_are_told_at_once(tmp_path: Path) -> None:
    config = {"projection_dm": 8, "vision_config": {"hiden_size": 8}, "text_config": {"layers": 1}}
    with_ = {"family": "clip", "config": config}
    (tmp_path / "a.yaml").write_text(
        f"composer: 1\nmodules:\n  both: {{uses: transformers.dual_encoder, with: {json.dumps(with_)}}}\n"
    )
    found = [problem.message for problem in composer.check(tmp_path / "a.yaml").problems]
    for said in ("`projection_dm`", "`hiden_size`", "`layers`"):
        assert sum(f"has no {said}" in each for each in found) == 1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "config.json is not valid JSON"),
        ("[" * 100_000, "config.json is not valid JSON"),
        ("[1]", "config.json is not the config of a model: it holds a list, not a map"),
        (" " * (5 << 20), "config.json has 5,242,880 bytes, and a config has 4,194,304 at most"),
        (SIZES, "config.json does not say its model_type"),
        (
            {**LLAMA, "model_type": "bert"},
            "is a model of the type 'bert'; models are read of the types llama",
        ),
        ({**LLAMA, "auto_map": {"AutoModel": "m.Model"}}, "no code of a model's folder is run"),
        ({**LLAMA, "quantization_config": {"bits": 4}}, "are quantised (quantization_config)"),
        ({"model_type": "llama"}, "config.json lacks `num_attention_heads`"),
        ({**LLAMA, "hidden_size": 1 << 40}, "`hidden_size` is 1099511627776, not a number"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path, config: Any, message: str) -> None:
    (found,) = problems_of(tmp_path, {"folder": model_folder(tmp_path, config)})
    assert message in found


def test_a_folder_without_a_config_or_a_tokenizer_is_told(tmp_path: Path) -> None:
    name = model_folder(tmp_path, LLAMA, tokenizer=None)
    (found,) = problems_of(tmp_path, {"folder": name})
    assert "has no tokenizer.json: name one with `tokenizer`" in found
    (tmp_path / name / "tokenizer.model").write_bytes(b"pieces")
    (found,) = problems_of(tmp_path, {"folder": name})
    assert "has no tokenizer.json, and tokenizer.model is not read (AutoTokenizer.from_pretrained(" in found
    assert problems_of(tmp_path, {"folder": name, "tokenizer": "bert-uncased"}) == []
    (tmp_path / name / "config.json").unlink()
    (found,) = problems_of(tmp_path, {"folder": name})
    assert "has no config.json" in found


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "adapter_config.json",
            '{"peft_type": "LORA", "base_model_name_or_path": "o/base"}',
            "model has no config.json: adapter_config.json is of an adapter of o/base, and `folder` is that of a model",
        ),
        ("adapter_config.json", "[", "adapter_config.json is of an adapter of another model, and"),
        ("model_index.json", "{}", "model_index.json is of a pipeline, whose models are in folders below"),
        ("modules.json", "[]", "modules.json is of a chain of parts, whose models are in folders below"),
        ("it.gguf", "GGUF", "`composer import it.gguf --layout gguf --out DIR` makes such a folder"),
    ],
)
def test_a_folder_of_something_else_says_what_it_is(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    folder = model_folder(tmp_path, LLAMA)
    (tmp_path / folder / "config.json").unlink()
    (tmp_path / folder / name).write_text(content)
    (found,) = problems_of(tmp_path, {"folder": folder})
    assert message in found


def test_weights_that_are_not_in_the_folder_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        HEAD % json.dumps({"folder": model_folder(tmp_path, LLAMA)}).replace("}", "}, weights: model", 1)
        + TASK
    )
    with pytest.raises(InputError, match=r"no weights|no safetensors|holds no"):
        composer.load(tmp_path / "a.yaml")


def test_what_transformers_refuses_is_one_sentence(tmp_path: Path) -> None:
    assert problems_of(tmp_path, given(hidden_act="no-such-function")) == []
    with pytest.raises(InputError, match="transformers refuses the config of a LlamaModel"):
        composer.load(tmp_path / "a.yaml", weights="initial")


def test_a_check_imports_neither_torch_nor_transformers(tmp_path: Path) -> None:
    assert problems_of(tmp_path, {"folder": model_folder(tmp_path, LLAMA)}) == []
    code = (
        "import sys, composer; assert composer.check(sys.argv[1]).ok; "
        "sys.exit(bool({'torch', 'transformers', 'numpy', 'tokenizers'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.yaml")], check=True)


def test_the_table_of_config_fields_is_that_of_the_library() -> None:
    transformers = pytest.importorskip("transformers")
    if transformers.__version__ != "5.23.0":
        pytest.skip("the table was written with another transformers")
    from composer_transformers.make_config_fields import FILE, config_fields

    assert json.loads(FILE.read_text()) == json.loads(json.dumps(config_fields()))
