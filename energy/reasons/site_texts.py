"""Sentences of limits, of what is known of a site, and of its batteries."""

from __future__ import annotations

from typing import Final

__all__ = ["SITE_TEXTS"]

SITE_TEXTS: Final[dict[str, tuple[str, str, str, str]]] = {  # en, fr, nl, de
    # limits, as the end of a sentence
    "keeps_fuse": (
        "the main fuse of {amps} A is kept on every phase",
        "le fusible principal de {amps} A soit respecté sur chaque phase",
        "de hoofdzekering van {amps} A op elke fase niet overschreden wordt",
        "die Hauptsicherung von {amps} A auf jeder Phase eingehalten wird",
    ),
    "keeps_quarter": (
        "the quarter-hour stays at {power} on average",
        "le quart d'heure reste à {power} en moyenne",
        "het kwartier gemiddeld op {power} blijft",
        "die Viertelstunde im Mittel bei {power} bleibt",
    ),
    "keeps_connection": (
        "the connection stays below {power}",
        "le raccordement reste sous {power}",
        "de aansluiting onder {power} blijft",
        "der Anschluss unter {power} bleibt",
    ),
    "keeps_none": (
        "no limit is set here",
        "les limites (aucune ici) soient respectées",
        "hier geen grens is ingesteld",
        "hier keine Grenze gesetzt ist",
    ),
    "keeps_feed_in": (
        "feed-in stays at {power}",
        "l'injection reste à {power}",
        "de injectie op {power} blijft",
        "die Einspeisung bei {power} bleibt",
    ),
    # limits of a site
    "fuse": (
        "Main fuse {amps} A: the fullest phase carries {most} A.",
        "Fusible principal {amps} A : la phase la plus chargée porte {most} A.",
        "Hoofdzekering {amps} A: de volste fase draagt {most} A.",
        "Hauptsicherung {amps} A: die vollste Phase trägt {most} A.",
    ),
    "connection": (
        "Connection {power}: {taken} are taken.",
        "Raccordement {power} : {taken} sont prélevés.",
        "Aansluiting {power}: {taken} wordt afgenomen.",
        "Anschluss {power}: {taken} werden bezogen.",
    ),
    "feed_in": (
        "Feed-in {power}: {given} are given.",
        "Injection {power} : {given} sont injectés.",
        "Injectie {power}: {given} wordt geïnjecteerd.",
        "Einspeisung {power}: {given} werden eingespeist.",
    ),
    "quarter": (
        "Quarter-hour {power}: its mean stands at {mean}, and {may} may be taken for the {minutes} min that are left.",
        "Quart d'heure {power} : sa moyenne est à {mean}, et {may} peuvent être prélevés pendant les {minutes} min restantes.",
        "Kwartier {power}: het gemiddelde staat op {mean}, en {may} mag de resterende {minutes} min afgenomen worden.",
        "Viertelstunde {power}: ihr Mittel steht bei {mean}, und {may} dürfen in den {minutes} min bezogen werden, die bleiben.",
    ),
    "quarter_unknown": (
        "Quarter-hour {power}: its mean is not known, so it counts as full, and {may} may be taken for the {minutes} min that are left.",
        "Quart d'heure {power} : sa moyenne est inconnue et compte comme pleine, et {may} peuvent être prélevés pendant les {minutes} min restantes.",
        "Kwartier {power}: het gemiddelde is onbekend en telt als vol, en {may} mag de resterende {minutes} min afgenomen worden.",
        "Viertelstunde {power}: ihr Mittel ist unbekannt und zählt als voll, und {may} dürfen in den {minutes} min bezogen werden, die bleiben.",
    ),
    # what is known
    "grid_unknown": (
        "What {name} takes from the grid is not known.",
        "Ce que {name} prélève du réseau est inconnu.",
        "Wat {name} van het net afneemt, is onbekend.",
        "Was {name} aus dem Netz bezieht, ist unbekannt.",
    ),
    "broker_away": (
        "Let go: the broker is away, so nothing is known.",
        "Libéré : le courtier de messages est absent, rien n'est connu.",
        "Losgelaten: de broker is weg, dus er is niets bekend.",
        "Freigegeben: der Broker ist weg, also ist nichts bekannt.",
    ),
    "grid_meters": (
        "Let go: {name} has {count} grid meters; one is needed.",
        "Libéré : {name} a {count} compteurs de réseau ; il en faut un.",
        "Losgelaten: {name} heeft {count} netmeters; er is er één nodig.",
        "Freigegeben: {name} hat {count} Netzzähler; einer ist nötig.",
    ),
    "grid_silent": (
        "Let go: the grid meter {name} is silent.",
        "Libéré : le compteur de réseau {name} est muet.",
        "Losgelaten: de netmeter {name} zwijgt.",
        "Freigegeben: der Netzzähler {name} ist stumm.",
    ),
    "no_phases": (
        "Let go: a fuse is watched, and {name} does not tell the current of each phase.",
        "Libéré : un fusible est surveillé et {name} ne donne pas le courant de chaque phase.",
        "Losgelaten: een zekering wordt bewaakt en {name} geeft de stroom per fase niet.",
        "Freigegeben: eine Sicherung wird überwacht, und {name} nennt den Strom je Phase nicht.",
    ),
    "silent": (
        "Let go: {name} is silent.",
        "Libéré : {name} est muet.",
        "Losgelaten: {name} zwijgt.",
        "Freigegeben: {name} ist stumm.",
    ),
    "no_charge": (
        "Let go: {name} does not tell its charge.",
        "Libéré : {name} ne donne pas sa charge.",
        "Losgelaten: {name} geeft zijn lading niet.",
        "Freigegeben: {name} nennt seinen Ladestand nicht.",
    ),
    "chased": (
        "Let go: what {name} does is not known, and it would be chased.",
        "Libéré : ce que fait {name} est inconnu, et l'on courrait après.",
        "Losgelaten: wat {name} doet is onbekend, en er zou achteraan gelopen worden.",
        "Freigegeben: was {name} tut, ist unbekannt, und ihm würde nachgelaufen.",
    ),
    "no_place": (
        "Let go: where {name} stands (latitude, longitude) is not known.",
        "Libéré : la position de {name} (latitude, longitude) est inconnue.",
        "Losgelaten: waar {name} staat (breedte, lengte) is onbekend.",
        "Freigegeben: wo {name} steht (Breite, Länge), ist unbekannt.",
    ),
    "waits_readings": (
        "Waits for readings that show what the last change did.",
        "Attend des mesures qui montrent l'effet du dernier changement.",
        "Wacht op metingen die tonen wat de laatste wijziging deed.",
        "Wartet auf Messwerte, die zeigen, was die letzte Änderung bewirkt hat.",
    ),
    "goes_on": (
        "Goes on until readings show what the last change did.",
        "Continue jusqu'à ce que des mesures montrent l'effet du dernier changement.",
        "Gaat door tot metingen tonen wat de laatste wijziging deed.",
        "Macht weiter, bis Messwerte zeigen, was die letzte Änderung bewirkt hat.",
    ),
    "left_alone": (
        "Left alone: it is under {holder}.",
        "Laissé tel quel : {holder}.",
        "Met rust gelaten: {holder}.",
        "In Ruhe gelassen: {holder}.",
    ),
    "lease_rule": (
        "a lease of rule {rule}",
        "sous un mandat de la règle {rule}",
        "onder een opdracht van regel {rule}",
        "unter einem Auftrag der Regel {rule}",
    ),
    "lease_person": (
        "a lease of {by}",
        "sous un mandat de {by}",
        "onder een opdracht van {by}",
        "unter einem Auftrag von {by}",
    ),
    "release_person": (
        "a release by {by}",
        "repris par {by}",
        "vrijgegeven door {by}",
        "freigegeben von {by}",
    ),
    "barred": (
        "Left alone for a while: its gateway {state} the last lease ({why}).",
        "Laissé tel quel un moment : sa passerelle n'a pas exécuté le dernier mandat ({state} : {why}).",
        "Even met rust gelaten: de gateway voerde de laatste opdracht niet uit ({state}: {why}).",
        "Eine Weile in Ruhe gelassen: das Gateway hat den letzten Auftrag nicht ausgeführt ({state}: {why}).",
    ),
    "refused": ("refused", "refusé", "geweigerd", "abgelehnt"),
    "failed": ("failed", "échoué", "mislukt", "gescheitert"),
    "not_taken": (
        "its gateway did not take the last lease",
        "sa passerelle n'a pas pris le dernier mandat",
        "de gateway nam de laatste opdracht niet aan",
        "das Gateway hat den letzten Auftrag nicht angenommen",
    ),
    # batteries, clauses that are joined
    "gives_limit": (
        "gives {power} so that {limit}",
        "donne {power} pour que {limit}",
        "geeft {power} zodat {limit}",
        "gibt {power}, damit {limit}",
    ),
    "takes_limit": (
        "takes {power} so that {limit}",
        "prend {power} pour que {limit}",
        "neemt {power} zodat {limit}",
        "nimmt {power}, damit {limit}",
    ),
    "stores_own": (
        "stores {power} that its own roof has left",
        "stocke {power} que son propre toit a en trop",
        "slaat {power} op die het eigen dak over heeft",
        "speichert {power}, die das eigene Dach übrig hat",
    ),
    "stores_others": (
        "stores {power} that other roofs have left in this quarter-hour",
        "stocke {power} que d'autres toits ont en trop dans ce quart d'heure",
        "slaat {power} op die andere daken in dit kwartier over hebben",
        "speichert {power}, die andere Dächer in dieser Viertelstunde übrig haben",
    ),
    "gives_own": (
        "gives {power} to its own building",
        "donne {power} à son propre bâtiment",
        "geeft {power} aan het eigen gebouw",
        "gibt {power} an das eigene Gebäude",
    ),
    "gives_others": (
        "gives {power} to other members in this quarter-hour",
        "donne {power} à d'autres membres dans ce quart d'heure",
        "geeft {power} aan andere leden in dit kwartier",
        "gibt {power} an andere Mitglieder in dieser Viertelstunde",
    ),
    "buys": (
        "buys {power} for later at {price} EUR/kWh, stored it is worth {value}",
        "achète {power} pour plus tard à {price} EUR/kWh, stocké cela vaut {value}",
        "koopt {power} voor later aan {price} EUR/kWh, opgeslagen is het {value} waard",
        "kauft {power} für später zu {price} EUR/kWh, gespeichert ist es {value} wert",
    ),
    "sells": (
        "sells {power} at {price} EUR/kWh, stored it is worth {value}",
        "vend {power} à {price} EUR/kWh, stocké cela vaut {value}",
        "verkoopt {power} aan {price} EUR/kWh, opgeslagen is het {value} waard",
        "verkauft {power} zu {price} EUR/kWh, gespeichert ist es {value} wert",
    ),
    "rests_shared": (
        "rests: what roofs fed in earlier in this quarter-hour covers what is needed now",
        "au repos : ce que des toits ont injecté plus tôt dans ce quart d'heure couvre le besoin d'à présent",
        "rust: wat daken eerder in dit kwartier injecteerden dekt wat nu nodig is",
        "ruht: was Dächer früher in dieser Viertelstunde eingespeist haben, deckt, was jetzt gebraucht wird",
    ),
    "rests_full": (
        "rests: there is surplus, but it is charged to {pct} %",
        "au repos : il y a un surplus, mais elle est chargée à {pct} %",
        "rust: er is overschot, maar ze is tot {pct} % geladen",
        "ruht: es gibt Überschuss, aber sie ist zu {pct} % geladen",
    ),
    "rests_empty": (
        "rests: power is needed, but its charge is down to {pct} %",
        "au repos : il faut de l'électricité, mais sa charge est descendue à {pct} %",
        "rust: er is stroom nodig, maar haar lading is gezakt tot {pct} %",
        "ruht: Strom wird gebraucht, aber ihre Ladung ist auf {pct} % gesunken",
    ),
    "rests_value": (
        "rests: what it stores is worth {value} EUR/kWh, more than using it now saves",
        "au repos : ce qu'elle stocke vaut {value} EUR/kWh, plus que ne rapporterait son usage à présent",
        "rust: wat ze opslaat is {value} EUR/kWh waard, meer dan het nu gebruiken bespaart",
        "ruht: was sie speichert, ist {value} EUR/kWh wert, mehr als es jetzt zu nutzen spart",
    ),
    "rests": (
        "rests: there is neither surplus nor need that it may take",
        "au repos : ni surplus ni besoin qu'elle puisse prendre",
        "rust: er is overschot noch behoefte die ze mag nemen",
        "ruht: es gibt weder Überschuss noch Bedarf, den sie decken darf",
    ),
    "nobody": ("nobody", "personne", "niemand", "niemand"),
    # rules that act
    "rule_above": (
        "rule {rule}: the {noun} of {name} is {value}, raised above {limit}",
        "règle {rule} : {noun}, {name} : {value}, déclenchée au-dessus de {limit}",
        "regel {rule}: {noun}, {name}: {value}, alarm boven {limit}",
        "Regel {rule}: {noun}, {name}: {value}, Alarm über {limit}",
    ),
    "rule_below": (
        "rule {rule}: the {noun} of {name} is {value}, raised below {limit}",
        "règle {rule} : {noun}, {name} : {value}, déclenchée au-dessous de {limit}",
        "regel {rule}: {noun}, {name}: {value}, alarm onder {limit}",
        "Regel {rule}: {noun}, {name}: {value}, Alarm unter {limit}",
    ),
    "rule_unknown": (
        "the {noun} is unknown, so nothing is steered by it; silent: {silent}",
        "{noun} : valeur inconnue, rien n'est piloté ; muets : {silent}",
        "{noun} onbekend, er wordt niet gestuurd; stil: {silent}",
        "{noun} unbekannt, es wird nicht gesteuert; stumm: {silent}",
    ),
}
