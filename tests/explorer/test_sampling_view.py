"""Many classes: the answer against sampled_cross_entropy, enumeration and the copied Python."""

import contextlib
import io
import re
from html import unescape
from itertools import combinations
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import pytest

import lastlayer as ll
from lastlayer.explorer import sampling_view
from lastlayer.explorer.fields import Refused, read_state
from lastlayer.explorer.sampling_setting import losses_of_draws, sampler_of, setting_code, setting_of
from lastlayer.explorer.sampling_view import SAMPLING
from tests.oracles import softmax as oracle


def answer(**state):
    return SAMPLING.answer(read_state(SAMPLING.fields, state), None)


def executed(code):
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code, names)
    return names


@pytest.mark.parametrize("sampler", ["Uniform", "LogUniform", "Unigram"])
@pytest.mark.parametrize("remove", [True, False])
def test_losses_of_redraws_are_sampled_cross_entropy_of_each(sampler, remove):
    setting, source = setting_of(50, 3, 7), sampler_of(sampler, 50, 3)
    head = executed(setting_code(50, 3, 7))
    draws = [source.sample(20) for _ in range(8)]
    assert any(setting.label in drawn.indices for drawn in draws)
    found = losses_of_draws(setting, draws, remove)

    def loss(drawn, counts, of_labels):
        candidates = ll.samplers.Candidates(drawn.indices, counts, of_labels)
        rows = head["features"], head["weight"], [7], candidates
        return ll.sampled_cross_entropy(*rows, bias=head["bias"], remove_accidental_hits=remove)[0]

    none = lambda labels: np.zeros(labels.shape)  # noqa: E731
    expected = {
        "once": [loss(drawn, drawn.log_expected_count, none) for drawn in draws],
        "both": [loss(drawn, drawn.log_expected_count, drawn.of_labels) for drawn in draws],
        "none": [loss(drawn, np.zeros(20), none) for drawn in draws],
    }
    for name, losses in expected.items():
        np.testing.assert_allclose(found[name], losses, rtol=1e-13)


def test_the_full_loss_is_that_of_the_definition():
    setting = setting_of(20, 2, 4)
    np.testing.assert_allclose(np.exp(-setting.full_loss), float(oracle.softmax(setting.logits)[4]), rtol=1e-13)


# Every draw of 3 of 7 classes, each as likely, in place of chance.
SUBSETS = list(combinations(range(7), 3))
COUNTS = np.log(np.full(3, 3 / 7))


def of_every_draw(label, remove):
    setting = setting_of(7, 1, label)
    draws = [ll.samplers.Candidates(s, COUNTS, lambda k: np.log(np.full(k.shape, 3 / 7))) for s in SUBSETS]
    return setting, losses_of_draws(setting, draws, remove)


def test_the_sum_with_the_label_once_is_unbiased_and_its_loss_is_not():
    setting, losses = of_every_draw(2, remove=True)
    np.testing.assert_allclose(np.exp(losses["once"] - setting.full_loss).mean(), 1, rtol=1e-12)
    assert losses["once"].mean() < setting.full_loss
    assert losses["both"].mean() < losses["once"].mean()


def test_a_kept_hit_adds_the_probability_of_the_label_to_the_sum():
    setting, losses = of_every_draw(2, remove=False)
    expected = 1 + np.exp(-setting.full_loss)
    np.testing.assert_allclose(np.exp(losses["once"] - setting.full_loss).mean(), expected, rtol=1e-12)
    said = answer(classes=100, candidates=20, sampler="Uniform", label=3, remove=False)
    assert f"1 + p = 1 + {np.exp(-said['full']):.4f}" in said["text"]["sum"]


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"sampler": "Unigram", "remove": False, "seed": 5, "label": 0},
        {"sampler": "Uniform", "classes": 2, "candidates": 1, "label": "1"},
        {"classes": 9, "candidates": 9},
    ],
)
def test_the_copied_python_gives_the_shown_losses(state):
    shown = answer(**state)
    names = executed(shown["python"])
    np.testing.assert_allclose(names["full"], shown["full"], rtol=1e-12)
    for name, variable in (("once", "label_once"), ("both", "label_too"), ("none", "uncorrected")):
        np.testing.assert_allclose(names[variable], shown["corrections"][name]["first"], rtol=1e-12)


def test_numbers_of_the_first_state():
    shown = answer()
    assert shown["label"] == 100
    assert shown["text"]["full"] == "8.0271"
    assert shown["text"]["corrections"]["both"] == ["6.0769", "6.0039 ± 0.0050", "-2.0232", "0.0504"]
    assert sum(shown["corrections"]["both"]["histogram"]) == 100


def test_trap_21_all_classes_are_the_full_softmax():
    shown = answer(classes=5, candidates=100)
    assert shown["every"].startswith("S reaches K: every class is taken once. This is the full softmax")
    assert shown["text"]["redraws"].startswith("One draw")
    for found in shown["corrections"].values():
        assert found["first"] == pytest.approx(shown["full"], rel=1e-12)
    kept = answer(classes=5, candidates=100, remove=False)
    assert "no loss is the full loss" in kept["every"]
    assert kept["corrections"]["once"]["first"] == pytest.approx(kept["full"] + np.log1p(np.exp(-kept["full"])))


def test_many_candidates_are_drawn_fewer_times():
    assert answer(classes=30_000, candidates=20_000)["text"]["redraws"].startswith("10 draws")
    assert answer()["text"]["redraws"].startswith("100 draws")


def test_rows_go_from_the_first_candidate_to_the_last_with_the_label():
    rows = answer(classes=100, candidates=99, sampler="LogUniform", label=50)["rows"]
    classes = [int(row["cells"][0]) for row in rows]
    assert len(classes) == 13
    assert (classes[0], classes[-1]) == (0, 98 if 99 not in classes else 99)
    assert classes == sorted(classes)
    (hit,) = [row for row in rows if row["hit"]]
    assert (hit["cells"][0], hit["cells"][-1]) == ("50", "-inf")


def test_ticks_are_logarithms_of_ranks():
    shown = answer(classes=100, candidates=100, label=9)
    assert shown["ticks"][:3] == [0, round(1000 * np.log(2) / np.log(100)), round(1000 * np.log(3) / np.log(100))]
    assert shown["ticks"][-1] == 1000
    assert shown["label_tick"] == 500


def test_presets():
    html = Path(sampling_view.__file__).with_name("pages").joinpath("sampling.html").read_text(encoding="utf-8")
    addresses = [unescape(found) for found in re.findall(r'href="/sampling\?([^"]+)"', html)]
    assert len(addresses) == 5
    shown = [answer(**dict(parse_qsl(address, strict_parsing=True))) for address in addresses]
    assert shown[0]["corrections"] == answer()["corrections"]
    assert [bool(each["every"]) for each in shown] == [False, False, False, False, True]
    assert len({each["full"] for each in shown}) == 5


def test_a_state_out_of_bounds_is_refused():
    with pytest.raises(Refused, match="classes: received 1, expected a whole number from 2 to 1000000"):
        answer(classes=1)
    with pytest.raises(Refused, match=r"label: received 5, but there are 5 classes \(0 to 4\)"):
        answer(classes=5, label=5)
