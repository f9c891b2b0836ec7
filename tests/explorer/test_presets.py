"""The worked examples that the first view starts from: their numbers, to the printed digits."""

from urllib.parse import parse_qs, urlsplit

import pytest

from lastlayer.explorer.fields import read_state
from lastlayer.explorer.presets import PRESETS, preset_links
from lastlayer.explorer.scores_view import SCORES

# By preset: probabilities and how many decimals were printed. The first four from "softmax activation tutorial",
# "interactive page, explaining softmax" and "softmax in minutes"; of the others the articles print no softmax: theirs
# are tests/oracles/softmax.py's.
PRINTED = {
    "three logits": ([0.659, 0.242, 0.099], 3),
    "beta = 500": ([0.0, 0.9933, 0.0067], 4),
    "beta = 1": ([0.3256, 0.3389, 0.3355], 4),
    "the bear classifier": ([0.001, 0.04, 0.008, 0.95, 0.001], 3),
    "five fruits": ([0.0927, 0.145, 0.0921, 0.2586, 0.4116], 4),
    "cat, dog, cow, zebra": ([0.4236, 0.5718, 0.0035, 0.0011], 4),
}


def answer_of(preset):
    """What the page of the preset's link is answered."""
    query = parse_qs(urlsplit(preset.address).query)
    state = {name: values if name in ("class", "score") else values[0] for name, values in query.items()}
    return SCORES.answer(read_state(SCORES.fields, state), None)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_the_printed_probabilities(preset):
    printed, decimals = PRINTED[preset.name]
    assert [round(p, decimals) + 0 for p in answer_of(preset)["softmax"]] == printed


def test_the_printed_exponentials():
    three, beta_500, beta_1 = (answer_of(preset)["text"] for preset in PRESETS[:3])
    assert [round(float(text), 3) for text in three["steps"]["exponential"]] == [7.389, 2.718, 1.105]
    assert beta_500["steps"]["exponential"] == ["10^206.290", "10^214.976", "10^212.804"]
    assert [round(float(text), 2) for text in beta_1["steps"]["exponential"]] == [2.59, 2.69, 2.66]
    assert round(float(beta_1["sum"]["exponential"]), 2) == 7.94


def test_links_are_escaped():
    assert 'href="/scores?class=0&amp;class=1' in preset_links()
