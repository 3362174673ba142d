"""A flow as a document: modules named after their types, nodes after what they do, sizes as parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count

from composer.language.yaml_line import yaml_line
from composer.views.proposing.flow_objectives import FlowObjective
from composer.views.proposing.flow_sizes import FlowSizes
from composer.views.proposing.flows import CallFlow, FlowCall, FlowValue
from composer.views.proposing.offered_calls import OfferedInput

__all__ = ["FlowDocument"]


@dataclass
class FlowDocument:
    """Writes one flow. `node_lines` are its nodes as the document has them, a line each."""

    flow: CallFlow
    inputs: Mapping[str, OfferedInput]
    goals: Sequence[str]
    sizes: FlowSizes
    objective: FlowObjective | None = None
    modules: dict[str, str] = field(default_factory=dict)
    """Module type to the name of the module."""
    nodes: dict[FlowCall, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        training = self.objective
        calls = (*self.flow.calls, *(() if training is None else training.calls))
        inputs = {*self.inputs, *(() if training is None else training.targets)}
        taken = set(inputs)
        for type_id in CallFlow((), calls).modules:
            self.modules[type_id] = _free(type_id.rpartition(".")[2], taken)
        taken = {*inputs, *self.modules.values()}
        for call in calls:
            self.nodes[call] = _free(self._node_name(call), taken)

    def text(self, name: str) -> str:
        """The whole document."""
        lines = ["composer: 1", f"name: {yaml_line(name)}", f"summary: {yaml_line(self.summary)}", ""]
        if self.sizes.parameters:
            lines += [
                "parameters:",
                *(f"  {key}: {value}" for key, value in self.sizes.parameters.items()),
                "",
            ]
        if self.modules:
            lines.append("modules:")
            for type_id, module in self.modules.items():
                with_ = self.sizes.owners[type_id].with_
                lines.append(
                    f"  {module}: " + yaml_line({"uses": type_id, **({"with": with_} if with_ else {})})
                )
            lines.append("")
        lines += ["tasks:", f"  {self.task}:", "    inputs:", *self._input_lines(self.inputs, "      ")]
        lines += ["    nodes:", *(f"      {line}" for line in self.node_lines)]
        outputs = {key: self._reference(value) for key, value in self._outputs().items()}
        lines.append(f"    outputs: {yaml_line(outputs)}")
        lines += self._training_lines()
        return "\n".join(lines) + "\n"

    def _input_lines(self, inputs: Mapping[str, OfferedInput], indent: str) -> Iterator[str]:
        for key, given in inputs.items():
            with_ = self.sizes.owners[key].with_
            entry = {"modality": given.modality.id, **({"with": with_} if with_ else {})}
            yield f"{indent}{key}: {yaml_line(entry)}"

    def _training_lines(self) -> Iterator[str]:
        """What only training and scoring read of the task."""
        training = self.objective
        if training is None:
            return
        yield "    objective:"
        if training.targets:
            yield from ("      inputs:", *self._input_lines(training.targets, "        "))
        yield from ("      nodes:", *(f"        {line}" for line in self.objective_lines))
        yield f"      loss: {self._reference(training.loss)}"
        if training.evaluation:
            yield f"    evaluation: {yaml_line(training.evaluation)}"

    @property
    def task(self) -> str:
        """`video-text-to-text`."""
        return f"{'-'.join(self.inputs)}-to-{'-'.join(self.goals)}"

    @property
    def summary(self) -> str:
        return f"From {' and '.join(self.inputs)} to {' and '.join(self.goals)}."

    @property
    def node_lines(self) -> list[str]:
        return self._lines_of(self.flow.calls)

    @property
    def objective_lines(self) -> list[str]:
        """The nodes that only training sees; none without an objective."""
        return [] if self.objective is None else self._lines_of(self.objective.calls)

    @property
    def output_names(self) -> dict[FlowValue, str]:
        """What the task gives, by the names of its outputs."""
        return {value: name for name, value in self._outputs().items()}

    def _lines_of(self, calls: Sequence[FlowCall]) -> list[str]:
        return [f"{self.nodes[call]}: {yaml_line(self._node(call))}" for call in calls]

    def _node(self, call: FlowCall) -> dict[str, object]:
        offered = call.offered
        inputs: dict[str, object] = {}
        for port, values in call.inputs:
            found: list[object] = [self._reference(value) for value in values]
            inputs[port] = found if offered.signature.inputs[port].many else found[0]
        if offered.type.stateless:
            with_ = self.sizes.owners[offered.type.id].with_
            return {"uses": offered.type.id, "inputs": inputs, **({"with": with_} if with_ else {})}
        module = self.modules[offered.type.id]
        if offered.generates:
            node: dict[str, object] = {"generate": module, "inputs": inputs}
        else:
            node = {
                "call": module if offered.method == "forward" else f"{module}.{offered.method}",
                "inputs": inputs,
            }
        return node | ({"with": dict(offered.options)} if offered.options else {})

    def _node_name(self, call: FlowCall) -> str:
        """`video_states` for what is made of the video, `joined` for what reads several values."""
        if call.offered.generates:
            return "generated"
        if self.objective is not None and call in self.objective.calls:
            return next(iter(call.offered.signature.outputs))
        if call.joined:
            return "joined"
        (root,) = call.roots or {"made"}
        return f"{root}_{next(iter(call.offered.signature.outputs))}"

    def _reference(self, value: FlowValue) -> str:
        source = value.source if isinstance(value.source, str) else self.nodes[value.source]
        return f"{source}.{value.port}"

    def _outputs(self) -> dict[str, FlowValue]:
        taken: set[str] = set()
        return {_free(stream.type.kind, taken): stream.value for stream in self.flow.streams}


def _free(name: str, taken: set[str]) -> str:
    numbered = (f"{name}_{i}" for i in count(2))
    found = next(n for n in chain((name,), numbered) if n not in taken)
    taken.add(found)
    return found
