"""`commonwatt statements` as a town's officer runs it: preview, final, a late meter's correction, and why."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta

import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from energy.errors import ConfigError, DataError, RefusedError

LEA, FIRM, SUN = "541448910000123453", "541448911000000003", "541448900000000007"
PEOPLE = f"""\
people:
  - {{id: lea, name: Léa Dubois, mail: lea@example.org, language: fr}}
participants:
  - {{id: p-lea, community: ixelles, person: lea, member_class: citizen, social_tariff: true, legal_basis: consent}}
  - {{id: p-firm, community: ixelles, member_class: sme}}
  - {{id: p-town, community: ixelles, member_class: municipality}}
metering_points:
  - {{id: "{LEA}", participant: p-lea, direction: withdrawal}}
  - {{id: "{FIRM}", participant: p-firm, direction: withdrawal}}
  - {{id: "{SUN}", participant: p-town, direction: injection}}
parties:
  - {{id: ixelles, name: Énergie commune d'Ixelles, street: Chaussée d'Ixelles 168, postcode: "1050", city: Ixelles,
     vat_number: BE0123456749, company_number: "0123456749", peppol: "0208:0123456749", iban: BE68539007547034,
     creditor_id: BE81ZZZ0123456749}}
  - {{id: p-lea, name: Léa Dubois, city: Ixelles, iban: BE62510007547061, mandate: M-1, mandate_signed: 2026-01-05}}
  - {{id: p-firm, name: Boulangerie Ixelloise, city: Ixelles, vat_number: BE0987654394, company_number: "0987654394",
     peppol: "0208:0987654394"}}
  - {{id: p-town, name: Commune d'Ixelles, city: Ixelles}}
sharing_keys:
  - {{id: k1, community: ixelles, key: {{participants: {{"{LEA}": {{weight: 0.5}}, "{FIRM}": {{weight: 0.5}}}}, rounds: hybrid}}}}
"""
TERMS = """\
network: passed_on
shared_energy:
  - {eur_kwh: 0.14, valid_from: 2026-01-01, source: "agreement, art. 7"}
remuneration:
  - {eur_kwh: 0.06, valid_from: 2026-01-01, source: "agreement, art. 8"}
charges:
  - {name: network, kind: network, eur_kwh: 0.11538, reduction: {A: 1, B: 0.5}, valid_from: 2026-01-01, source: tariff cards}
  - {name: excise, kind: levy, eur_kwh: 0.0494061, valid_from: 2026-01-01, source: tariff cards}
vat:
  - {rate: 0.06, classes: [citizen], valid_from: 2026-01-01, source: accountant}
  - {rate: 0.21, classes: [sme, municipality], valid_from: 2026-01-01, source: accountant}
remuneration_vat:
  - {rate: 0, valid_from: 2026-01-01, source: accountant}
social:
  - {reference_eur_kwh: 0.24927, valid_from: 2026-01-01, source: social tariff}
"""


def readings(lea="0.100"):
    """February 2026 in Brussels; `lea`: what was withdrawn in the first quarter-hour."""
    start = datetime(2026, 1, 31, 23, tzinfo=UTC)
    lines = ["ean,start,withdrawal_kwh,injection_kwh"]
    for n in range(28 * 96):
        at = (start + timedelta(minutes=15 * n)).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines += [f"{LEA},{at},{lea if n == 0 else '0.100'},", f"{FIRM},{at},0.300,", f"{SUN},{at},,0.200"]
    return "\n".join(lines) + "\n"


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """desk(command, ...): its JSON, with files by their names in the folder."""
    centre = {
        "register": {"path": str(tmp_path / "register.db")},
        "communities": [
            {"id": "ixelles", "name": "Ixelles", "kind": "cer", "grid_type": "C",
             "sites": [{"id": "hall", "name": "Hall", "gateway": "gw", "devices": [{"id": "grid", "role": "grid"}]}]}
        ],
    }  # fmt: skip
    files = {
        "centre.yaml": yaml.safe_dump(centre),
        "people.yaml": PEOPLE,
        "terms.yaml": TERMS,
        "february.csv": readings(),
        "late.csv": readings("0.040"),
        "gap.csv": readings(""),
        "operator.csv": (
            "EAN;Shared [kWh];Complementary (kWh);Injection shared kWh;Grid fee (EUR)\n".replace("[kWh]", "kWh")
            .replace("(kWh)", "kWh")
            .replace("(EUR)", "EUR")
            + f"{LEA};200,000;0;;3,00\n{LEA};68;0;;1,005\n{FIRM};268,8;537,6;;12,50\n{SUN};;;537,6;\n"
        ),
    }
    files["restated.csv"] = files["operator.csv"].replace(f"{LEA};68;", f"{LEA};67;")
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    july = int(datetime(2026, 7, 3, 10, tzinfo=UTC).timestamp() * 1000)
    monkeypatch.setenv("COMMONWATT_CLOCK", f"{int(time.time() * 1000)},{july},1")

    def run(*words, plain=False):
        arguments = [str(tmp_path / word) if word in files else word for word in words]
        result = CliRunner().invoke(app, [*arguments, *([] if plain else ["--json"])], catch_exceptions=False)
        return result.stdout if plain else json.loads(result.stdout)

    plan = run("register", "plan", "--config", "centre.yaml", "--people", "people.yaml")["plan"]
    run("register", "apply", "--config", "centre.yaml", "--people", "people.yaml", "--plan", plan, "--why", "begin")
    return run


WHERE = ("--config", "centre.yaml", "--community", "ixelles", "--month", "2026-02")
FROM = (*WHERE, "--readings", "february.csv", "--terms", "terms.yaml")
LATE = (*WHERE, "--readings", "late.csv", "--terms", "terms.yaml")


def test_month_from_readings_to_invoices(desk):
    """2,688 quarter-hours of 100 Wh each: half of 200 Wh to each by fixed parts."""
    made = desk("statements", "run", *FROM, "--status", "final", "--why", "February")["run"]
    assert (made["quarters"], made["held"], made["inputs"]["keys"][0]["id"]) == (2688, 0, "k1")
    received = {volume["member"]: volume["received_wh"] for volume in made["volumes"]}
    assert received == {"p-lea": 268_800, "p-firm": 268_800, "p-town": 0}
    kinds = [
        (document["number"], document["draft"]["kind"], document["draft"]["member"]) for document in made["documents"]
    ]
    assert [kind[1:] for kind in kinds] == [("invoice", "p-firm"), ("invoice", "p-lea"), ("remuneration", "p-town")]
    shown = desk("statements", "show", *WHERE)
    assert shown["run"] == made


def test_run_names_the_quarter_hours_it_holds(desk):
    gap = (*WHERE, "--readings", "gap.csv", "--terms", "terms.yaml")
    told = desk("statements", "run", *gap, plain=True)
    assert "2,687 of 2,688 quarter-hours settled" in told
    line = f"  held for {LEA}: withdrawal unknown from 2026-01-31T23:00Z to 2026-01-31T23:15Z, 1 quarter-hours"
    assert line in told.splitlines()
    (kept,) = desk("statements", "show", *WHERE)["run"]["gaps"]
    assert (kept["point"], kept["direction"], kept["quarters"]) == (LEA, "withdrawal", 1)


def test_protected_member_pays_the_social_tariff_at_most(desk):
    made = desk("statements", "run", *FROM)["run"]
    lea = next(statement for statement in made["statements"] if statement["member"] == "p-lea")
    assert float(lea["totals"]["gross"]) <= 268.8 * 0.24927
    assert lea["lines"][-1]["name"] == "never_worse_off"


def test_late_meter_is_corrected_by_credit_note_and_new_invoice(desk):
    """Léa takes 60 Wh less in one quarter-hour, the firm takes them: both are told anew, the town is paid the same."""
    desk("statements", "run", *FROM, "--status", "final")
    made = desk("statements", "run", *LATE, "--status", "correction", "--why", "late meter")
    assert made["version"] == 2
    kinds = [document["draft"]["kind"] for document in made["run"]["documents"]]
    assert kinds.count("credit_note") == kinds.count("invoice") == 2
    assert "credit_note 2026-000004 on 2026-000001" in desk("statements", "show", *WHERE, plain=True)
    with pytest.raises(RefusedError, match="what comes now is a correction"):
        desk("statements", "run", *FROM, "--status", "final")


def test_late_readings_reopen_the_month_and_one_command_corrects_it(desk):
    """Léa takes 60 Wh less, the firm takes them: both are named, and told anew by the terms that the month was charged by."""
    desk("statements", "run", *FROM, "--status", "final")
    late = desk("statements", "late", *WHERE, "--readings", "late.csv", "--by", "ann")["reopened"]
    wh = {(each["member"], each["side"]): each["energy_wh"] for each in late["changes"]}
    assert (late["version"], wh) == (1, {("p-lea", "consumer"): -60, ("p-firm", "consumer"): 60})
    shown = desk("statements", "show", *WHERE, plain=True)
    assert "ixelles 2026-02, version 1, is reopened since 2026-07-03 10:00 UTC" in shown
    assert "  p-lea receives -0.060 kWh, -0.0" in shown
    made = desk("statements", "correct", *WHERE, "--why", "late meter")
    assert (made["version"], made["run"]["status"], made["run"]["why"]) == (2, "correction", "late meter")
    assert "reopened" not in desk("statements", "show", *WHERE, plain=True)
    explained = desk("statements", "explain", *WHERE, "--readings", "late.csv", "--member", "p-lea")
    assert explained["version"] == 2


def test_late_readings_that_change_nothing_reopen_nothing(desk):
    desk("statements", "run", *FROM, "--status", "final")
    desk("statements", "late", *WHERE, "--readings", "late.csv")
    told = desk("statements", "late", *WHERE, "--readings", "february.csv", plain=True)
    assert told == "ixelles 2026-02: these readings change nothing for anybody\n"
    with pytest.raises(RefusedError, match="2026-02 of ixelles is not reopened"):
        desk("statements", "correct", *WHERE)


def test_month_that_is_not_final_cannot_be_reopened(desk):
    desk("statements", "run", *FROM)
    with pytest.raises(RefusedError, match="2026-02 of ixelles has no final run"):
        desk("statements", "late", *WHERE, "--readings", "late.csv")


def test_gap_holds_its_quarter_hour_and_the_run_says_so(desk):
    made = desk("statements", "run", *WHERE, "--readings", "gap.csv", "--terms", "terms.yaml", plain=True)
    assert "2,687 of 2,688 quarter-hours settled by k1" in made


def test_members_are_charged_by_the_operators_volumes_and_ours_are_told_beside(desk):
    made = desk("statements", "run", *FROM, "--operator", "operator.csv")["run"]
    fees = {statement["member"]: [line["net"] for line in statement["lines"] if line["name"] == "grid_fee"]
            for statement in made["statements"]}  # fmt: skip
    assert fees == {"p-lea": ["4.01"], "p-firm": ["12.50"], "p-town": []}
    charged = {statement["member"]: statement["energy"]["received_wh"] for statement in made["statements"]}
    assert charged["p-lea"] == 268_000
    energies = {"ours_wh": 268_800, "theirs_wh": 268_000}
    whose = {"members": ["p-lea"], "causes": ["readings"]}  # by its file she withdrew 268 kWh, all of it shared
    assert made["differences"] == [{"ean": LEA, "direction": "withdrawal", **energies, **whose}]
    told = desk("statements", "show", *WHERE, plain=True)
    assert "268.000 kWh by the grid operator, 268.800 by us: it counted another withdrawal" in told
    told = desk("statements", "explain", *WHERE, "--readings", "february.csv", "--member", "p-lea")
    assert "268.000 kWh is what the grid operator told. By our own computation 268.800 kWh" in told["lines"][0]["why"]


def test_restated_file_of_the_operator_is_a_correction_of_what_it_changes(desk):
    desk("statements", "run", *FROM, "--operator", "operator.csv", "--status", "final")
    made = desk("statements", "run", *FROM, "--operator", "restated.csv", "--status", "correction", "--why", "restated")
    (changed,) = made["run"]["corrections"]
    assert changed["after"]["member"] == "p-lea"
    moved = {delta["name"]: delta["energy_wh"] for delta in changed["deltas"]}
    assert moved["shared_energy"] == -1_000
    kinds = [document["draft"]["kind"] for document in made["run"]["documents"]]
    assert kinds == ["credit_note", "invoice"]
    with pytest.raises(RefusedError, match="nothing of 2026-02 would change"):
        desk("statements", "run", *FROM, "--operator", "restated.csv", "--status", "correction", "--why", "again")


def test_every_line_is_explained_down_to_a_quarter_hour(desk):
    desk("statements", "run", *FROM)
    told = desk("statements", "explain", *WHERE, "--readings", "february.csv", "--member", "p-firm")
    assert told["version"] == 1
    assert [line["line"] for line in told["lines"]] == ["shared_energy", "network", "excise"]
    assert all("2,688 quarter-hours" in line["why"] for line in told["lines"])
    with pytest.raises(DataError, match="are not those of this version"):
        desk("statements", "explain", *WHERE, "--readings", "late.csv", "--member", "p-firm")


@pytest.mark.parametrize(
    ("words", "error", "told"),
    [
        (("--month", "2026-03"), DataError, "at the end of the month are not in it"),
        (("--month", "2026-2"), ConfigError, "is no month"),
        (("--community", "jette"), ConfigError, "the register has no jette"),
        (("--status", "last"), ConfigError, "is no status"),
        (("--operator", "february.csv"), DataError, "no header says 'shared kwh'"),
        (("--operator", "operator.csv", "--operator-format", "generic"), ConfigError, "has no monthly volumes"),
        (("--operator", "operator.csv", "--operator-format", "ores"), ConfigError, "there is no format 'ores'"),
        (("--terms", "people.yaml"), ConfigError, "people"),
    ],
)
def test_what_cannot_be_settled_is_told_and_nothing_is_kept(desk, words, error, told):
    with pytest.raises(error, match=told) as caught:
        desk("statements", "run", *FROM, *words)
    assert caught.value.hint
    with pytest.raises(ConfigError, match="has 0 versions"):
        desk("statements", "show", *WHERE)


def test_papers_of_a_month_are_written_as_a_whole_folder(desk, tmp_path):
    desk("statements", "run", *FROM, "--status", "final")
    out = tmp_path / "february"
    told = desk("statements", "papers", *WHERE, "--out", str(out))
    assert sorted(path.name for path in out.iterdir()) == [
        "2026-000001-invoice-p-firm.pdf",
        "2026-000001-invoice-p-firm.xml",
        "2026-000002-invoice-p-lea.pdf",
        "2026-000003-remuneration-p-town.pdf",
        "direct-debits.xml",
        "month-excel.csv",
        "month.csv",
    ]
    assert (told["documents"], told["peppol"], list(told["no_peppol"])) == (3, 1, ["2026-000002", "2026-000003"])
    assert {each["member"]: each["way"] for each in told["payments"]} == {
        "p-firm": "itself", "p-lea": "debit", "p-town": "no_account"
    }  # fmt: skip
    with pytest.raises(ConfigError, match="is there already"):
        desk("statements", "papers", *WHERE, "--out", str(out))


def test_papers_of_a_correction_settle_the_difference(desk, tmp_path):
    desk("statements", "run", *FROM, "--status", "final")
    desk("statements", "run", *LATE, "--status", "correction", "--why", "the meter was late")
    told = desk("statements", "papers", *WHERE, "--out", str(tmp_path / "late"), plain=True)
    assert "4 PDF and 2 Peppol XML" in told
    assert "1 times to pay out (transfers.xml)" in told  # Léa gets back what the meter said too much
    papers = [path.read_text() for path in (tmp_path / "late").glob("*.xml") if "p-firm" in path.name]
    assert len(papers) == 2
    assert all("the meter was late" in each for each in papers)


def test_far_site_tells_what_it_would_cost_everybody(desk):
    desk("statements", "run", *FROM)
    told = desk("statements", "far-site", *WHERE, "--type", "D")
    assert told["grid_type"] == {"before": "C", "after": "D"}
    assert [each["member"] for each in told["members"]] == ["p-firm", "p-lea"]
    assert told["more"] == "0.00", "the register says type C, which pays in full as D does"
    assert "is of type C already" in desk("statements", "far-site", *WHERE, "--type", "B", plain=True)
    with pytest.raises(ConfigError, match="'E' is no grid type"):
        desk("statements", "far-site", *WHERE, "--type", "E")


def test_preview_has_papers_that_are_no_invoices(desk, tmp_path):
    desk("statements", "run", *FROM)
    told = desk("statements", "papers", *WHERE, "--out", str(tmp_path / "preview"))
    assert (told["documents"], told["peppol"], told["payments"]) == (3, 0, [])
    assert (tmp_path / "preview" / "preview-invoice-p-lea.pdf").read_bytes().startswith(b"%PDF")


def test_identity_is_that_of_the_day_of_issue_whatever_changed_since(desk, tmp_path):
    desk("statements", "run", *FROM, "--status", "final")
    people = (tmp_path / "people.yaml").read_text().replace("Boulangerie Ixelloise", "Bakkerij Elsene")
    (tmp_path / "people.yaml").write_text(people)
    plan = desk("register", "plan", "--config", "centre.yaml", "--people", "people.yaml")["plan"]
    time.sleep(0.002)  # what is known is known to the millisecond
    desk("register", "apply", "--config", "centre.yaml", "--people", "people.yaml", "--plan", plan, "--why", "renamed")
    desk("statements", "papers", *WHERE, "--out", str(tmp_path / "february"))
    xml = (tmp_path / "february" / "2026-000001-invoice-p-firm.xml").read_text()
    assert "Boulangerie Ixelloise" in xml
    assert "Elsene" not in xml


def test_member_without_name_and_address_stops_the_papers_and_nothing_is_written(desk, tmp_path):
    desk("statements", "run", *FROM, "--status", "final")
    desk("statements", "papers", *WHERE, "--out", str(tmp_path / "first"))
    people = yaml.safe_load((tmp_path / "people.yaml").read_text())
    lea = next(each for each in people["parties"] if each["id"] == "p-lea")
    lea["valid_to"] = date(2026, 3, 1)
    (tmp_path / "people.yaml").write_text(yaml.safe_dump(people))
    plan = desk("register", "plan", "--config", "centre.yaml", "--people", "people.yaml")["plan"]
    desk("register", "apply", "--config", "centre.yaml", "--people", "people.yaml", "--plan", plan, "--why", "left")
    desk("statements", "run", *LATE, "--status", "correction")
    with pytest.raises(ConfigError, match="p-lea has no name and address on 2026-07-03"):
        desk("statements", "papers", *WHERE, "--out", str(tmp_path / "second"))
    assert not (tmp_path / "second").exists()
    assert not list(tmp_path.glob(".second*"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("iban: BE68539007547035", "is no IBAN"),
        ("vat_number: BE0123456789", "is no VAT number"),
        ('company_number: "0123456789"', "is no Belgian enterprise number"),
        ('peppol: "0208:0123456789"', "is no Peppol address"),
        ("creditor_id: BE11ZZZ0123456749", "is no SEPA creditor identifier"),
        ("bic: GKCC", "is no BIC"),
        ("mandate: M-1", "mandate_signed come together"),
        ("mandate: M-1, mandate_signed: 2026-01-01", "party.iban is needed"),
    ],
)
def test_wrong_number_of_a_party_is_told_with_its_line(desk, tmp_path, line, told):
    (tmp_path / "people.yaml").write_text(f"parties:\n  - {{id: ixelles, name: Ixelles, {line}}}\n")
    with pytest.raises(ConfigError, match=told) as caught:
        desk("register", "plan", "--config", "centre.yaml", "--people", "people.yaml")
    assert caught.value.line


def test_party_of_nobody_is_refused(desk, tmp_path):
    (tmp_path / "people.yaml").write_text("parties:\n  - {id: p-nobody, name: Nobody}\n")
    with pytest.raises(ConfigError, match="is no participant and no community"):
        desk("register", "plan", "--config", "centre.yaml", "--people", "people.yaml")
