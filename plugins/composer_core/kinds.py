"""The base kinds: what flows between the modules of every plugin."""

from __future__ import annotations

from composer.types import Field, Kind, States, Tokens

__all__ = ["KINDS"]

KINDS: tuple[Kind, ...] = (
    Kind(
        "pixels",
        "Normalised pictures or clips, ready for an encoder; a picture is a clip of one frame.",
        ("batch", "channels", "frames", "height", "width"),
        {"values": Field("float", (0, 1, 2, 3, 4))},
    ),
    Kind(
        "frames",
        "Decoded pictures or clips as the host sees them: 0 to 255, colours last.",
        ("batch", "frames", "height", "width", "channels"),
        {"values": Field("uint8", (0, 1, 2, 3, 4))},
    ),
    Kind(
        "tokens",
        "Token ids with their padding mask (1 = real token).",
        ("batch", "length"),
        {"ids": Field("int64", (0, 1)), "mask": Field("int64", (0, 1))},
        record=Tokens,
        mask="mask",
    ),
    Kind(
        "states",
        "Hidden states with their mask (1 = visible; no mask: all are visible).",
        ("batch", "length", "width"),
        {"values": Field("float", (0, 1, 2)), "mask": Field("int64", (0, 1), optional=True)},
        record=States,
        mask="mask",
    ),
    Kind(
        "feature_map",
        "What an encoder saw, place by place: one vector for each place of a picture.",
        ("batch", "channels", "height", "width"),
        {"values": Field("float", (0, 1, 2, 3))},
    ),
    Kind("embedding", "One vector per sample.", ("batch", "width"), {"values": Field("float", (0, 1))}),
    Kind(
        "logits",
        "Unnormalised scores of every vocabulary entry at every position.",
        ("batch", "length", "vocabulary"),
        {"values": Field("float", (0, 1, 2))},
        ranked=True,
    ),
    Kind(
        "scores",
        "One score per sample and candidate: class scores, similarities, probabilities of ranked answers.",
        ("batch", "candidates"),
        {"values": Field("float", (0, 1))},
        ranked=True,
    ),
    Kind(
        "probabilities",
        "One probability per sample and class; those of a sample sum to one.",
        ("batch", "candidates"),
        {"values": Field("float", (0, 1))},
        parent="scores",
        ranked=True,
    ),
    Kind(
        "labels",
        "Several ids per sample: target tokens (-100 = not scored) or ranked candidates.",
        ("batch", "length"),
        {"values": Field("int64", (0, 1))},
    ),
    Kind(
        "positions",
        "Where each token of a text stands along each of several axes, such as time, height and width.",
        ("batch", "axes", "length"),
        {"values": Field("int64", (0, 1, 2))},
    ),
    Kind("classes", "The id of one class per sample.", ("batch",), {"values": Field("int64", (0,))}),
    Kind(
        "counts",
        "How many parts each sample has, for example answers per question.",
        ("batch",),
        {"values": Field("int64", (0,))},
    ),
    Kind(
        "items",
        "The places among all values of an input of those that belong to each sample (-1 = none).",
        ("batch", "count"),
        {"values": Field("int64", (0, 1))},
    ),
    Kind(
        "places",
        "Which place of which value of an input fills each position of texts, counted through all values (-1 = none).",
        ("values", "positions", "batch", "length"),
        {"index": Field("int64", (2, 3))},
    ),
    Kind(
        "numbers",
        "One real number per sample: a loss, a weight, a regression target.",
        ("batch",),
        {"values": Field("float", (0,))},
    ),
    Kind("integers", "One whole number per sample.", ("batch",), {"values": Field("int64", (0,))}),
    Kind("flags", "Yes or no for each sample.", ("batch",), {"values": Field("bool", (0,))}),
    Kind(
        "scalar", "One real number for the whole batch, such as a loss.", (), {"values": Field("float", ())}
    ),
    Kind(
        "ranking",
        "The best classes of each sample with their probabilities, best first; stays on the host.",
        ("batch",),
        {"values": Field("object", (0,))},
    ),
    Kind("text", "One string per sample; stays on the host.", ("batch",), {"values": Field("object", (0,))}),
)
