"""A slice of the experiments: the script that makes the page trains a document of theirs, and it learns."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "results"


@pytest.mark.slow
def test_captions_are_learnt_well_above_the_prior(
    make: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("easy_vqa")
    from composer_quickstart.configs import EasyVqaConfig
    from composer_quickstart.easy_vqa import EasyVqaCaptions

    monkeypatch.chdir(FOLDER)
    (family,) = (each for each in make.FAMILIES if each.name == "sharing")
    arm = make.Arm("captions alone", ("small.yaml:caption",))
    found = make.run_arm(family, arm, 0, folder=tmp_path, more="--epochs 8")
    truths = Counter(each["caption"] for each in EasyVqaCaptions(EasyVqaConfig()).samples("test"))
    prior = max(truths.values()) / truths.total()
    assert found["scores"]["captions right"] > prior + 0.2
