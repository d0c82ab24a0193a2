"""A regression per meter and lead time: what of the present deviation, and of what is told from outside, comes true."""

from __future__ import annotations

from typing import Final

import numpy as np

from energy.forecast.accuracy import Floats

__all__ = ["MEMORY_DAYS", "Correction"]

MEMORY_DAYS: Final = 40.0
"""Regressions forget with this time constant."""

_PULL: Final = 0.05  # towards no correction, as part of what was seen


class Correction:
    """Features are `issued` ones, known when the forecast was made, then `told` ones, that belong to the target step."""

    def __init__(self, meters: int, horizon: int, steps_per_day: int, issued: int, told: int) -> None:
        self._horizon = horizon
        self._forget = np.exp(-1.0 / (MEMORY_DAYS * steps_per_day))
        self._past = np.zeros((horizon, meters, issued))  # as known before the last 1, 2, ... steps
        features = issued + told
        self._squares = np.zeros((horizon, meters, features, features))
        self._products = np.zeros((horizon, meters, features))
        self._weights: Floats = np.zeros((horizon, meters, features))

    def of(self, issued: Floats, told: Floats) -> Floats:
        """The correction, relative to the scale: (horizon, meters). `issued` (meters, features), `told` (horizon, ...)."""
        split = issued.shape[1]
        now = (self._weights[..., :split] * issued).sum(axis=-1)
        return np.asarray(now + (self._weights[..., split:] * told).sum(axis=-1))

    def learn(self, relative: Floats, scale: Floats, told: Floats) -> None:
        """Takes the deviation that the features should have told: (meters), with `told` (meters, features) of its step."""
        weight = scale**2
        features = np.concatenate(
            [self._past, np.broadcast_to(told, (self._horizon, *told.shape))], axis=-1, dtype=np.float64
        )
        self._squares *= self._forget
        self._products *= self._forget
        weighted = weight[None, :, None] * features
        self._squares += weighted[..., :, None] * features[..., None, :]
        self._products += relative[None, :, None] * weighted

    def remember(self, issued: Floats) -> None:
        """The newest features, from which the next step is one lead time away."""
        self._past = np.roll(self._past, 1, axis=0)
        self._past[0] = issued

    def settle(self) -> None:
        """Solves for the weights, once a day. A feature that said nothing so far gets no weight."""
        own = np.einsum("hmff->hmf", self._squares)
        pull = _PULL * np.maximum(own, 1e-3 * own.max(axis=-1, keepdims=True)) + 1e-9
        squares = self._squares.copy()
        np.einsum("hmff->hmf", squares)[...] += pull
        self._weights = np.asarray(np.linalg.solve(squares, self._products[..., None])[..., 0], dtype=np.float64)
