"""What alert rules measure, as a sentence calls it."""

from __future__ import annotations

from typing import Final

__all__ = ["NOUNS"]

NOUNS: Final[dict[str, tuple[str, str, str, str]]] = {  # en, fr, nl, de
    "surplus": ("surplus", "surplus", "overschot", "Überschuss"),
    "import": ("import", "prélèvement", "afname", "Bezug"),
    "power_w": ("power", "puissance", "vermogen", "Leistung"),
    "temperature_c": ("temperature", "température", "temperatuur", "Temperatur"),
    "soc_pct": ("state of charge", "état de charge", "laadtoestand", "Ladestand"),
    "device_silent": ("silence", "silence", "stilte", "Stille"),
    "gateway_offline": ("time offline", "durée hors ligne", "tijd offline", "Zeit offline"),
    "outbox_waiting": (
        "age of the oldest waiting batch",
        "âge du plus ancien lot en attente",
        "leeftijd van het oudste wachtende pakket",
        "Alter des ältesten wartenden Pakets",
    ),
    "pv_shortfall": ("shortfall of production", "manque de production", "tekort aan productie", "Minderertrag"),
    "phase_missing": ("number of missing phases", "phases manquantes", "ontbrekende fasen", "fehlende Phasen"),
    "voltage_high": (
        "highest ten-minute voltage",
        "plus haute tension sur dix minutes",
        "hoogste spanning over tien minuten",
        "höchste Zehn-Minuten-Spannung",
    ),
    "voltage_low": (
        "lowest ten-minute voltage",
        "plus basse tension sur dix minutes",
        "laagste spanning over tien minuten",
        "niedrigste Zehn-Minuten-Spannung",
    ),
    "fuse_load": (
        "load of the main fuse",
        "charge du fusible principal",
        "belasting van de hoofdzekering",
        "Last der Hauptsicherung",
    ),
    "connection_load": (
        "load of the connection",
        "charge du raccordement",
        "belasting van de aansluiting",
        "Last des Anschlusses",
    ),
    "quarter_peak": (
        "quarter-hour as it will end",
        "quart d'heure tel qu'il finira",
        "kwartier zoals het zal eindigen",
        "Viertelstunde, wie sie enden wird",
    ),
    "quiet_load": (
        "consumption in quiet hours",
        "consommation aux heures creuses",
        "verbruik in stille uren",
        "Verbrauch in ruhigen Stunden",
    ),
    "night_flow": ("flow at night", "débit nocturne", "debiet 's nachts", "Durchfluss in der Nacht"),
    "battery_not_following": (
        "deviation from the power set",
        "écart à la puissance demandée",
        "afwijking van het gevraagde vermogen",
        "Abweichung von der verlangten Leistung",
    ),
    "meter_mismatch": (
        "disagreement of the meters",
        "désaccord des compteurs",
        "verschil tussen de meters",
        "Unterschied der Zähler",
    ),
    "certificate_ending": (
        "time left of the certificates",
        "validité restante des certificats",
        "resterende tijd van de certificaten",
        "Restzeit der Zertifikate",
    ),
    "gateway_certificate": (
        "time left of the gateway's certificate",
        "validité restante du certificat de la passerelle",
        "resterende tijd van het certificaat van de gateway",
        "Restzeit des Zertifikats des Gateways",
    ),
    "disk_ending": ("free disk space", "espace disque libre", "vrije schijfruimte", "freier Plattenplatz"),
    "month_reopened": (
        "settled months that late readings contradict",
        "mois réglés que des mesures tardives contredisent",
        "afgerekende maanden die late metingen tegenspreken",
        "abgerechnete Monate, denen späte Messwerte widersprechen",
    ),
}
