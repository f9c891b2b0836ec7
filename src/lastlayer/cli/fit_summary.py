"""What `lastlayer fit` says of a fit that is done."""

from collections.abc import Mapping
from typing import Any

from lastlayer.cli.printing import beta_in_words
from lastlayer.tables import FeatureColumns


def fit_in_words(
    summary: Mapping[str, Any], columns: FeatureColumns, certificate: str, output: str
) -> list[tuple[str, str]]:
    """Pairs of a name and a value, from the summary as JSON has it, the features, the certificate and the file."""
    held = summary["held_out_rows"]
    rows = f"{summary['rows']:,}" + (f" fitted, {held:,} held out for calibration" if held else " fitted")
    pairs = [
        ("rows", rows),
        *_classes(summary),
        ("features", f"{summary['features']:,} ({columns})"),
        ("C", _readable_C(summary)),
        ("objective", f"{summary['objective']:.6f}{' over all labels' * summary['many_labels']}, {certificate}"),
        ("iterations", f"{summary['iterations']:,} ({summary['stopped']})"),
    ]
    if summary["monitor_log_loss"] is not None:
        monitored = f"{summary['monitor_log_loss']:.4f} on {summary['monitor_rows']:,} of the fitted rows, not learnt"
        pairs[4:] = [
            ("candidates", f"{summary['candidates']:,}"),
            ("passes", f"{summary['iterations']:,} ({summary['stopped']})"),
            ("full softmax", monitored),
        ]
    if held:
        pairs.append(
            (
                "log-loss",
                f"{summary['log_loss_before']:.4f} on held-out rows, {summary['log_loss_after']:.4f} calibrated",
            )
        )
        pairs.append(("beta", beta_in_words(summary["beta"])))
    else:
        pairs.append(("beta", "1 (not calibrated)"))
    return [*pairs, ("seconds", f"{summary['seconds']:.2f}"), ("model", str(output))]


def _classes(summary):
    if not summary["many_labels"]:
        return [("classes", f"{summary['num_classes']:,}")]
    a_row = "" if summary["labels_per_row"] is None else f", {summary['labels_per_row']:.2f} a row"
    return [("labels", f"{summary['num_classes']:,}{a_row}")]


def _readable_C(summary):  # noqa: N802
    text = f"{summary['C']:g}" + (", features standardized" if summary["standardized"] else "")
    if "path" not in summary:
        return text
    path = summary["path"]
    judged = f"{path['folds']} folds" if path["folds"] > 1 else "validation rows"
    return f"{text}, of {len(path['C'])} values the least log-loss ({min(path['log_loss']):.4f}) on {judged}"
