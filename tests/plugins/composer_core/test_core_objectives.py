"""The module types that objectives are made of, against independent computations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from composer_core.contrastive import build_contrastive
from composer_core.losses import build_class_loss, build_number_loss
from composer_core.masking import build_mask_tokens, build_prefix_split
from composer_core.objective_configs import (
    ContrastiveConfig,
    HardNegativesConfig,
    MaskTokensConfig,
    NumberLossConfig,
    PrefixSplitConfig,
    RescoredConfig,
    TopPairsConfig,
)
from composer_core.pairing import (
    build_hard_negatives,
    build_matching_pairs,
    build_rescored,
    build_top_pairs,
)
from composer_core.token_scores import build_token_scores

from composer.plugin import NoConfig
from composer.types import States, Tokens


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def softmax(rows: np.ndarray) -> np.ndarray:
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("alpha", [0.0, 0.4])
def test_the_contrastive_loss_with_a_teacher_and_a_queue_is_that_of_numpy(alpha: float) -> None:
    generator = torch.Generator().manual_seed(0)
    module = build_contrastive(ContrastiveConfig(queue=5, width=4, alpha=alpha, temperature=0.1)).train()
    queue = {name: module.get_buffer(f"{name}_queue").numpy().copy() for name in ("first", "second")}
    kept = module.get_buffer("groups").numpy().copy()
    for step in range(3):  # the third batch goes round the end of the queue
        a, b, at, bt = (torch.randn(2, 4, generator=generator) for _ in range(4))
        groups = torch.tensor([7, 8]) if step != 1 else torch.tensor([8, 8])
        found = module(first=a, second=b, groups=groups, first_teacher=at, second_teacher=bt)
        every = np.concatenate((groups.numpy(), kept))
        same = (groups.numpy()[:, None] == every[None]).astype(float)
        targets = same / same.sum(axis=1, keepdims=True)
        losses = []
        for rows, teacher, other, side in ((a, at, bt, "second"), (b, bt, at, "first")):
            candidates = np.concatenate((unit(other.numpy()).T, queue[side]), axis=1)
            soft = softmax(unit(teacher.numpy()) @ candidates / 0.1)
            wanted = alpha * soft + (1 - alpha) * targets
            losses.append(-(np.log(softmax(unit(rows.numpy()) @ candidates / 0.1)) * wanted).sum(1).mean())
        assert found.item() == pytest.approx(sum(losses) / 2, rel=1e-5)
        places = [(2 * step + index) % 5 for index in range(2)]
        queue["first"][:, places], queue["second"][:, places] = unit(at.numpy()).T, unit(bt.numpy()).T
        kept[places] = groups.numpy()
        assert np.allclose(module.get_buffer("first_queue").numpy(), queue["first"], atol=1e-6)
        assert module.get_buffer("groups").tolist() == kept.tolist()
    assert module.get_buffer("next").item() == 6 % 5


def test_a_queue_does_not_change_while_nothing_is_trained() -> None:
    module = build_contrastive(ContrastiveConfig(queue=5, width=4)).eval()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    module(first=torch.randn(3, 4), second=torch.randn(3, 4))
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())


def test_a_batch_that_is_larger_than_the_queue_leaves_its_last_samples_there() -> None:
    module = build_contrastive(ContrastiveConfig(queue=2, width=4)).train()
    first = torch.randn(5, 4)
    module(first=first, second=torch.randn(5, 4), groups=torch.arange(5)).backward()
    assert sorted(module.get_buffer("groups").tolist()) == [3, 4]
    assert module.log_scale.grad is not None


def test_without_a_queue_the_loss_is_cross_entropy_both_ways() -> None:
    module = build_contrastive(ContrastiveConfig())
    a, b = torch.randn(4, 6), torch.randn(4, 6)
    scores = module.scores(queries=a, candidates=b)
    rows = torch.arange(4)
    entropy = torch.nn.functional.cross_entropy
    expected = (entropy(scores, rows) + entropy(scores.T, rows)) / 2
    assert torch.allclose(module(first=a, second=b), expected)


def test_a_negative_is_never_of_the_same_group_and_follows_the_scores() -> None:
    scores = torch.tensor([[9.0, 0.0, 9.0, 2.0], [0, 9, 1, 1], [5, 0, 9, 0], [0, 0, 0, 9]])
    module = build_hard_negatives(HardNegativesConfig()).train()
    torch.manual_seed(0)
    counts = np.zeros((4, 4))
    for _ in range(400):
        found = module(scores=scores, groups=torch.tensor([0, 1, 0, 2]))
        counts[range(4), found["rows"].tolist()] += 1
    assert counts[0, 0] == counts[0, 2] == counts[2, 0] == counts[2, 2] == counts[1, 1] == counts[3, 3] == 0
    left = softmax(scores.numpy())[0, [1, 3]]
    assert counts[0, 3] / 400 == pytest.approx(left[1] / left.sum(), abs=0.06)


def test_outside_of_training_the_same_is_drawn_each_time() -> None:
    module = build_hard_negatives(HardNegativesConfig(seed=3)).eval()
    scores = torch.zeros(6, 6)
    assert module(scores=scores)["rows"].tolist() == module(scores=scores)["rows"].tolist()


def test_where_there_is_no_negative_its_pair_is_not_scored() -> None:
    rows = build_hard_negatives(HardNegativesConfig())(scores=torch.zeros(2, 2), groups=torch.tensor([4, 4]))
    assert rows["rows"].tolist() == [-1, -1]
    states = States(torch.randn(2, 3, 5), None)
    pairs = build_matching_pairs(NoConfig())(
        first=states, second=states, first_negatives=rows["rows"], second_negatives=rows["rows"]
    )
    assert pairs["classes"].tolist() == [1, 1, -100, -100, -100, -100]
    scores = torch.randn(6, 2)
    loss = build_class_loss(NoConfig())(scores=scores, classes=pairs["classes"])
    assert torch.allclose(loss, torch.nn.functional.cross_entropy(scores[:2], torch.tensor([1, 1])))


def test_pairs_stand_beside_their_classes() -> None:
    first = States(torch.arange(3.0).reshape(3, 1, 1), torch.ones(3, 1, dtype=torch.int64))
    second = States(10 + torch.arange(3.0).reshape(3, 1, 1), None)
    pairs = build_matching_pairs(NoConfig())(
        first=first,
        second=second,
        first_negatives=torch.tensor([1, 2, 0]),
        second_negatives=torch.tensor([2, 0, 1]),
    )
    assert pairs["first"].values.flatten().tolist() == [0, 1, 2, 0, 1, 2, 1, 2, 0]
    assert pairs["second"].values.flatten().tolist() == [10, 11, 12, 12, 10, 11, 10, 11, 12]
    assert pairs["classes"].tolist() == [1] * 3 + [0] * 6


def test_the_best_candidates_are_scored_anew_and_the_others_fall_behind() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.5], [0.7, 0.2, 0.3]])
    queries = States(torch.arange(2.0).reshape(2, 1, 1), None)
    candidates = States(10 + torch.arange(3.0).reshape(3, 1, 1), None)
    top = build_top_pairs(TopPairsConfig(top=2))(scores=scores, queries=queries, candidates=candidates)
    assert top["places"].tolist() == [[1, 2], [0, 2]]
    assert top["queries"].values.flatten().tolist() == [0, 0, 1, 1]
    assert top["candidates"].values.flatten().tolist() == [11, 12, 10, 12]
    matches = torch.tensor([[0.0, 1.0], [0, 2], [0, 3], [0, 4]])
    found = build_rescored(RescoredConfig(top=2))(scores=scores, places=top["places"], matches=matches)
    assert found.tolist() == [[-100, 1, 2], [3, -100, 4]]
    added = build_rescored(RescoredConfig(top=2, add=True))
    assert torch.allclose(
        added(scores=scores, places=top["places"], matches=matches)[0, 1:], torch.tensor([1.9, 2.5])
    )


def test_tokens_are_hidden_at_the_rates_that_are_asked_for() -> None:
    config = MaskTokensConfig(vocabulary=500, mask=103, rate=0.3, random=0.2, keep=0.1)
    module = build_mask_tokens(config).train()
    ids = torch.randint(104, 500, (200, 50))
    ids[:, 0], ids[:, 20] = 101, 102
    mask = torch.ones_like(ids)
    mask[:, 40:] = 0
    torch.manual_seed(1)
    found = module(tokens=Tokens(ids, mask))
    masked, labels = found["masked"].ids, found["labels"]
    told = labels != -100
    assert not told[:, [0, 20]].any()
    assert not told[:, 40:].any()
    assert torch.equal(labels[told], ids[told])
    assert torch.equal(masked[~told], ids[~told])
    assert told.float().mean().item() * 50 / 38 == pytest.approx(0.3, abs=0.02)
    assert (masked[told] == 103).float().mean().item() == pytest.approx(0.7, abs=0.03)
    assert (masked[told] == ids[told]).float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert not torch.isin(masked[told & (masked != 103)], torch.tensor([0, 101, 102])).any()
    torch.manual_seed(1)
    again = module(tokens=Tokens(ids, mask))
    assert torch.equal(again["labels"], labels), "a run that is resumed draws what the unbroken one drew"
    assert not torch.equal(module(tokens=Tokens(ids, mask))["labels"], labels)


def test_a_prefix_and_the_rest_are_the_whole_text() -> None:
    module = build_prefix_split(PrefixSplitConfig(least=0.2, most=0.8)).train()
    ids = torch.arange(1, 41).reshape(4, 10)
    mask = torch.ones_like(ids)
    mask[1, 2:] = 0
    mask[2, 1:] = 0
    found = module(tokens=Tokens(ids, mask))
    shown, told = found["prefix"].mask > 0, found["labels"] != -100
    assert torch.equal(shown | told, mask > 0)
    assert not (shown & told).any()
    assert shown[:, 0].all()
    assert told.any(dim=1).tolist() == [True, True, False, True], "a text of one token has nothing to tell"
    assert all(2 <= row.sum() <= 8 for row in shown[[0, 3]])


def test_number_losses() -> None:
    numbers, targets = torch.tensor([1.0, 4.0]), torch.tensor([2.0, 2.0])
    assert build_number_loss(NumberLossConfig())(numbers=numbers, targets=targets).item() == 2.5
    assert build_number_loss(NumberLossConfig(of="distances"))(
        numbers=numbers, targets=targets
    ).item() == pytest.approx(1.5)


def of_texts(lengths: list[int], most: int, before: int = 0) -> Tokens:
    """Texts of other ids each, the n-th of `lengths[n]` tokens, with padding on either side."""
    random = np.random.default_rng(7)
    ids, mask = torch.zeros(len(lengths), most, dtype=torch.int64), torch.zeros(len(lengths), most).long()
    for row, length in enumerate(lengths):
        ids[row, before : before + length] = torch.from_numpy(random.integers(104, 500, length))
        mask[row, before : before + length] = 1
    return Tokens(ids, mask)


def test_outside_of_training_a_text_alone_decides_what_is_hidden_of_it() -> None:
    """So that scores are the same for every batch, order and padding."""
    module = build_mask_tokens(MaskTokensConfig(vocabulary=500, rate=0.4)).eval()
    lengths = [40, 7, 23, 31]
    found = module(tokens=of_texts(lengths, 40))
    wide = module(tokens=of_texts(lengths, 52, before=5))
    for name, get in (("labels", lambda out: out["labels"]), ("masked", lambda out: out["masked"].ids)):
        for row, length in enumerate(lengths):
            assert torch.equal(get(found)[row, :length], get(wide)[row, 5 : 5 + length]), name
    tokens = of_texts(lengths, 40)
    for row in range(4):
        alone = module(tokens=Tokens(tokens.ids[row : row + 1], tokens.mask[row : row + 1]))
        assert torch.equal(alone["labels"][0], found["labels"][row])
    other = build_mask_tokens(MaskTokensConfig(vocabulary=500, rate=0.4, seed=1)).eval()
    assert not torch.equal(other(tokens=tokens)["labels"], found["labels"])
    many = of_texts([50] * 400, 50)
    drawn = module(tokens=many)
    told = drawn["labels"] != -100
    assert told.float().mean().item() == pytest.approx(0.4, abs=0.01)
    assert told.float().mean(dim=0).std().item() < 0.05, "every place is hidden as often"
    assert (drawn["masked"].ids[told] == 103).float().mean().item() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("before", [0, 3])
def test_the_rest_of_a_text_is_a_text_of_its_own(before: int) -> None:
    module = build_prefix_split(PrefixSplitConfig()).eval()
    lengths = [9, 2, 1, 6]
    tokens = of_texts(lengths, 12, before=before)
    found = module(tokens=tokens)
    for row, length in enumerate(lengths):
        text = tokens.ids[row, before : before + length].tolist()
        cut = int(found["prefix"].mask[row].sum())
        rest = found["rest"]
        assert rest.ids[row][rest.mask[row] > 0].tolist() == [text[0], *text[cut:]]
        assert found["prefix"].ids[row][found["prefix"].mask[row] > 0].tolist() == text[:cut]


def test_hidden_tokens_are_counted_with_their_cost() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 6, 11), torch.randint(0, 11, (3, 6))
    labels[0, 2:], labels[2] = -100, -100
    logits[0, 0, labels[0, 0]] = 9.0
    found = build_token_scores(NoConfig())(logits=logits, labels=labels)
    assert found["count"].tolist() == [2, 6, 0]
    assert found["right"].tolist() == [
        sum(int(logits[row, place].argmax()) == labels[row, place] for place in range(6)) for row in range(3)
    ]
    mean = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    assert (found["cost"].sum() / found["count"].sum()).item() == pytest.approx(mean.item())
