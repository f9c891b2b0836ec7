"""Rules that say "don't know": is the accuracy they were chosen for kept, what does it cost, and by which score.

A head is fitted on clinc150's train rows of known intents, less a tenth that calibrates it. The val and test rows of
known intents are split again and again, a rule is chosen on as many as val has and judged on the others. The plug-in
rule is the lowest threshold at which the rows that it was chosen on reach the accuracy themselves. The rows of a
WideResNet on CIFAR-100 are split in the same way.

The scores are judged by the AUROC between rows of known intents and those out of scope, of test, and between right and
wrong answers. Those of logits and features are no scores of a rule, which is given probabilities.
"""

import os
from pathlib import Path

import numpy as np
from scipy.stats import binom, rankdata

import lastlayer as ll
from lastlayer.decision import ABSTENTION_SCORES

# Accuracies to reach, each with a confidence.
PROMISES = ((0.9, 0.95), (0.95, 0.95), (0.97, 0.95), (0.97, 0.99), (0.99, 0.95))
_RESPLITS, _CHOSEN_ON = 20, 3000
# Of the resplits' head, and of the table of scores.
_C, _CS = 30.0, (10.0, 30.0, 100.0)


def measure(*, quick):
    intents, images = _clinc150(quick), _cifar100()
    heads = {} if intents is None else {C: _Head(intents, C) for C in ((_C,) if quick else _CS)}
    pools = {}
    if heads:
        known = intents["known"] & np.isin(intents["split"], ("val", "test"))
        pools["clinc150"] = heads[_C].probabilities[known], heads[_C].labels[known]
    if images is not None:
        pools["wideresnet-cifar100"] = images
    rules = [
        {"data": name, "score": score, **_resplits(*pool, score, *promise, 5 if quick else _RESPLITS)}
        for name, pool in pools.items()
        for score in (ABSTENTION_SCORES[:1] if quick else ABSTENTION_SCORES)
        for promise in PROMISES
    ]
    _print_rules(rules)
    scores = {f"clinc150, C = {C:g}": _scores_of_intents(intents, head) for C, head in heads.items()}
    if not quick and heads:
        scores["clinc150, features"] = _scores_of_features(intents)
        scores["clinc150, sigmoid heads"] = _scores_of_sigmoids(intents)
    if images is not None:
        scores["wideresnet-cifar100"] = _scores_of_images(*images)
    _print_scores(scores)
    return {"rules": rules, "scores": scores}


class _Head:
    """A head of known intents, calibrated on a tenth of train: its probabilities and logits of all rows."""

    def __init__(self, intents, C):
        train = np.flatnonzero(intents["known"] & (intents["split"] == "train"))
        held_out = np.random.default_rng(0).permutation(len(train)) < len(train) // 10
        X, y = intents["X"], intents["y"]
        model = ll.SoftmaxClassifier(C=C).fit(X[train[~held_out]], y[train[~held_out]])
        model.calibrate(X[train[held_out]], y[train[held_out]])
        self.probabilities = model.predict_proba(X)
        self.logits = model.beta_ * model.decision_function(X)
        self.labels = np.searchsorted(model.classes_, y) % len(model.classes_)  # no class where out of scope


def _resplits(probabilities, labels, score, accuracy, confidence, resplits):
    """How a rule for `accuracy` with `confidence` fares on rows that it was not chosen on, over so many splits."""
    figures = {"guaranteed": [], "plug_in": []}
    for seed in range(resplits):
        order = np.random.default_rng(seed).permutation(len(labels))
        chosen, judged = order[:_CHOSEN_ON], order[_CHOSEN_ON:]
        try:
            rule = ll.decision.choose_abstention(
                probabilities[chosen], labels[chosen], accuracy=accuracy, confidence=confidence, score=score
            )
        except ValueError:
            rule = None
        naive = ll.decision.Abstain(_plug_in(probabilities[chosen], labels[chosen], score, accuracy), score)
        for name, made in (("guaranteed", rule), ("plug_in", naive)):
            figures[name].append(_judged(made, probabilities, labels, chosen, judged))
    own, naive = (np.array(figures[name]) for name in ("guaranteed", "plug_in"))
    given_up = naive[:, 0] - own[:, 0]
    return {
        "accuracy": accuracy,
        "confidence": confidence,
        "resplits": resplits,
        "refused": int((own[:, 0] == 0).sum()),
        "kept": int((own[:, 2] >= accuracy).sum()),
        "kept_by_plug_in": int((naive[:, 2] >= accuracy).sum()),
        # An exact test of 5 %: the judged rows have chance of their own.
        "refuted": int((binom.cdf(own[:, 4], own[:, 3], accuracy) < 0.05).sum()),
        "coverage": float(own[:, 1].mean()),
        "reached": float(own[:, 2].mean()),
        "least_reached": float(own[:, 2].min()),
        "coverage_given_up": float(given_up.mean()),
        "most_coverage_given_up": float(given_up.max()),
    }


def _judged(rule, probabilities, labels, chosen, judged):
    """Share answered where the rule was chosen and where it is judged; accuracy there, of how many, how many right."""
    if rule is None:
        return 0.0, 0.0, 1.0, 0, 0
    answers = rule.apply(probabilities[judged])
    answered = answers >= 0
    right = (answers == labels[judged])[answered]
    share = (rule.apply(probabilities[chosen]) >= 0).mean()
    return share, answered.mean(), right.mean() if right.size else 1.0, right.size, right.sum()


