import numpy as np

import lastlayer as ll
from tests.report.reading import Page


def test_an_evaluation_shows_itself():
    result = ll.evaluate([[0.9, 0.1], [0.4, 0.6]], ["<script>", "b"], classes=["<script>", "b"], intervals=0.9)
    text = result._repr_html_()
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    row = next(row for row in page.rows if row[0] == "Log-loss")
    low, high = result.log_loss_interval
    assert row[1:3] == [f"{result.log_loss:.4f}", f"{low:.4f} to {high:.4f}"]
    assert "svg" in {tag for tag, _ in page.tags}
    assert len(text) < 10_000


def test_many_labels_show_themselves():
    result = ll.evaluate_labels([[0.9, 0.2], [0.6, 0.7]], np.eye(2))
    page = Page(result._repr_html_())
    assert next(row for row in page.rows if row[0] == "Micro F1")[1] == f"{result.micro_f1:.4f}"
