"""Bills of members such that nobody pays more than under the plain rule, as long as all together pay less."""

from __future__ import annotations

import numpy as np

from energy.dispatch.storage import Floats

__all__ = ["compensated_bills", "pool_bills"]


def pool_bills(alone_eur: Floats, weights: Floats, pool_eur: float) -> Floats:
    """Splits the bill of a pool: each member is charged its bill alone, minus its part of what the pool saves.

    `alone_eur`: what each would pay by itself under the plain rule. With the same `alone_eur` and `weights` a cheaper
    pool is cheaper for every member, so who steers the pool better than the plain rule makes nobody worse off.
    """
    total = weights.sum()
    parts = weights / total if total > 0 else np.full(len(weights), 1 / len(weights))
    return np.asarray(alone_eur - parts * (alone_eur.sum() - pool_eur))


def compensated_bills(rule_eur: Floats, actual_eur: Floats) -> Floats:
    """Own meters: who ended worse than under the plain rule is brought back to it by those who gained, pro rata.

    When all together lost, nobody can be brought back at no one's expense: bills stay as they are.
    """
    gain = rule_eur - actual_eur
    won, lost = np.maximum(gain, 0.0), np.maximum(-gain, 0.0)
    if lost.sum() == 0 or won.sum() < lost.sum():
        return actual_eur
    return np.asarray(rule_eur - won * (1 - lost.sum() / won.sum()))
