"""A slice of the experiments: the script that makes the page trains a document of theirs, and it learns."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from scripts import script

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


@pytest.mark.slow
def test_captions_are_found_and_a_closer_look_finds_them_too(
    make: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of the experiment over fewer epochs: recall@1 of vectors, and of the best of these by matching."""
    pytest.importorskip("easy_vqa")
    captions = script(FOLDER / "prepare.py").captions
    captions_by_chance = script(FOLDER / "baselines.py").captions_by_chance

    root = FOLDER.parents[1]
    shared = [
        *FOLDER.glob("*.yaml"),
        FOLDER / "training" / "seek.yaml",
        root / "graphs" / "quickstart.words.txt",
    ]
    for file in shared:
        copied = tmp_path / file.relative_to(root)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copied)
    folder = tmp_path / FOLDER.relative_to(root)
    captions(folder / "data")
    monkeypatch.chdir(folder)
    (seek,) = (each for each in make.EXPERIMENTS if each.name == "seek")
    make.follow(f"{seek.train} --epochs 4")
    make.follow(seek.evaluate)
    scores = json.loads(Path("runs/seek-scores/report.json").read_text())["scores"]
    found = {name: score["value"] for name, score in scores.items()}
    chance = captions_by_chance(Path("data"))
    for metric, least in zip(seek.metrics, chance, strict=True):
        assert found[metric] > least + 0.3, metric
    ways = [metric for metric in seek.metrics if "@1" in metric]
    closer = sum(found[f"{metric} reranked"] for metric in ways) / len(ways)
    assert closer > sum(chance[::2]) / 2 + 0.3
