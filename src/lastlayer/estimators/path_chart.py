"""A path of C as text: a line for each value, its held-out log-loss as a figure and as a mark."""

import math

from lastlayer.estimators.c_path import CPath

# Lines at most; of longer paths some values are left out, never the best or the chosen one.
_MOST_LINES = 24
# The right edge stands for this many times the least log-loss, or for the largest one if that is less.
_EDGE = 2.0
_NARROWEST = 10


def path_chart(path: CPath, width: int = 80) -> str:
    """Lines of at most `width` columns, in ASCII: * is the chosen C, + the best if another one is, o the others.

    Marks stand the further to the right the higher the log-loss is; > is beyond the edge, at twice the least. A figure
    with > is that of a head on the way to its optimum, where the log-loss is higher.
    """
    losses = path.mean_log_losses
    step = math.ceil(len(losses) / _MOST_LINES)
    shown = [i for i in range(len(losses)) if i % step == 0 or i in (path.best, path.chosen, len(losses) - 1)]
    names = [f"{path.Cs[i]:.3g}" for i in shown]
    figures = [f"{'' if path.followed[i].all() else '>'}{losses[i]:.4f}" for i in shown]
    first, second = max(map(len, [*names, "C"])), max(map(len, [*figures, "log-loss"]))
    room = max(_NARROWEST, width - first - second - 5)
    least = losses[path.best]
    edge = min(float(losses[shown].max()), _EDGE * float(least))
    lines = [f"{'C':>{first}}  {'log-loss':>{second}}"]
    for i, name, figure in zip(shown, names, figures, strict=True):
        place = (losses[i] - least) / (edge - least) * (room - 1) if edge > least else 0.0
        mark = "*" if i == path.chosen else "+" if i == path.best else ">" if losses[i] > edge else "o"
        column = int(min(place, room - 1)) if math.isfinite(place) else room - 1
        lines.append(f"{name:>{first}}  {figure:>{second}}  |{' ' * column}{mark}")
    return "\n".join(lines)
