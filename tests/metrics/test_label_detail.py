import numpy as np
import scipy.sparse as sp

import lastlayer as ll
from lastlayer.metrics import DetailedLabelAccumulator
from lastlayer.metrics.label_detail import cell_of


def problem(rows=120, labels=4, seed=3):
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((rows, labels)) * 2
    answers = rng.random((rows, labels)) < ll.sigmoid(logits)
    answers[:, 3] = False  # no row has it
    return logits, answers, rng.integers(0, 3, rows).astype(float)


def test_blocks_of_weighted_rows_are_repeated_rows():
    logits, answers, weight = problem()
    blocks, repeated = DetailedLabelAccumulator(np.arange(4)), DetailedLabelAccumulator(np.arange(4))
    for start in range(0, 120, 17):
        part = slice(start, start + 17)
        blocks.add_logits(logits[part], sp.csr_array(answers[part]), weight[part], before=logits[part] / 2)
    again = np.repeat(np.arange(120), weight.astype(int))
    repeated.add_logits(logits[again], answers[again], before=logits[again] / 2)
    (_, found), (_, expected) = blocks.result(), repeated.result()
    np.testing.assert_array_equal(found.present, expected.present)
    np.testing.assert_array_equal(found.absent, expected.absent)
    np.testing.assert_allclose(found.macro_f1, expected.macro_f1, rtol=1e-12)
    np.testing.assert_allclose(found.before.accuracy, expected.before.accuracy, rtol=1e-12)
    np.testing.assert_allclose(found.before.confidence, expected.before.confidence, rtol=1e-12)
    assert found.weight == expected.weight == weight.sum()


def test_mistakes_are_the_answers_that_were_surest_and_wrong():
    logits, answers, _ = problem()
    accumulator = DetailedLabelAccumulator(np.arange(4))
    for start in (0, 50):
        part = slice(start, 50 if start == 0 else None)
        accumulator.add_logits(logits[part], answers[part], describe=lambda row, start=start: {"at": row + start})
    _, detail = accumulator.result()
    p = ll.sigmoid(logits)
    wrong = np.where(answers, 1 - p, p)
    expected = np.sort(wrong[wrong > 0.5])[::-1][:50]
    np.testing.assert_allclose([mistake.confidence for mistake in detail.mistakes], expected, rtol=1e-12)
    for mistake in detail.mistakes:
        assert mistake.of_label == p[mistake.row, mistake.predicted]
        assert mistake.label == answers[mistake.row, mistake.predicted]
        assert mistake.kept == {"at": mistake.row}


def test_the_edge_of_a_cell_belongs_to_the_cell_below():
    edges = np.arange(201) / 200
    assert cell_of(edges, 200).tolist() == [0, *range(200)]
    above = np.nextafter(edges[:-1], 1)
    assert cell_of(above, 200).tolist() == list(range(200))
