"""A decision rule as info, decide and evaluate print it in JSON: the same keys for every kind of rule."""

from dataclasses import asdict, fields
from typing import Any

from lastlayer.decision import Evidence, Rule, rule_in_words, rule_parts

_PARTS = ("score", "threshold", "chance", "cost", "abstain_cost")


def decision_document(rule: Rule) -> dict[str, Any]:
    """The kind of `rule`, its words, its parts and its evidence; null for what it has not."""
    parts, arrays = rule_parts(rule)
    known = parts | {name: array.tolist() for name, array in arrays.items()}
    evidence = dict.fromkeys(field.name for field in fields(Evidence))
    evidence |= {} if rule.evidence is None else asdict(rule.evidence)
    return {
        "kind": parts["kind"],
        "in_words": rule_in_words(rule),
        **{name: known.get(name) for name in _PARTS},
        "evidence": evidence,
    }
