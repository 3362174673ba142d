"""The losses of mPLUG-2: per answer, per caption token, per masked token, each with the published soft labels."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from composer.plugin.masks import places_from_first
from composer.types import Tokens
from composer_mplug2.configs import AnswerLossConfig, SequenceLossConfig, SoftTokenLossConfig

__all__ = [
    "AnswerLoss",
    "CaptionLoss",
    "MaskedLoss",
    "build_answer_loss",
    "build_caption_loss",
    "build_masked_loss",
]

IGNORED = -100


class SoftTokenLoss(nn.Module):
    """Cross entropy of every token: logits[B, L, V] against labels[B, L] → [B, L], zero where the label is -100.

    Soft labels[B, L, V] are mixed in with weight `alpha`: (1 - alpha) * hard + alpha * soft.
    """

    def __init__(self, *, alpha: float, soft_axis: str) -> None:
        super().__init__()
        self.alpha = alpha
        self.soft_dim = {"sequence": 1, "vocabulary": -1}[soft_axis]

    def forward(self, logits: Tensor, labels: Tensor, soft_labels: Tensor | None) -> Tensor:
        hard = functional.cross_entropy(
            logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
        )
        if soft_labels is None or self.alpha == 0:
            return hard
        soft = -(functional.log_softmax(logits, dim=self.soft_dim) * soft_labels).sum(dim=-1)
        return (1 - self.alpha) * hard + self.alpha * soft * (labels != IGNORED)


class AnswerLoss(nn.Module):
    """Question answering: the sum over each answer's tokens, weighted, over the number of questions.

    logits[R, L, V], answers tokens[R, L], weights[R] (ones unless given), counts[B] answers of each question (one each
    unless given), soft_labels[R, L - 1, V], or the logits of a teacher[R, L, V] in their place → scalar.
    """

    def __init__(self, *, token_loss: SoftTokenLoss) -> None:
        super().__init__()
        self.token_loss = token_loss

    def forward(
        self,
        *,
        logits: Tensor,
        answers: Tokens,
        weights: Tensor | None = None,
        counts: Tensor | None = None,
        soft_labels: Tensor | None = None,
        teacher: Tensor | None = None,
    ) -> Tensor:
        losses = self.per_answer(logits=logits, answers=answers, soft_labels=soft_labels, teacher=teacher)
        questions = losses.shape[0] if counts is None else counts.shape[0]
        return (losses if weights is None else losses * weights).sum() / questions

    def per_answer(
        self,
        *,
        logits: Tensor,
        answers: Tokens,
        soft_labels: Tensor | None = None,
        teacher: Tensor | None = None,
    ) -> Tensor:
        """The unweighted loss of every answer, [R]."""
        if teacher is not None:
            soft_labels = teacher[:, :-1].detach().softmax(dim=-1)
        labels = _predicted(answers)
        return self.token_loss(logits[:, :-1], labels, soft_labels).sum(dim=1)


class CaptionLoss(nn.Module):
    """Captioning: the mean over all scored tokens of the batch. logits[B, L, V], captions tokens[B, L] → scalar.

    The first `prompt_tokens` positions are not scored; soft_labels[B, L - 1, V] are optional.
    """

    def __init__(self, *, token_loss: SoftTokenLoss, prompt_tokens: int) -> None:
        super().__init__()
        self.token_loss = token_loss
        self.prompt_tokens = prompt_tokens

    def forward(self, *, logits: Tensor, captions: Tokens, soft_labels: Tensor | None = None) -> Tensor:
        labels = _predicted(captions, first=max(self.prompt_tokens, 1))
        return _mean(self.token_loss(logits[:, :-1], labels, soft_labels), labels)


class MaskedLoss(nn.Module):
    """Masked language modelling: the mean over the masked tokens. logits[B, L, V], labels[B, L] → scalar."""

    def __init__(self, *, token_loss: SoftTokenLoss) -> None:
        super().__init__()
        self.token_loss = token_loss

    def forward(self, *, logits: Tensor, labels: Tensor, soft_labels: Tensor | None = None) -> Tensor:
        return _mean(self.token_loss(logits, labels, soft_labels), labels)


def _predicted(tokens: Tokens, first: int = 1) -> Tensor:
    """The ids from the second place on, [B, L - 1]; -100 at padding, and before token `first` of each text.

    Nothing predicts token 0.
    """
    told = (tokens.mask > 0) & (places_from_first(tokens.mask) >= first)
    return tokens.ids.masked_fill(~told, IGNORED)[:, 1:]


def _mean(losses: Tensor, labels: Tensor) -> Tensor:
    return losses.sum() / (labels != IGNORED).sum().clamp(min=1)


def _token_loss(config: SoftTokenLossConfig) -> SoftTokenLoss:
    return SoftTokenLoss(alpha=config.alpha, soft_axis=config.soft_axis)


def build_answer_loss(config: AnswerLossConfig) -> AnswerLoss:
    if config.distillation == "published":
        return AnswerLoss(token_loss=SoftTokenLoss(alpha=0.0, soft_axis="sequence"))
    if config.distillation == "meant":
        return AnswerLoss(token_loss=SoftTokenLoss(alpha=config.alpha, soft_axis="vocabulary"))
    return AnswerLoss(token_loss=_token_loss(config))


def build_caption_loss(config: SequenceLossConfig) -> CaptionLoss:
    return CaptionLoss(token_loss=_token_loss(config), prompt_tokens=config.prompt_tokens)


def build_masked_loss(config: SoftTokenLossConfig) -> MaskedLoss:
    return MaskedLoss(token_loss=_token_loss(config))
