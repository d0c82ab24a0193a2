"""Why balancer and plan do what they do: English sentences, known again by their form and told in other languages."""

from energy.reasons.noun_texts import NOUNS
from energy.reasons.sentences import in_words, joined, localized, say

__all__ = ["NOUNS", "in_words", "joined", "localized", "say"]
