"""A made-up example among K classes of Zipf's frequencies, and its losses of drawn classes in place of all."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lastlayer.losses import cross_entropy
from lastlayer.samplers import Candidates, LogUniform, Sampler, Uniform, Unigram

SAMPLERS = ("LogUniform", "Uniform", "Unigram")
# How the expected counts are taken out of the logits.
CORRECTIONS = ("once", "both", "none")

_NUM_FEATURES = 4


@dataclass(frozen=True, eq=False)
class Setting:
    """One example under a head.

    Attributes:
      label: its class.
      logits: (K,).
      full_loss: of the softmax over all classes, in nats.
    """

    label: int
    logits: NDArray[np.float64]
    full_loss: float


def setting_of(num_classes: int, seed: int, label: int) -> Setting:
    """The example and the head of a seed; `setting_code` writes the same."""
    logits = _logits_of(num_classes, seed)
    return Setting(label, logits, float(cross_entropy(logits[None], [label])[0]))


@lru_cache(maxsize=8)
def _logits_of(num_classes, seed):
    rng = np.random.default_rng(seed)
    features, weight = rng.standard_normal((1, _NUM_FEATURES)), rng.standard_normal((num_classes, _NUM_FEATURES))
    logits = (features @ weight.T)[0] - np.log(np.arange(1, num_classes + 1))
    logits.flags.writeable = False
    return logits


def setting_code(num_classes: int, seed: int, label: int) -> str:
    """Python that makes the setting's features, weight and bias, and `full`, its loss."""
    return (
        "import numpy as np\nimport lastlayer as ll\n\n"
        f"K, label, rng = {num_classes}, {label}, np.random.default_rng({seed})\n"
        f"features, weight = rng.standard_normal((1, {_NUM_FEATURES})), rng.standard_normal((K, {_NUM_FEATURES}))\n"
        "bias = -np.log(np.arange(1, K + 1))\n"
        "full = ll.linear_cross_entropy(features, weight, [label], bias=bias)[0]\n"
    )


def sampler_of(name: str, num_classes: int, seed: int) -> Sampler:
    """The sampler of a name; Unigram knows the frequencies."""
    if name == "Unigram":
        return Unigram(1 / np.arange(1, num_classes + 1), random_state=seed)
    return (LogUniform if name == "LogUniform" else Uniform)(num_classes, random_state=seed)


def losses_of_draws(setting: Setting, draws: list[Candidates], remove: bool) -> dict[str, NDArray[np.float64]]:
    """(R,) losses of R draws by correction: sampled_cross_entropy of each draw, in one softmax for all.

    "once" leaves the label's own logit as it is, "both" takes its expected count out of it as well, as
    sampled_cross_entropy does with the candidates of a sampler, and "none" takes out nothing.
    """
    indices = np.stack([drawn.indices for drawn in draws])
    counts = np.stack([drawn.log_expected_count for drawn in draws])
    logits = setting.logits[indices]
    if remove:
        logits[indices == setting.label] = -np.inf
    own = setting.logits[setting.label]
    own_count = draws[0].log_expected_count_of(np.array([setting.label]))[0]
    labels = np.zeros(len(draws), np.int64)
    cases = {"once": (own, logits - counts), "both": (own - own_count, logits - counts), "none": (own, logits)}
    return {
        name: cross_entropy(np.concatenate([np.full((len(draws), 1), mine), others], axis=1), labels)
        for name, (mine, others) in cases.items()
    }
