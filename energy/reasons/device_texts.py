"""Sentences of cars, heat pumps, inverters, lamps and machines."""

from __future__ import annotations

from typing import Final

__all__ = ["DEVICE_TEXTS"]

DEVICE_TEXTS: Final[dict[str, tuple[str, str, str, str]]] = {  # en, fr, nl, de
    # cars
    "no_car": (
        "No car is here, so nothing is kept for it.",
        "Aucune voiture n'est là, rien n'est réservé.",
        "Er is geen auto, dus er wordt niets vrijgehouden.",
        "Kein Auto ist da, also wird nichts freigehalten.",
    ),
    "cheaper_hour": (
        "Waits for a cheaper hour: it can still be ready in time.",
        "Attend une heure moins chère : elle peut encore être prête à temps.",
        "Wacht op een goedkoper uur: ze kan nog op tijd klaar zijn.",
        "Wartet auf eine günstigere Stunde: es kann noch rechtzeitig fertig sein.",
    ),
    "little_surplus": (
        "Waits: the surplus is less than the {amps} A at which a car charges.",
        "Attend : le surplus est inférieur aux {amps} A auxquels une voiture charge.",
        "Wacht: het overschot is minder dan de {amps} A waarmee een auto laadt.",
        "Wartet: der Überschuss ist kleiner als die {amps} A, mit denen ein Auto lädt.",
    ),
    "car_waits": (
        "Waits so that {limit}: {spare} are left, a car needs {least}.",
        "Attend pour que {limit} : il reste {spare}, une voiture a besoin de {least}.",
        "Wacht zodat {limit}: er is {spare} over, een auto heeft {least} nodig.",
        "Wartet, damit {limit}: {spare} sind übrig, ein Auto braucht {least}.",
    ),
    "may_one_phase": (
        "{power} on one phase",
        "{power} sur une phase",
        "{power} op één fase",
        "{power} auf einer Phase",
    ),
    "may_all": (
        "May take {power}, all it can: no limit stands in the way.",
        "Peut prendre {power}, tout ce qu'elle peut : aucune limite ne s'y oppose.",
        "Mag {power} nemen, alles wat ze kan: geen grens staat in de weg.",
        "Darf {power} nehmen, alles, was es kann: keine Grenze steht im Weg.",
    ),
    "may_planned": (
        "May take {power}: the plan has it charge now, for prices.",
        "Peut prendre {power} : le plan la fait charger à présent, pour le prix.",
        "Mag {power} nemen: volgens het plan laadt ze nu, om de prijs.",
        "Darf {power} nehmen: nach dem Plan lädt es jetzt, des Preises wegen.",
    ),
    "may_deadline": (
        "May take {power}: its car needs that to be ready in time.",
        "Peut prendre {power} : sa voiture en a besoin pour être prête à temps.",
        "Mag {power} nemen: de auto heeft dat nodig om op tijd klaar te zijn.",
        "Darf {power} nehmen: das Auto braucht das, um rechtzeitig fertig zu sein.",
    ),
    "may_surplus": (
        "May take {power} of the surplus.",
        "Peut prendre {power} du surplus.",
        "Mag {power} van het overschot nemen.",
        "Darf {power} vom Überschuss nehmen.",
    ),
    "may_beside": (
        "May take {power} beside {others} other cars so that {limit}.",
        "Peut prendre {power} à côté d'autres voitures ({others}) pour que {limit}.",
        "Mag {power} nemen naast andere auto's ({others}) zodat {limit}.",
        "Darf {power} nehmen neben anderen Autos ({others}), damit {limit}.",
    ),
    "may_limit": (
        "May take {power} so that {limit}.",
        "Peut prendre {power} pour que {limit}.",
        "Mag {power} nemen zodat {limit}.",
        "Darf {power} nehmen, damit {limit}.",
    ),
    # heat pumps
    "stays_blocked": (
        "Stays blocked for {minutes} min at least.",
        "Reste bloquée au moins {minutes} min.",
        "Blijft minstens {minutes} min geblokkeerd.",
        "Bleibt mindestens {minutes} min gesperrt.",
    ),
    "blocked": (
        "Blocked so that {limit}: it needs {power}.",
        "Bloquée pour que {limit} : elle a besoin de {power}.",
        "Geblokkeerd zodat {limit}: ze heeft {power} nodig.",
        "Gesperrt, damit {limit}: sie braucht {power}.",
    ),
    "blocked_enough": (
        "Let go: it has been blocked for as long as its label allows.",
        "Libérée : elle a été bloquée aussi longtemps que son label le permet.",
        "Losgelaten: ze was zo lang geblokkeerd als haar label toestaat.",
        "Freigegeben: sie war so lange gesperrt, wie ihr Label erlaubt.",
    ),
    "stays_boosted": (
        "Stays boosted for {minutes} min at least.",
        "Reste renforcée au moins {minutes} min.",
        "Blijft minstens {minutes} min versterkt.",
        "Bleibt mindestens {minutes} min verstärkt.",
    ),
    "boosted": (
        "Boosted: {power} of surplus become heat.",
        "Renforcée : {power} de surplus deviennent de la chaleur.",
        "Versterkt: {power} overschot wordt warmte.",
        "Verstärkt: {power} Überschuss werden Wärme.",
    ),
    "pump_free": (
        "Left to itself: neither is too much taken nor enough surplus there for it.",
        "Laissée à elle-même : ni trop de prélèvement, ni assez de surplus pour elle.",
        "Aan zichzelf overgelaten: er wordt niet te veel afgenomen en er is niet genoeg overschot voor haar.",
        "Sich selbst überlassen: weder wird zu viel bezogen, noch gibt es genug Überschuss für sie.",
    ),
    # inverters and lamps
    "sun_free": (
        "Makes what the sun gives: no limit stands in the way.",
        "Produit ce que donne le soleil : aucune limite ne s'y oppose.",
        "Maakt wat de zon geeft: geen grens staat in de weg.",
        "Macht, was die Sonne gibt: keine Grenze steht im Weg.",
    ),
    "sun_fuse": (
        "May make {power} so that the main fuse is not exceeded.",
        "Peut produire {power} pour que le fusible principal ne soit pas dépassé.",
        "Mag {power} maken zodat de hoofdzekering niet overschreden wordt.",
        "Darf {power} machen, damit die Hauptsicherung nicht überschritten wird.",
    ),
    "sun_feed_in": (
        "May make {power} so that feed-in of {limit} is not exceeded.",
        "Peut produire {power} pour que l'injection de {limit} ne soit pas dépassée.",
        "Mag {power} maken zodat de injectie van {limit} niet overschreden wordt.",
        "Darf {power} machen, damit die Einspeisung von {limit} nicht überschritten wird.",
    ),
    "lamps_off": (
        "Off: the sun is higher than {degrees} degrees.",
        "Éteint : le soleil est plus haut que {degrees} degrés.",
        "Uit: de zon staat hoger dan {degrees} graden.",
        "Aus: die Sonne steht höher als {degrees} Grad.",
    ),
    "lamps_dimmed": (
        "Dimmed to {pct} % from {begin} until {end}.",
        "Réduit à {pct} % de {begin} à {end}.",
        "Gedimd tot {pct} % van {begin} tot {end}.",
        "Gedimmt auf {pct} % von {begin} bis {end}.",
    ),
    "lamps_on": (
        "On: the sun is lower than {degrees} degrees.",
        "Allumé : le soleil est plus bas que {degrees} degrés.",
        "Aan: de zon staat lager dan {degrees} graden.",
        "An: die Sonne steht tiefer als {degrees} Grad.",
    ),
    # machines
    "unwanted": (
        "Let go: nobody wants it to run.",
        "Libérée : personne ne demande qu'elle tourne.",
        "Losgelaten: niemand wil dat ze draait.",
        "Freigegeben: niemand will, dass sie läuft.",
    ),
    "starts": ("Starts.", "Démarre.", "Start.", "Startet."),
    "runs": (
        "Runs until {at}: what has begun is not cut.",
        "Tourne jusqu'à {at} : ce qui a commencé n'est pas coupé.",
        "Draait tot {at}: wat begonnen is, wordt niet onderbroken.",
        "Läuft bis {at}: was begonnen hat, wird nicht abgebrochen.",
    ),
    "has_run": (
        "Let go: it has run.",
        "Libérée : elle a tourné.",
        "Losgelaten: ze heeft gedraaid.",
        "Freigegeben: sie ist gelaufen.",
    ),
    "not_before": (
        "Waits: it is not to run before {at}.",
        "Attend : elle ne doit pas tourner avant {at}.",
        "Wacht: ze mag niet draaien voor {at}.",
        "Wartet: sie soll nicht vor {at} laufen.",
    ),
    "starts_by": (
        "Starts, to be ready by {at}.",
        "Démarre, pour être prête à {at}.",
        "Start, om klaar te zijn om {at}.",
        "Startet, um bis {at} fertig zu sein.",
    ),
    "last_moment": (
        "Waits until {at}, the last moment: there is no plan that knows a better one.",
        "Attend jusqu'à {at}, dernier moment : aucun plan n'en connaît de meilleur.",
        "Wacht tot {at}, het laatste moment: geen plan kent een beter.",
        "Wartet bis {at}, den letzten Zeitpunkt: kein Plan kennt einen besseren.",
    ),
    "starts_best": (
        "Starts: the plan finds no better time.",
        "Démarre : le plan ne trouve pas de meilleur moment.",
        "Start: het plan vindt geen beter moment.",
        "Startet: der Plan findet keine bessere Zeit.",
    ),
    "best_time": (
        "Waits until {at}, the best time that the plan finds.",
        "Attend jusqu'à {at}, le meilleur moment que trouve le plan.",
        "Wacht tot {at}, het beste moment dat het plan vindt.",
        "Wartet bis {at}, die beste Zeit, die der Plan findet.",
    ),
    "machine_waits": (
        "Waits so that {limit}: {spare} are left, it needs {power}.",
        "Attend pour que {limit} : il reste {spare}, elle a besoin de {power}.",
        "Wacht zodat {limit}: er is {spare} over, ze heeft {power} nodig.",
        "Wartet, damit {limit}: {spare} sind übrig, sie braucht {power}.",
    ),
    "too_little_known": (
        "Waits: too little is known now to start it.",
        "Attend : on en sait trop peu à présent pour la démarrer.",
        "Wacht: er is nu te weinig bekend om ze te starten.",
        "Wartet: jetzt ist zu wenig bekannt, um sie zu starten.",
    ),
}
