"""The sentences of the advice in French, Dutch, German and English."""

from __future__ import annotations

from typing import Final

from energy.forecast.advice import Advice, Reason

__all__ = ["LANGUAGES", "sentence"]

LANGUAGES: Final = ("fr", "nl", "de", "en")

_SENTENCES: Final[dict[Reason, dict[str, str]]] = {
    Reason.SURE: {
        "fr": "Nos toits produiront plus que ce que nous consommons.",
        "nl": "Onze daken leveren meer dan wat we verbruiken.",
        "de": "Unsere Dächer liefern mehr, als wir verbrauchen.",
        "en": "Our roofs will make more than we use.",
    },
    Reason.LIKELY: {
        "fr": "Nos toits produiront sans doute autant que ce que nous consommons, ou plus.",
        "nl": "Onze daken leveren wellicht evenveel als we verbruiken, of meer.",
        "de": "Unsere Dächer liefern wahrscheinlich so viel, wie wir verbrauchen, oder mehr.",
        "en": "Our roofs will probably make as much as we use, or more.",
    },
    Reason.SOME_SUN: {
        "fr": "Le soleil couvrira environ {share}\xa0% de ce que nous consommons.",
        "nl": "De zon dekt ongeveer {share}\xa0% van wat we verbruiken.",
        "de": "Die Sonne deckt etwa {share}\xa0% unseres Verbrauchs.",
        "en": "The sun will cover about {share}\xa0% of what we use.",
    },
    Reason.CHEAP: {
        "fr": "Peu de soleil, mais l'électricité est nettement moins chère qu'à d'autres heures.",
        "nl": "Weinig zon, maar elektriciteit is duidelijk goedkoper dan op andere uren.",
        "de": "Wenig Sonne, aber Strom ist deutlich billiger als zu anderen Zeiten.",
        "en": "Little sun, but electricity is clearly cheaper than at other times.",
    },
    Reason.LITTLE_SUN: {
        "fr": "Le soleil ne couvrira qu'environ {share}\xa0% de ce que nous consommons.",
        "nl": "De zon dekt maar ongeveer {share}\xa0% van wat we verbruiken.",
        "de": "Die Sonne deckt nur etwa {share}\xa0% unseres Verbrauchs.",
        "en": "The sun will cover only about {share}\xa0% of what we use.",
    },
    Reason.NIGHT: {
        "fr": "Pas de soleil : tout vient du réseau ou des batteries.",
        "nl": "Geen zon: alles komt van het net of uit batterijen.",
        "de": "Keine Sonne: Alles kommt aus dem Netz oder aus Batterien.",
        "en": "No sun: everything comes from the grid or from batteries.",
    },
    Reason.UNKNOWN: {
        "fr": "Nous n'en savons pas assez pour donner un conseil.",
        "nl": "We weten niet genoeg om raad te geven.",
        "de": "Wir wissen nicht genug für einen Rat.",
        "en": "We do not know enough to give advice.",
    },
}


def sentence(advice: Advice, language: str) -> str:
    """Why the light is shown, in one sentence."""
    share = 0 if advice.share is None else round(100 * min(1.0, advice.share) / 5) * 5
    return _SENTENCES[advice.reason][language].format(share=share)
