"""What "copy as Python" gives of the view of many classes: the example, its full loss, and those of the first draw."""

from typing import Any

from lastlayer.explorer.sampling_setting import setting_code

_ZEROS = "lambda labels: np.zeros(labels.shape)"


def as_python(state: dict[str, Any], label: int) -> str:
    """Code that runs as it stands and gives the losses shown.

    Args:
      state: of the view.
      label: the class of the example.
    """
    loss = (
        f"ll.sampled_cross_entropy(features, weight, [label], {{}}, bias=bias, "
        f"remove_accidental_hits={state['remove']})[0]"
    )
    return (
        setting_code(state["classes"], state["seed"], label)
        + _drawn(state)
        + f"once = ll.samplers.Candidates(drawn.indices, drawn.log_expected_count, {_ZEROS})\n"
        + f"none = ll.samplers.Candidates(drawn.indices, np.zeros(len(drawn.indices)), {_ZEROS})\n"
        + f"label_once = {loss.format('once')}\n"
        + f"label_too = {loss.format('drawn')}\n"
        + f"uncorrected = {loss.format('none')}\n"
        + 'print(f"full {full:.4f}, label counted once {label_once:.4f}, '
        + 'label corrected too {label_too:.4f}, uncorrected {uncorrected:.4f}")\n'
    )


def _drawn(state):
    count = state["candidates"]
    if count >= state["classes"]:
        return (
            f"# {count} candidates for {state['classes']} classes: all of them, the full softmax.\n"
            f"drawn = ll.samplers.Candidates(np.arange(K), np.zeros(K), {_ZEROS})\n"
        )
    of = "1 / np.arange(1, K + 1)" if state["sampler"] == "Unigram" else "K"
    return f"drawn = ll.samplers.{state['sampler']}({of}, random_state={state['seed']}).sample({count})\n"
