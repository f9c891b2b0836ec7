"""What a head remembers of how it was made."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Training:
    """The rows that made a head, and the columns that they came from; None where that is not known.

    Attributes:
      rows: how many it was fitted on.
      held_out_rows: how many it was calibrated on; 0 if it is not calibrated.
      log_loss_before: their mean log-loss, in nats, at beta = 1.
      log_loss_after: the same at the beta that calibration chose.
      label: name of the column of labels.
      features: name of the one column of lists that the features came from. Features in columns of their own have
        their names in `feature_names_in_`.
      monitor_rows: how many of `rows` a sampled fit has held out to see how good the head is, and when to stop.
      monitor_log_loss: the mean full softmax log-loss of these, in nats, at beta = 1.
    """

    rows: int | None = None
    held_out_rows: int = 0
    log_loss_before: float | None = None
    log_loss_after: float | None = None
    label: str | None = None
    features: str | None = None
    monitor_rows: int = 0
    monitor_log_loss: float | None = None

    def __post_init__(self) -> None:
        """Refuse what a damaged or hostile file may hold."""
        for name, kinds in _KINDS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, kinds):
                raise TypeError(f"{name} of its training is {value!r}")


_COUNT, _FIGURE, _NAME = int | None, int | float | None, str | None
_KINDS = {
    "rows": _COUNT,
    "held_out_rows": int,
    "log_loss_before": _FIGURE,
    "log_loss_after": _FIGURE,
    "label": _NAME,
    "features": _NAME,
    "monitor_rows": int,
    "monitor_log_loss": _FIGURE,
}
