"""`composer import`: a checkpoint of another program becomes a folder of safetensors, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from composer.plugin import Layout, Rule
from composer.weights import WeightsError, convert, read_checkpoint


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "published.pth"
    torch.save({"model": {"a.x": torch.arange(6.0).reshape(2, 3), "a.y": torch.ones(4)}, "step": 3}, path)
    return path


def test_names_and_values_stay_without_a_layout(composer, published: Path, tmp_path: Path) -> None:
    done = composer("import", published, "--out", tmp_path / "made")
    assert (done.code, done.err) == (0, "")
    assert "2 tensors, 10 numbers" in done.out
    found = load_file(tmp_path / "made" / "model.safetensors")
    assert torch.equal(found["a.x"], torch.arange(6.0).reshape(2, 3))


def test_the_number_format_is_asked_for(composer, published: Path, tmp_path: Path) -> None:
    assert composer("import", published, "--dtype", "float16", "--out", tmp_path / "made").code == 0
    found = load_file(tmp_path / "made" / "model.safetensors")
    assert {tensor.dtype for tensor in found.values()} == {torch.float16}


def test_a_folder_that_is_there_stays(composer, published: Path, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine.txt").write_text("mine")
    done = composer("import", published, "--out", tmp_path / "made")
    assert done.code == 1
    assert "exists already, and nothing was written" in done.err
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--layout", "ggfu"], "there is no layout `ggfu`; did you mean `gguf`?"),
        (["--layout", "gguf"], "no rule of the layout gguf takes a.x, a.y"),
        (["--root", "ema"], "it has no entry `ema`"),
        (["--dtype", "int3"], "invalid choice: 'int3'"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(
    composer, published: Path, tmp_path: Path, options: list[str], says: str
) -> None:
    done = composer("import", published, *options, "--out", tmp_path / "made")
    assert done.code != 0
    assert says in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["published.pth"]


def test_a_layout_that_needs_the_modules_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "one.safetensors")
    layout = Layout(
        "turned", "", lambda parameters: (Rule(".", "b", transform="turn"),), transforms={"turn": "a.b:c"}
    )
    with pytest.raises(WeightsError, match=r"changes a by a function \(turn\) that needs the module"):
        convert(read_checkpoint(tmp_path / "one.safetensors"), layout, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_more_than_a_file_holds_goes_into_several(tmp_path: Path) -> None:
    tensors = {f"layer.{number}": torch.full((8,), float(number)) for number in range(5)}
    save_file(tensors, tmp_path / "whole.safetensors")
    layout = Layout("renamed", "", lambda parameters: (Rule(r"layer\.(\d)", r"part.\1"),))
    made = tmp_path / "made"
    done = convert(read_checkpoint(tmp_path / "whole.safetensors"), layout, made, most_bytes=70)
    assert done.written == 5
    index = json.loads((made / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) == 3
    again = read_checkpoint(made)
    assert {name: again[name][0].item() for name in again} == {
        f"part.{number}": number for number in range(5)
    }


def test_two_keys_of_one_name_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "two.safetensors")
    layout = Layout("one", "", lambda parameters: (Rule(".", "same"),))
    with pytest.raises(WeightsError, match="both a and b become same"):
        convert(read_checkpoint(tmp_path / "two.safetensors"), layout, tmp_path / "made")
