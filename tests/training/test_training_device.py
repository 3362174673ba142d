"""Training on a device, pretended, and in bfloat16: the losses of the processor, checkpoints that go on anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pretended import OnDevice
from pretended_training import trains_on_pretended
from safetensors.torch import load_file

from composer.cli import main
from composer.problems import InputError
from composer.training import check_training, train_document

EPOCHS = 3


def losses(record: dict[str, Any]) -> list[float]:
    return [loss for epoch in record["curve"] for loss in epoch["losses"].values()]


def train(points: Path, out: str, **options: Any) -> dict[str, Any]:
    given = {"recipe": points / "recipe.yaml", "epochs": EPOCHS, "splits": ("test",), **options}
    return train_document(points / "points.yaml", out=points / out, **given)


def test_a_device_gives_the_losses_weights_and_checkpoint_of_the_processor(points: Path) -> None:
    here = train(points, "here")
    with trains_on_pretended():
        there = train(points, "there", device="cuda")
    assert losses(there) == pytest.approx(losses(here), rel=1e-6)
    assert there["scores"] == here["scores"]
    assert (there["device"], there["precision"]) == ("cuda", "fp32")
    ours, theirs = load_file(points / "there.safetensors"), load_file(points / "here.safetensors")
    torch.testing.assert_close(ours, theirs)
    states = [torch.load(points / f"{name}.checkpoint", weights_only=True) for name in ("there", "here")]
    for key in ("modules", "optimizer", "random"):
        torch.testing.assert_close(states[0][key], states[1][key])


def test_a_run_on_a_device_is_resumed_there_and_on_the_processor(points: Path) -> None:
    with trains_on_pretended():
        train(points, "part", epochs=2, device="cuda")
        resumed = train(points, "part", epochs=3, device="cuda", resume=True)
    # An extended run begins its learning rate anew, so the same extensions are compared.
    train(points, "same", epochs=2)
    same = train(points, "same", epochs=3, resume=True)
    assert losses(resumed) == pytest.approx(losses(same), rel=1e-6)
    assert losses(train(points, "part", epochs=4, resume=True)) == pytest.approx(
        losses(train(points, "same", epochs=4, resume=True)), rel=1e-6
    )


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_bfloat16_gives_nearly_the_same_losses_with_weights_in_float32(device: str, points: Path) -> None:
    exact = train(points, "exact")
    with trains_on_pretended():
        rounded = train(points, "rounded", device=device, precision="bf16")
    assert rounded["precision"] == "bf16"
    assert losses(rounded) == pytest.approx(losses(exact), rel=0.05)
    assert losses(rounded) != losses(exact)  # it did compute in bfloat16
    assert all(each.dtype != torch.bfloat16 for each in load_file(points / "rounded.safetensors").values())
    stored = torch.load(points / "rounded.checkpoint", weights_only=True)["optimizer"]["state"]
    assert all(each["exp_avg"].dtype == torch.float32 for each in stored.values())


def test_weights_and_state_are_on_the_device_while_it_trains(points: Path) -> None:
    with trains_on_pretended():
        prepared = check_training(points / "points.yaml", recipe=points / "recipe.yaml", device="cuda")
        modules = prepared.programs.modules_by_name.values()
        assert all(isinstance(each, OnDevice) for module in modules for each in module.parameters())


def test_another_precision_is_no_resumption(points: Path) -> None:
    train(points, "run")
    with pytest.raises(InputError, match=r"another precision .--precision was fp32 and is bf16."):
        train(points, "run", epochs=EPOCHS + 1, precision="bf16", resume=True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--device", "cuda"], "torch finds no CUDA device"),
        (["--device", "gpu"], "'gpu' is not a device"),
        (["--precision", "int8"], "invalid choice: 'int8'"),
    ],
)
def test_what_cannot_be_is_one_sentence_before_anything_is_written(
    options: list[str], told: str, points: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if torch.cuda.is_available() and "cuda" in options:
        pytest.skip("there is a CUDA device here")
    before = set(points.iterdir())
    code = main(["train", "points.yaml", "--recipe", "recipe.yaml", "--out", "out", *options])
    assert code != 0
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said
    assert set(points.iterdir()) == before


def test_a_gpu_without_bfloat16_is_refused(points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with trains_on_pretended():
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)
        with pytest.raises(InputError, match=r"does not compute in bfloat16, .* --precision fp32"):
            train(points, "out", device="cuda", precision="bf16")
        monkeypatch.undo()
