"""Why batches hold as many generated rows as they do, in words."""

from __future__ import annotations

from synth_replay.buffers.generated_share import AdaptiveRule, Moment, ShareRule
from synth_replay.buffers.validation import FidelityGate


def why(
    rule: ShareRule,
    moment: Moment,
    gate: FidelityGate | None = None,
    due_at: int | None = None,
    refreshing: bool = False,
) -> str:
    """Returns why batches hold that many generated rows, as a sentence.

    Args:
        rule: Share of generated rows.
        moment: What the rule looks at.
        gate: The gate that generated rows pass, where the rule wants some.
        due_at: Environment step of the next refit, where there are no generated rows yet.
        refreshing: Whether a refresh runs in the background.
    """
    if gate is not None and gate.closed:
        return f"Generated rows are kept out: their fidelity {gate.ratio:.3f} is below {gate.floor}."
    if gate is not None and due_at is not None and refreshing:
        return "No generated rows yet: the first refresh runs in the background."
    if gate is not None and due_at is not None:
        return f"No generated rows yet: the first refit is due at environment step {due_at:,}."
    if isinstance(rule, AdaptiveRule):
        return rule.reason(moment)
    return f"{rule.generated(moment):.0%} of each batch is generated, as asked for."
