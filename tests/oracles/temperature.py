"""The mean loss of softmax(beta z) and its derivatives in beta, from the definition, in 60 digits."""

import mpmath


def mean_loss(logits, labels, weights, beta):
    """Weighted mean of -ln softmax(beta z)[label]; -inf entries have no part."""
    with mpmath.workdps(60):
        losses = []
        for row, label in zip(logits, labels, strict=True):
            exponentials = [mpmath.exp(beta * mpmath.mpf(z)) for z in row if z != -mpmath.inf]
            losses.append(mpmath.log(mpmath.fsum(exponentials)) - beta * mpmath.mpf(row[label]))
        total = mpmath.fsum(mpmath.mpf(w) * loss for w, loss in zip(weights, losses, strict=True))
        return total / mpmath.fsum(map(mpmath.mpf, weights))


def slope(logits, labels, weights, beta):
    """The derivative of `mean_loss`, by moments: mean of E_p[z] - z(label)."""
    with mpmath.workdps(60):
        terms = []
        for row, label in zip(logits, labels, strict=True):
            possible = [mpmath.mpf(z) for z in row if z != -mpmath.inf]
            exponentials = [mpmath.exp(beta * z) for z in possible]
            mean = mpmath.fsum(e * z for e, z in zip(exponentials, possible, strict=True)) / mpmath.fsum(exponentials)
            terms.append(mean - mpmath.mpf(row[label]))
        total = mpmath.fsum(mpmath.mpf(w) * term for w, term in zip(weights, terms, strict=True))
        return total / mpmath.fsum(map(mpmath.mpf, weights))
