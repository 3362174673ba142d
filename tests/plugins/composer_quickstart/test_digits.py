"""Moving digits: fixed where they must be, fresh where they must be, and moving where the caption says."""

from __future__ import annotations

import numpy as np
import pytest
from composer_quickstart.captions import DIRECTIONS, read_digit_caption
from composer_quickstart.configs import MovingDigitsConfig
from composer_quickstart.digits import MovingDigits

from composer.problems import InputError

pytest.importorskip("sklearn", reason="needs multimodal-composer[train]")


def data(**config: object) -> MovingDigits:
    return MovingDigits(MovingDigitsConfig.model_validate({"clips": 60, **config}))


def test_splits_share_no_digit_and_leave_none_out() -> None:
    parts = {split: set(data().digits(split).tolist()) for split in MovingDigits.splits}
    assert sum(map(len, parts.values())) == 1797
    assert set.union(*parts.values()) == set(range(1797))
    assert (len(parts["test"]), len(parts["validation"])) == (360, 180)


def test_training_clips_change_with_epoch_and_seed_and_with_nothing_else() -> None:
    first, again, later = data().samples("train", 0), data().samples("train", 0), data().samples("train", 1)
    other = data(seed=1).samples("train", 0)
    same = [np.array_equal(a["video"], b["video"]) for a, b in zip(first, again, strict=True)]
    assert all(same)
    assert [a["caption"] for a in first] == [a["caption"] for a in again]
    for different in (later, other):
        assert not any(np.array_equal(a["video"], b["video"]) for a, b in zip(first, different, strict=True))


def test_held_out_clips_are_fixed_and_show_each_digit_in_every_direction() -> None:
    samples = data().samples("validation", 0)
    later = data().samples("validation", 5)
    assert len(samples) == 180 * 8
    assert all(
        np.array_equal(a["video"], b["video"]) for a, b in zip(samples[::97], later[::97], strict=True)
    )
    words = [read_digit_caption(sample["caption"])[1] for sample in samples]
    assert {word: words.count(word) for word in words} == {motion.words: 180 for motion in DIRECTIONS}


@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_digit_moves_where_the_caption_says(split: str) -> None:
    by_words = {motion.words: motion for motion in DIRECTIONS}
    for sample in data(noise=0.0).samples(split)[:80]:
        clip = sample["video"][..., 0].astype(float)
        assert clip.shape == (8, 32, 32)
        grid = np.arange(32)
        weights = clip.sum(axis=(1, 2))
        x = (clip.sum(axis=1) * grid).sum(axis=1) / weights
        y = (clip.sum(axis=2) * grid).sum(axis=1) / weights
        told = read_digit_caption(sample["caption"])[1]
        assert told is not None
        motion = by_words[told]
        for moved, sign in ((x[-1] - x[0], motion.x), (y[-1] - y[0], motion.y)):
            assert abs(moved) < 0.6 if sign == 0 else moved * sign > 6


def test_the_digit_stays_in_the_frame() -> None:
    for sample in data(noise=0.0).samples("validation")[:200]:
        clip = sample["video"][..., 0]
        ink = clip.astype(float).sum(axis=(1, 2))
        assert ink.min() > 0.93 * ink.max()


def test_frames_are_grey_pictures_of_eight_bits() -> None:
    clip = data().samples("train")[0]["video"]
    assert clip.dtype == np.uint8
    assert clip.shape == (8, 32, 32, 3)
    assert (clip == clip[..., :1]).all()


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(InputError, match="no split 'dev'"):
        data().samples("dev")
