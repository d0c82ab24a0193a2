"""Says a sentence of the tables in English, and tells an English one of them in the reader's language.

Commands, leases and evidence carry the English sentence, as logs and devices need it; `in_words` finds which it is and what stands in
it, so that no message and no table has to carry more. What somebody else wrote is none of these and stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final

from energy.languages import LANGUAGES, Language
from energy.reasons.device_texts import DEVICE_TEXTS
from energy.reasons.noun_texts import NOUNS
from energy.reasons.plan_texts import PLAN_TEXTS
from energy.reasons.site_texts import SITE_TEXTS

__all__ = ["in_words", "joined", "localized", "say"]

_TEXTS: Final = SITE_TEXTS | DEVICE_TEXTS | PLAN_TEXTS
_AND: Final = (" and ", " et ", " en ", " und ")
_LONGEST: Final = 500  # characters; our sentences are shorter, what others write may be long
_NAMES: Final = ("rule", "name")
"""What somebody named stays as it is, also where it is a word of the tables."""
_NUMBER: Final = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?: \S{1,4})?")
_SIGNS: Final = {
    "en": {},
    "fr": str.maketrans(",.", "\u202f,"),
    "nl": str.maketrans(",.", ".,"),
    "de": str.maketrans(",.", ".,"),
}


def _form(english: str) -> re.Pattern[str]:
    """What a sentence looks like with its values in it."""
    parts = re.split(r"\{(\w+)\}", english)
    return re.compile("".join(_group(part) if at % 2 else re.escape(part) for at, part in enumerate(parts)))


def _group(name: str) -> str:
    """A value; of what is measured the names that are known come first, for they contain what stands between values."""
    known = [f"{re.escape(texts[0])}|" for texts in NOUNS.values()] if name == "noun" else []
    return f"(?P<{name}>{''.join(known)}.+?)"


@cache
def _forms() -> list[tuple[re.Pattern[str], tuple[str, str, str, str]]]:
    """Each sentence with its form; made for the first reader of another language, for it takes longer than all else here."""
    return [(_form(texts[0]), texts) for texts in (*_TEXTS.values(), *NOUNS.values())]


def say(code: str, **values: object) -> str:
    """The English sentence. A value may be the end of a sentence that was said before. Raises KeyError: no such code or value."""
    return _TEXTS[code][0].format_map(values)


def joined(clauses: Sequence[str]) -> str:
    """One English sentence of several clauses."""
    return _sentence(_AND[0].join(clauses))


def localized(number: str, language: Language) -> str:
    """A number with English commas and points, written as the language does."""
    return number.translate(_SIGNS[language])


@lru_cache(maxsize=4096)
def in_words(text: str, language: Language) -> str:
    """An English sentence of ours in `language`; what is none of ours as it stands."""
    if language == "en" or len(text) > _LONGEST:
        return text
    whole = _known(text, language)
    if whole is not None:
        return whole
    clauses = [_known(clause, language) for clause in f"{text[:1].lower()}{text[1:].removesuffix('.')}".split(_AND[0])]
    known = [clause for clause in clauses if clause is not None]
    return _sentence(_AND[LANGUAGES.index(language)].join(known)) if len(known) == len(clauses) else text


def _sentence(clauses: str) -> str:
    return f"{clauses[0].upper()}{clauses[1:]}."


def _known(text: str, language: Language) -> str | None:
    for form, texts in _forms():
        found = form.fullmatch(text)
        if found is not None:
            told = found.groupdict()
            values = {name: text if name in _NAMES else _value(text, language) for name, text in told.items()}
            return texts[LANGUAGES.index(language)].format_map(values)
    return None


def _value(text: str, language: Language) -> str:
    """A part of a sentence: the end of one, a number with its unit, or a name, which stays."""
    return localized(text, language) if _NUMBER.fullmatch(text) else _known(text, language) or text
