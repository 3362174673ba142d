"""The kit pads texts on either side: a prompt may be filled up on the left."""

from __future__ import annotations

from typing import Any

from composer.plugin import Method
from composer.types import Signature

from .test_promises import check, failure


def test_texts_are_padded_on_the_left_too() -> None:
    """States of any role may be those of a text; those without one may be a sound, which begins where it begins."""

    def of_any_role(config: Any) -> Signature:
        return Signature({"states": "states:K[B, N, 8]"}, {"states": "states:K[B, N, 8]"})

    found = failure(check("CountsFromTheFirstColumn", {"forward": Method(of_any_role)}))
    assert found.check == "padding"
    assert found.reason.startswith("3 hidden positions on the left along N change states: values differs by")
    assert check("CountsFromTheFirstColumn").passed
    assert check("Mixer", {"forward": Method(of_any_role)}).passed
