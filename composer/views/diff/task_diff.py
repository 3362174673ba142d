"""Two tasks: inputs, nodes and outputs paired by what they are and what stands around them, and what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from composer.graph import CheckedNode, CheckedTask, Endpoint, endpoints_of
from composer.graph.checked import text_of
from composer.views.diff.diff_values import Change, PartDiff, TaskDiff
from composer.views.diff.matching import paired
from composer.views.diff.module_diff import config_changes
from composer.views.diff.shapes_of_tasks import ROUNDS, TaskGraph
from composer.views.labels import Labels, callee_text

__all__ = ["match_parts", "task_diff", "task_only_in"]


def match_parts(a: TaskGraph, b: TaskGraph, modules: Mapping[str, str]) -> dict[str, str]:
    """Input or node of A to that of B. First what is alike with all that stands around it, once in either; then the
    pairs that are most alike by what they are, by pairs that they are wired to, and by name.
    """
    pairs = _unique(a, b)
    for _ in range(ROUNDS):  # pairs beside pairs: each round reaches one step further
        left_a = [name for name in a.kinds if name not in pairs]
        taken = set(pairs.values())
        left_b = [name for name in b.kinds if name not in taken]
        if not left_a or not left_b:
            break
        found = paired(left_a, left_b, lambda one, other: _alike(a, b, one, other, pairs, modules))
        sure = {
            one: other
            for one, other in found.items()
            if one == other or _neighbours(a, b, one, other, pairs) > 0
        }
        pairs.update(sure or found)
    return pairs


def _unique(a: TaskGraph, b: TaskGraph) -> dict[str, str]:
    """What has one double in the other task, with all that stands around it."""
    ours, theirs = a.rings[-1], b.rings[-1]
    counts = Counter(ours.values()), Counter(theirs.values())
    by_ring = {ring: name for name, ring in theirs.items() if counts[1][ring] == 1}
    return {name: by_ring[ring] for name, ring in ours.items() if counts[0][ring] == 1 and ring in by_ring}


def _alike(
    a: TaskGraph,
    b: TaskGraph,
    one: str,
    other: str,
    pairs: Mapping[str, str],
    modules: Mapping[str, str],
) -> float:
    if (one in a.task.inputs) != (other in b.task.inputs):
        return 0.0
    kind = a.kinds[one] == b.kinds[other]
    if not kind and one != other:
        return 0.0
    rings = sum(a.rings[n][one] == b.rings[n][other] for n in range(ROUNDS + 1))
    module = 0.0
    if one in a.task.nodes and kind:
        first, second = a.task.nodes[one], b.task.nodes[other]
        module = float(not first.is_in_place and modules.get(first.module.name) == second.module.name)
    return 1 + 20 * kind + 6 * module + 4 * _neighbours(a, b, one, other, pairs) + 3 * (one == other) + rings


def _neighbours(a: TaskGraph, b: TaskGraph, one: str, other: str, pairs: Mapping[str, str]) -> float:
    """The share of what stands next to a node whose double stands next to the other one, at the same ports."""
    ours = [("takes", port, pairs.get(name), end) for port, name, end in a.takes[one]]
    ours += [("feeds", port, pairs.get(name), end) for port, name, end in a.feeds[one]]
    theirs = [("takes", *each) for each in b.takes[other]] + [("feeds", *each) for each in b.feeds[other]]
    if not ours or not theirs:
        return 0.0
    return sum(each in theirs for each in ours) / max(len(ours), len(theirs))


def task_diff(a: TaskGraph, b: TaskGraph, modules: Mapping[str, str]) -> TaskDiff:
    """What two tasks have in common and what not; `modules` pairs those of the documents."""
    pairs = match_parts(a, b, modules)
    labels = Labels(a.task), Labels(b.task)
    back = {other: one for one, other in pairs.items()}
    inputs = [
        PartDiff(name, pairs.get(name), item.modality.id, _input_changes(a.task, b.task, labels, name, pairs))
        for name, item in a.task.inputs.items()
    ]
    inputs += [
        PartDiff(None, name, item.modality.id) for name, item in b.task.inputs.items() if name not in back
    ]
    nodes = []
    for name in a.task.order:
        node, other = a.task.nodes[name], pairs.get(name)
        changes = (
            ()
            if other is None
            else _node_changes(a.task, b.task, labels, node, b.task.nodes[other], pairs, modules)
        )
        nodes.append(PartDiff(name, other, callee_text(node), changes))
    nodes += [
        PartDiff(None, name, callee_text(b.task.nodes[name])) for name in b.task.order if name not in back
    ]
    return TaskDiff(
        a.task.name, b.task.name, tuple(inputs), tuple(nodes), tuple(_outputs(a.task, b.task, labels, pairs))
    )


def task_only_in(graph: TaskGraph, *, a: bool) -> TaskDiff:
    """A task that only one document has."""

    def part(name: str, what: str) -> PartDiff:
        return PartDiff(name if a else None, None if a else name, what)

    task = graph.task
    return TaskDiff(
        task.name if a else None,
        None if a else task.name,
        tuple(part(name, item.modality.id) for name, item in task.inputs.items()),
        tuple(part(name, callee_text(task.nodes[name])) for name in task.order),
        tuple(part(name, what) for name, what in {**_texts_of(task), **_scores_of(task)}.items()),
    )


def _input_changes(
    a: CheckedTask, b: CheckedTask, labels: tuple[Labels, Labels], name: str, pairs: Mapping[str, str]
) -> tuple[Change, ...]:
    other = pairs.get(name)
    if other is None:
        return ()
    ours, theirs = a.inputs[name], b.inputs[other]
    if ours.modality.id != theirs.modality.id:
        return (Change("modality", ours.modality.id, theirs.modality.id),)
    if ours.several != theirs.several:
        return (Change("takes", ours.reads, theirs.reads),)
    return config_changes(ours.config, theirs.config) + _given(
        labels, (name, ours.ports), (other, theirs.ports)
    )


def _given(
    labels: tuple[Labels, Labels],
    ours: tuple[str, Mapping[str, object]],
    theirs: tuple[str, Mapping[str, object]],
) -> tuple[Change, ...]:
    """The ports that give another type."""
    texts = [
        {port: side.output((name, port)) for port in ports}
        for side, (name, ports) in zip(labels, (ours, theirs), strict=True)
    ]
    return tuple(
        Change(f"gives {port}", texts[0].get(port), texts[1].get(port), follows=True)
        for port in dict.fromkeys((*texts[0], *texts[1]))
        if texts[0].get(port) != texts[1].get(port)
    )


def _node_changes(
    a: CheckedTask,
    b: CheckedTask,
    labels: tuple[Labels, Labels],
    one: CheckedNode,
    other: CheckedNode,
    pairs: Mapping[str, str],
    modules: Mapping[str, str],
) -> tuple[Change, ...]:
    changes: list[Change] = []
    called = callee_text(one), callee_text(other)
    if one.module.type.id != other.module.type.id:
        changes.append(Change("type", one.module.type.id, other.module.type.id))
    elif one.is_in_place:
        changes += config_changes(one.module.config, other.module.config)
    elif modules.get(one.module.name) != other.module.name or (one.callee.key, one.method) != (
        other.callee.key,
        other.method,
    ):
        changes.append(Change("calls", *called))
    options = config_changes(one.options, other.options)
    if one.generates and other.generates:
        options = (*(each for each in options if each.what != "search"), *_search_changes(one, other))
    changes += options
    changes += _taken(one, other, pairs)
    changes += _given(labels, (one.name, one.signature.outputs), (other.name, other.signature.outputs))
    return tuple(changes)


def _search_changes(one: CheckedNode, other: CheckedNode) -> list[Change]:
    ours, theirs = one.decoding.search, other.decoding.search
    if (
        ours.policy.id != theirs.policy.id
    ):  # with the options that were written: others are those of the policy
        a, b = (
            each.config.model_dump(mode="json", fallback=str, exclude_unset=True) for each in (ours, theirs)
        )
        written = [Change(f"search.{key}", a.get(key), b.get(key)) for key in dict.fromkeys((*a, *b))]
        return [
            Change("search", ours.policy.id, theirs.policy.id),
            *(each for each in written if each.a != each.b),
        ]
    return list(config_changes(ours.config, theirs.config, "search."))


def _taken(one: CheckedNode, other: CheckedNode, pairs: Mapping[str, str]) -> list[Change]:
    """The ports that something else feeds; what has a double of another name is the same."""
    changes = []
    for port in dict.fromkeys((*one.sources, *other.sources)):
        ours = endpoints_of(one.sources[port]) if port in one.sources else ()
        theirs = endpoints_of(other.sources[port]) if port in other.sources else ()
        if tuple((pairs.get(name), end) for name, end in ours) != theirs:
            changes.append(Change(f"takes {port}", _ends(ours), _ends(theirs)))
    return changes


def _ends(ends: tuple[Endpoint, ...]) -> str | None:
    return ", ".join(map(text_of, ends)) or None


def _outputs(
    a: CheckedTask, b: CheckedTask, labels: tuple[Labels, Labels], pairs: Mapping[str, str]
) -> list[PartDiff]:
    """Outputs of one name are paired, and those of other names that show the same."""
    shown_a, shown_b = _ends_of(a), _ends_of(b)
    found: dict[str, str] = {name: name for name in shown_a if name in shown_b}
    for name, (node, port) in shown_a.items():
        if name not in found:
            doubles = [
                other
                for other, end in shown_b.items()
                if end == (pairs.get(node), port) and other not in found.values()
            ]
            if doubles:
                found[name] = doubles[0]
    parts = []
    for name, end in shown_a.items():
        other = found.get(name)
        changes = () if other is None else _shown(labels, end, shown_b[other], pairs)
        parts.append(PartDiff(name, other, text_of(end), changes))
    parts += [
        PartDiff(None, name, text_of(end)) for name, end in shown_b.items() if name not in found.values()
    ]
    return parts + _scores(a, b)


def _scores(a: CheckedTask, b: CheckedTask) -> list[PartDiff]:
    """The scores of both, by name."""
    ours, theirs = _scores_of(a), _scores_of(b)
    return [
        PartDiff(
            name if name in ours else None,
            name if name in theirs else None,
            ours.get(name, theirs.get(name, "")),
            (Change("scores", ours[name], theirs[name]),)
            if name in ours and name in theirs and ours[name] != theirs[name]
            else (),
        )
        for name in dict.fromkeys((*ours, *theirs))
    ]


def _scores_of(task: CheckedTask) -> dict[str, str]:
    """What the evaluation says of every score."""
    if task.evaluation is None:
        return {}
    from composer.views.text_table import scores_shown

    return {
        f"{name} (evaluation)": f"{metric} of {of}" for name, metric, of, _ in scores_shown(task.evaluation)
    }


def _texts_of(task: CheckedTask) -> dict[str, str]:
    return {name: text_of(end) for name, end in _ends_of(task).items()}


def _ends_of(task: CheckedTask) -> dict[str, Endpoint]:
    """The outputs of a task, and its loss."""
    return {**task.outputs, **({} if task.loss is None else {"loss (objective)": task.loss})}


def _shown(
    labels: tuple[Labels, Labels], ours: Endpoint, theirs: Endpoint, pairs: Mapping[str, str]
) -> tuple[Change, ...]:
    if (pairs.get(ours[0]), ours[1]) != theirs:
        return (Change("shows", text_of(ours), text_of(theirs)),)
    types = labels[0].output(ours), labels[1].output(theirs)
    return () if types[0] == types[1] else (Change("type", *types, follows=True),)
