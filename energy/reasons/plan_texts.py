"""Sentences of a plan: what it does in a quarter-hour, and what it had to do without."""

from __future__ import annotations

from typing import Final

__all__ = ["PLAN_TEXTS"]

PLAN_TEXTS: Final[dict[str, tuple[str, str, str, str]]] = {  # en, fr, nl, de
    "plan_buys": (
        "Buys for later: energy is cheaper now than when it will be used.",
        "Achète pour plus tard : l'énergie est moins chère à présent que quand elle servira.",
        "Koopt voor later: energie is nu goedkoper dan wanneer ze gebruikt wordt.",
        "Kauft für später: Energie ist jetzt günstiger als dann, wenn sie gebraucht wird.",
    ),
    "plan_stores": (
        "Stores what the roofs have left.",
        "Stocke ce que les toits ont en trop.",
        "Slaat op wat de daken over hebben.",
        "Speichert, was die Dächer übrig haben.",
    ),
    "plan_sells": (
        "Sells what is stored: it earns more now than it would save later.",
        "Vend ce qui est stocké : cela rapporte plus à présent que cela n'épargnerait plus tard.",
        "Verkoopt wat opgeslagen is: het brengt nu meer op dan het later zou besparen.",
        "Verkauft, was gespeichert ist: es bringt jetzt mehr, als es später sparen würde.",
    ),
    "plan_gives": (
        "Gives what is stored: buying would cost more now.",
        "Donne ce qui est stocké : acheter coûterait plus à présent.",
        "Geeft wat opgeslagen is: kopen zou nu meer kosten.",
        "Gibt, was gespeichert ist: kaufen würde jetzt mehr kosten.",
    ),
    "plan_feeds_in": (
        "Feeds in what is left: the batteries are full, or keep room for later.",
        "Injecte ce qui reste : les batteries sont pleines, ou gardent de la place pour plus tard.",
        "Injecteert wat over is: de batterijen zijn vol, of houden plaats voor later.",
        "Speist ein, was übrig ist: die Batterien sind voll oder halten Platz für später.",
    ),
    "plan_rests": (
        "Rests: what is stored is worth more later.",
        "Au repos : ce qui est stocké vaut plus plus tard.",
        "Rust: wat opgeslagen is, is later meer waard.",
        "Ruht: was gespeichert ist, ist später mehr wert.",
    ),
    "short_past": (
        "Only {hours} h of the past are known: load and sun are guessed from them.",
        "Seules {hours} h du passé sont connues : consommation et soleil en sont devinés.",
        "Slechts {hours} h van het verleden is bekend: verbruik en zon zijn daaruit geraden.",
        "Nur {hours} h der Vergangenheit sind bekannt: Last und Sonne sind daraus geraten.",
    ),
    "filled_in": (
        "{pct} % of the past is not known and was filled in.",
        "{pct} % du passé est inconnu et a été complété.",
        "{pct} % van het verleden is onbekend en werd aangevuld.",
        "{pct} % der Vergangenheit sind unbekannt und wurden ergänzt.",
    ),
    "prices_known": (
        "Market prices are known for {known} of {hours} h; the others are the tariff's.",
        "Les prix du marché sont connus pour {known} h sur {hours} ; les autres sont ceux du tarif.",
        "Marktprijzen zijn bekend voor {known} van {hours} h; de andere zijn die van het tarief.",
        "Marktpreise sind für {known} von {hours} h bekannt; die anderen sind die des Tarifs.",
    ),
    "prices_problem": (
        "Market prices: {problem}.",
        "Prix du marché : {problem}.",
        "Marktprijzen: {problem}.",
        "Marktpreise: {problem}.",
    ),
    "co2_unknown": (
        "CO2 of the grid is not known: the plan goes by price alone.",
        "Le CO2 du réseau est inconnu : le plan ne suit que le prix.",
        "CO2 van het net is onbekend: het plan volgt alleen de prijs.",
        "Das CO2 des Netzes ist unbekannt: der Plan folgt allein dem Preis.",
    ),
    "co2_guessed": (
        "CO2 of the grid is guessed for {guessed} of {hours} h.",
        "Le CO2 du réseau est deviné pour {guessed} h sur {hours}.",
        "CO2 van het net is geraden voor {guessed} van {hours} h.",
        "Das CO2 des Netzes ist für {guessed} von {hours} h geraten.",
    ),
    "co2_problem": (
        "CO2 of the grid: {problem}.",
        "CO2 du réseau : {problem}.",
        "CO2 van het net: {problem}.",
        "CO2 des Netzes: {problem}.",
    ),
    "no_weather": (
        "No weather is asked for: where the sites stand (latitude, longitude) is not known.",
        "Aucune météo n'est demandée : la position des sites (latitude, longitude) est inconnue.",
        "Er wordt geen weer gevraagd: waar de sites staan (breedte, lengte) is onbekend.",
        "Es wird kein Wetter gefragt: wo die Standorte stehen (Breite, Länge), ist unbekannt.",
    ),
    "weather_problem": (
        "Weather feed: {problem}.",
        "Météo : {problem}.",
        "Weerdienst: {problem}.",
        "Wetterdienst: {problem}.",
    ),
}
