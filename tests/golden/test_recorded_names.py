"""Every tensor that was recorded is compared by its case, or is named here with the reason why no port holds it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from safetensors import safe_open

import composer
from composer.compare import Case, load_case

HERE = Path(__file__).parent / "mplug2"
CASES = {path.stem: load_case(path) for path in HERE.glob("*.yaml") if "runs:" in path.read_text("utf-8")}
FOLDERS = {name for name in CASES if (HERE / name).is_dir()}

NO_PORT = {
    r"(visual|video|image)\.(conv1|ln_pre|block\d+(\.(attn|ltm1|ltm2|mlp))?)": "inside the vision encoder",
    r"image2d\.proj_all_tokens": "CLIP's projection, which mPLUG-2 never applies",
    r"visn_fc": "inside the width adapter",
    r"(text\.)?embeddings": "inside the text encoder, or the decoder",
    r"(text|norm)\.layer\d+": "inside the text encoder and the universal layers; the last of each is a port",
    r"(uni|v_module)\.layer\d+": "inside the universal layers; the last is `uni.out`, a port",
    r"(fusion\.)?layer\d+": "inside the fusion or the decoder",
    r"dec\.(embeddings|layer\d+)": "inside the decoder",
    r"after\.fusion_encoder_m\.encoder\.layer\.0\..*": "inside a fusion layer that never runs, and is not built",
    r"targets": "what the caption loss compares with: the tokens that went in, less the prompt",
    r"return_logits": "`logits` less the last position, once more",
}


def recorded(folder: str) -> set[str]:
    with safe_open(HERE / folder / "outputs.safetensors", "pt") as file:
        return set(file.keys())


def compared(case: Case, names: set[str]) -> set[str]:
    """The recorded names that a case asks for; one that a parameter counts stands for the last that was recorded."""
    found = set()
    for run in case.runs.values():
        for written in (*run.compare.values(), *run.after.values()):
            if isinstance(written, str):
                found.add(written)
            elif written.last_of is None:
                found.add(written.recorded)
            else:
                found |= {name for name in names if re.fullmatch(rf"{re.escape(written.recorded)}\d+", name)}
    return found


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_recorded_tensor_is_compared_or_inside_a_module(name: str) -> None:
    if name not in FOLDERS:
        pytest.skip(f"the recording {name} is not in this checkout")
    names = recorded(name)
    left = names - compared(CASES[name], names)
    assert {other for other in left if not any(re.fullmatch(pattern, other) for pattern in NO_PORT)} == set()


def test_every_reason_is_needed_and_every_compared_name_was_recorded() -> None:
    names = {name for folder in FOLDERS for name in recorded(folder)}
    assert [pattern for pattern in NO_PORT if not any(re.fullmatch(pattern, name) for name in names)] == []
    asked = set().union(*(compared(CASES[folder], recorded(folder)) for folder in FOLDERS))
    assert len(FOLDERS) >= 11
    assert asked <= names


def test_the_encoders_are_checked_without_the_limits_of_the_decoder() -> None:
    """A recording of an encoder alone may be smaller than the decoder's token ids and the lengths of answers."""
    report = composer.check(HERE / "encoders.yaml", settings={"vocabulary": 60, "positions": 5})
    assert report.ok, str(report)