def _plug_in(probabilities, labels, score, accuracy):
    scores = ll.decision.abstention_score(probabilities, score)
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum((probabilities.argmax(axis=1) == labels)[order])
    ends = np.append(np.diff(scores[order]) < 0, True)
    reached = np.flatnonzero(ends & (right >= accuracy * np.arange(1, len(right) + 1)))
    return scores[order][reached[-1]] if reached.size else 1.0


def _auroc(scores, positive):
    """How often a positive row scores above a negative one, ties half: the Mann-Whitney statistic."""
    ranks, number = rankdata(scores), positive.sum()
    return float((ranks[positive].sum() - number * (number + 1) / 2) / (number * (~positive).sum()))


def _pair(scores, known, right):
    """AUROC of known against out of scope, and of right against wrong answers among the known."""
    return {"unknown": _auroc(scores, known), "wrong": _auroc(scores[known], right[known])}


def _scores_of_intents(intents, head):
    test = intents["split"] == "test"
    known, right = intents["known"][test], (head.probabilities.argmax(axis=1) == head.labels)[test]
    scores = {score: ll.decision.abstention_score(head.probabilities[test], score) for score in ABSTENTION_SCORES}
    scores["energy (logits)"] = ll.logsumexp(head.logits[test])
    scores["largest logit"] = head.logits[test].max(axis=1)
    return {name: _pair(values, known, right) for name, values in scores.items()}


def _scores_of_features(intents):
    """Distances to the nearest class mean, under the covariance within classes, and less the distance to the mean."""
    X, y = intents["X"].astype(np.float64), intents["y"]
    train, test = intents["known"] & (intents["split"] == "train"), intents["split"] == "test"
    classes, label = np.unique(y[train], return_inverse=True)
    means = np.stack([X[train][label == k].mean(axis=0) for k in range(len(classes))])
    ridge = 1e-4 * np.eye(X.shape[1])
    within = _squared_distances(X[test], means, np.cov((X[train] - means[label]).T) + ridge)
    background = _squared_distances(X[test], X[train].mean(axis=0)[None], np.cov(X[train].T) + ridge)
    right = classes[within.argmin(axis=1)] == y[test]
    scores = {"distance": -within.min(axis=1), "relative distance": background[:, 0] - within.min(axis=1)}
    return {name: _pair(values, intents["known"][test], right) for name, values in scores.items()}


def _squared_distances(rows, means, covariance):
    factor = np.linalg.cholesky(np.linalg.inv(covariance))
    rows, means = rows @ factor, means @ factor
    return (rows**2).sum(axis=1)[:, None] - 2 * rows @ means.T + (means**2).sum(axis=1)


def _scores_of_sigmoids(intents):
    X, y = intents["X"], intents["y"]
    train, test = intents["known"] & (intents["split"] == "train"), intents["split"] == "test"
    classes = np.unique(y[train])
    logits = ll.SigmoidClassifier(C=_C).fit(X[train], (y[train][:, None] == classes).astype(int)).decision_function(X)
    right = classes[logits.argmax(axis=1)] == y
    return {"largest": _pair(logits[test].max(axis=1), intents["known"][test], right[test])}


def _scores_of_images(probabilities, labels):
    right = probabilities.argmax(axis=1) == labels
    return {
        score: {"wrong": _auroc(ll.decision.abstention_score(probabilities, score), right)}
        for score in ABSTENTION_SCORES
    }


def _print_rules(rules):
    print(f"rules chosen on {_CHOSEN_ON} rows and judged on the others; refuted: by a test of 5 %; shares in %\n")
    print(
        f"{'data':21}{'score':17}{'for':>4}{'with':>6}{'kept':>10}{'refuted':>9}{'plug-in kept':>14}{'accuracy':>10}"
        f"{'answered':>10}  given up, most"
    )
    for r in rules:
        print(
            f"{r['data']:21}{r['score']:17}{r['accuracy']:4.0%}{r['confidence']:6.0%}{r['kept']:4} of {r['resplits']:2}"
            f"{r['refuted']:9}{r['kept_by_plug_in']:14}{100 * r['reached']:10.2f}{100 * r['coverage']:10.1f}"
            f"{100 * r['coverage_given_up']:10.1f}{100 * r['most_coverage_given_up']:6.1f}"
            + (f"   refused {r['refused']} times" if r["refused"] else "")
        )


def _print_scores(scores):
    print(f"\nAUROC{'':36}out of scope     wrong")
    for data, each in scores.items():
        for name, values in each.items():
            unknown = f"{values['unknown']:.4f}" if "unknown" in values else ""
            print(f"{data:24}{name:17}{unknown:>12}{values['wrong']:10.4f}")


def _clinc150(quick):
    """Features, intents, splits and whether an intent is known, or None; fewer features for a look."""
    import polars as pl

    path = _folder() / "clinc150.parquet"
    if not path.exists():
        print(f"{path}: not there")
        return None
    frame = pl.read_parquet(path)
    X = np.array(frame["embedding"].to_list(), np.float32)
    y = np.array(frame["intent"].to_list())
    known = y != "out_of_scope"
    return {"X": X[:, :96] if quick else X, "y": y, "split": np.array(frame["split"].to_list()), "known": known}


def _cifar100():
    """Probabilities and labels, or None."""
    path = _folder() / "wideresnet-cifar100.npz"
    if not path.exists():
        print(f"{path}: not there")
        return None
    with np.load(path) as file:
        return file["predictions"], file["ground_truth"].ravel()


def _folder():
    return Path(os.environ.get("LASTLAYER_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
