import numpy as np
import pytest

from lastlayer.decision import Abstain, Evidence, abstention_score, choose_abstention
from tests.oracles.abstention import answered_rows, binomial_tail
from tests.shared_data import data_file


def draw(num_rows, seed=0, num_classes=4):
    """Honest probabilities and their labels: a row's label has the row's probabilities."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(num_classes, 0.1), num_rows)
    labels = (probabilities.cumsum(axis=1) < rng.random((num_rows, 1))).sum(axis=1)
    return probabilities, np.minimum(labels, num_classes - 1)


@pytest.mark.parametrize("score", ["max_probability", "margin", "entropy", "renyi_entropy"])
@pytest.mark.parametrize("accuracy", [0.8, 0.85])
def test_the_threshold_of_the_definition(accuracy, score):
    probabilities, labels = draw(150)
    rule = choose_abstention(probabilities, labels, accuracy=accuracy, confidence=0.9, score=score)
    scores = abstention_score(probabilities, score)
    right = probabilities.argmax(axis=1) == labels
    answered = answered_rows(scores.tolist(), right.tolist(), accuracy, 1 - 0.9)
    answers = rule.apply(probabilities)
    assert (answers >= 0).sum() == answered > 0
    ranked = np.sort(scores)[::-1]
    assert rule.threshold == pytest.approx((ranked[answered - 1] + ranked[answered]) / 2)
    kept = answers >= 0
    reached = (answers[kept] == labels[kept]).mean()
    assert rule.evidence == Evidence(150, "accuracy", accuracy, reached, accuracy, 0.9, answered / 150)
    assert binomial_tail(answered, int((~right[kept]).sum()), accuracy) <= 1 - 0.9


def test_every_row_may_be_answered():
    rule = choose_abstention([[0.6, 0.4]] * 200, [0] * 200, accuracy=0.9)
    assert rule.threshold == 0
    assert rule.evidence.answered == 1
    assert rule.apply([[0.5, 0.5]]).tolist() == [0]


def test_the_order_of_rows_and_their_memory_are_no_matter():
    probabilities, labels = draw(400, seed=3)
    rule = choose_abstention(probabilities, labels, accuracy=0.9)
    order = np.random.default_rng(0).permutation(400)
    given = np.asfortranarray(probabilities[order])
    given.setflags(write=False)
    assert choose_abstention(given, labels[order], accuracy=0.9) == rule
    single = choose_abstention(probabilities.astype(np.float32), labels, accuracy=0.9)
    assert single.threshold == pytest.approx(rule.threshold, abs=1e-6)


def test_one_class():
    assert choose_abstention(np.ones((30, 1)), np.zeros(30, int), accuracy=0.9) == Abstain(
        0.0, evidence=Evidence(30, "accuracy", 0.9, 1.0, 0.9, 0.95, 1.0)
    )


def test_too_few_rows_say_how_many_are_needed():
    message = (
        r"^probabilities: 99 rows, expected at least 100 for an accuracy of 0\.97 with a confidence of 0\.95, even "
    )
    with pytest.raises(ValueError, match=message):
        choose_abstention([[0.9, 0.1]] * 99, [0] * 99, accuracy=0.97)
    choose_abstention([[0.9, 0.1]] * 100, [0] * 100, accuracy=0.97)
    with pytest.raises(ValueError, match=r"^probabilities: 0 rows, expected at least 30 "):
        choose_abstention(np.ones((0, 3)), [], accuracy=0.9)


def test_a_target_that_cannot_be_met_says_what_can():
    probabilities, labels = draw(300, seed=1)
    labels[::4] = (labels[::4] + 1) % 4
    message = r"^accuracy: no threshold guarantees 0\.9 with .* 0\.95 on these 300 rows; 0\.\d+ can be, answering "
    with pytest.raises(ValueError, match=message) as caught:
        choose_abstention(probabilities, labels, accuracy=0.9)
    reachable = float(str(caught.value).split("; ")[1].split(" ")[0])
    rule = choose_abstention(probabilities, labels, accuracy=reachable)
    answered = round(rule.evidence.answered * 300)
    assert f"answering {answered} of them ({answered / 300:.1%}); ask for that" in str(caught.value)
    with pytest.raises(ValueError, match="no threshold guarantees"):
        choose_abstention(probabilities, labels, accuracy=reachable + 0.001)
    with pytest.raises(ValueError, match="nor any other accuracy"):
        choose_abstention([[0.9, 0.1]] * 200, [1] * 200, accuracy=0.9)


@pytest.mark.parametrize("bad", [0, 1, -0.1, 1.5, np.nan])
@pytest.mark.parametrize("name", ["accuracy", "confidence"])
def test_shares_that_are_none(name, bad):
    arguments = {"accuracy": 0.9, "confidence": 0.95, name: bad}
    with pytest.raises(ValueError, match=f"^{name}: received .*, expected a number above 0 and below 1"):
        choose_abstention(*draw(200), **arguments)
    with pytest.raises(TypeError, match=f"^{name}: received True"):
        choose_abstention(*draw(200), **{**arguments, name: True})


def test_labels_and_scores_that_are_none():
    probabilities, labels = draw(200)
    with pytest.raises(ValueError, match="labels: row 3 is 4, but probabilities have 4 classes"):
        choose_abstention(probabilities, np.where(np.arange(200) == 3, 4, labels), accuracy=0.9)
    with pytest.raises(ValueError, match="score: received 'energy', expected one of 'max_probability', "):
        choose_abstention(probabilities, labels, accuracy=0.9, score="energy")
    with pytest.raises(ValueError, match=r"probabilities: row 0 has -1 for class 0.*softmax\(logits\)"):
        choose_abstention([[-1.0, 2.0]], [0], accuracy=0.9)


def test_a_network_that_is_too_sure_of_itself():
    """A WideResNet on CIFAR-100, right on .754 of the rows: chosen on half of them, kept on the others."""
    with np.load(data_file("wideresnet-cifar100.npz")) as file:
        probabilities, labels = file["predictions"], file["ground_truth"].ravel()
    half = np.random.default_rng(0).permutation(len(labels)) < len(labels) // 2
    rule = choose_abstention(probabilities[half], labels[half], accuracy=0.9)
    answers = rule.apply(probabilities[~half])
    kept = answers >= 0
    assert (answers[kept] == labels[~half][kept]).mean() > 0.9
    assert 0.6 < kept.mean() < 0.75
