"""What a method gives in some case, held to its declaration: the case is named where that goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from composer.conformance.cases import MethodCase
from composer.conformance.outputs import hold_to_type
from composer.conformance.report import Failure
from composer.execution.slot_values import PortValues
from composer.plugin.asking import place_of_fault
from composer.problems.first_line import first_line

__all__ = ["held_outputs"]


def held_outputs(
    case: MethodCase, run: Callable[[], PortValues], sizes: Mapping[str, int], told: str
) -> PortValues:
    """The outputs of a run, by port. Raises Failure where it fails, or where they are not what the signature says."""
    try:
        outputs = run()
    except Failure:
        raise
    except Exception as error:
        at = place_of_fault(error)
        raise Failure(f"it fails {told}: {first_line(error)}" + (f" ({at})" if at else "")) from error
    known = dict(sizes)
    try:
        for name, value in outputs.items():
            port = case.signature.outputs[name]
            hold_to_type(name, value, port, case.kinds[port.type.kind], known)
    except Failure as failure:
        raise Failure(f"{told}: {failure}") from None
    return outputs
