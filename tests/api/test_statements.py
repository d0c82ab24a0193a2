"""Statements over HTTP: as they were kept, for managers only, and never of another community."""

from datetime import date

import jsonschema
import pytest

from energy.settlement.gaps import Gap
from energy.settlement.inputs import inputs_of
from energy.settlement.month import Settled, settle_month
from energy.settlement.statement import Member, statements
from energy.sharing.settlement import Direction
from storage.register.month_runs import keep, reopen
from storage.register.parties import PARTIES, BillingParty
from storage.register.roles import AccessRole
from tests.api.conftest import COMMUNITIES, Api, bearer
from tests.energy.settlement.example import EAN, SUN, setting, volume
from tests.energy.settlement.test_month import inputs, readings

MONTH = "/api/v1/communities/ixelles/statements"
DOCUMENT = "/api/v1/communities/ixelles/documents/2026-000001"
FAR = f"{MONTH}/far-site?month=2026-06&type=D"
ONE = "/api/v1/statements/ixelles.2026-06.1.m-1.consumer"
GAP = Gap(EAN, Direction.WITHDRAWAL, 1_780_264_800_000, 1_780_267_500_000, 3)
MEMBERS = [Member("m-1", "citizen"), Member("town", "municipality")]


@pytest.fixture
def settle(api: Api):
    """settle(status, Wh): keeps a run of June in which m-1 received so much."""

    def run(status="final", received_wh=123_457):
        own = (
            volume(received_wh, withdrawal_wh=200_000),
            volume(0, member="town", point=SUN, given_wh=received_wh, withdrawal_wh=0),
        )
        inputs = inputs_of(setting("B"), (0, 1), [], MEMBERS, [])
        made = Settled(inputs, (), (), own, statements(setting("B"), MEMBERS, own), (), 2880, 3, (GAP,), 2)
        with api.register.database.write() as connection:
            keep(connection, made, "0" * 64, status, issued=date(2026, 7, 3), by="ann", why="", now_ms=1)

    return run


def scope(role, community):
    """Its whole community, or what a role of single places may have."""
    if role is AccessRole.BUILDING:
        return {"sites": [site.id for one in COMMUNITIES if one.id == community for site in one.sites]}
    return {"municipalities" if role is AccessRole.MUNICIPALITY else "communities": [community]}


@pytest.fixture
def named(api: Api):
    """Community and members have names; the town can be reached by Peppol."""
    with api.register.database.write() as connection:
        for name, number in (("ixelles", "0123456749"), ("m-1", ""), ("town", "0987654394")):
            peppol = f"0208:{number}" if number else ""
            party = BillingParty(id=name, name=f"{name} & son", city="Ixelles", company_number=number, peppol=peppol)
            PARTIES.put(connection, party, 0)


@pytest.fixture
def ask(api: Api, keys):
    """ask(path, role, community): the answer to a key of that role."""

    async def run(path, role=AccessRole.MANAGER, community="ixelles", **headers):
        name = f"{role}-{community}"
        if name not in made:
            made[name] = bearer(keys.create(name, role, **scope(role, community)))
        return await api.client.get(path, headers=made[name] | headers)

    made = {}
    return run


async def test_month_is_told_as_it_was_kept_and_as_openapi_says(api: Api, settle, ask):
    settle()
    answer = (await ask(f"{MONTH}?month=2026-06")).json()
    assert (answer["status"], answer["versions"], answer["held"]) == ("final", 1, 3)
    consumer, producer = answer["statements"]
    assert (consumer["id"], consumer["totals"]["gross"]) == (ONE.rpartition("/")[2], "32.33")
    assert producer["totals"]["gross"] == "7.41"
    assert [(each["number"], each["kind"], each["communication"]) for each in answer["documents"]] == [
        ("2026-000001", "invoice", "+++202/6000/00192+++"),
        ("2026-000002", "remuneration", "+++202/6000/00293+++"),
    ]
    schema = api.app.openapi()
    for path, body in (
        (MONTH.replace("ixelles", "{community}"), answer),
        ("/api/v1/statements/{statement}", (await ask(ONE)).json()),
    ):
        said = schema["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(body, said | {"components": schema["components"]})


async def test_statement_has_its_lines_as_json_and_csv(settle, ask):
    settle()
    answer = (await ask(ONE)).json()
    assert [line["net"] for line in answer["lines"]] == ["17.28", "7.12", "6.10"]
    assert answer["energy"]["complementary_wh"] == 200_000 - 123_457
    lines = (await ask(ONE, accept="text/csv")).text.splitlines()
    assert lines[1].startswith(f"energy,shared_energy,{EAN},123457,0.14,17.28,0.06,")
    assert len(lines) == 4


async def test_statement_tells_what_the_month_would_have_cost_without_sharing(api: Api, ask):
    """123.457 kWh at 0.39 are 48.15; grid type B costs 32.33."""
    reference = [{"eur_kwh": "0.39", "source": "CREG, June 2026", "valid_from": "2026-01-01"}]
    own = (volume(123_457, withdrawal_wh=200_000),)
    for told, expected in (
        (reference, {"eur_kwh": "0.39", "source": "CREG, June 2026", "cost": "48.15", "spared": "15.82"}),
        ([], None),
    ):
        of = setting("B", reference=told)
        run = Settled(inputs_of(of, (0, 1), [], MEMBERS, []), (), (), own, statements(of, MEMBERS, own), (), 2880, 0)
        with api.register.database.write() as connection:
            keep(connection, run, "0" * 64, "preview", issued=date(2026, 7, 3), by="ann", why="", now_ms=1)
        body = (await ask(ONE.replace(".1.", ".1." if told else ".2."))).json()
        assert body["without_sharing"] == expected


async def test_month_names_the_quarter_hours_it_holds(settle, ask):
    settle()
    body = (await ask(f"{MONTH}?month=2026-06")).json()
    assert (body["held"], body["gaps_left"]) == (3, 2)
    assert body["gaps"] == [
        {"point": EAN, "direction": "withdrawal", "start": 1_780_264_800_000, "end": 1_780_267_500_000, "quarters": 3}
    ]


async def test_correction_tells_what_it_changes(settle, ask):
    settle()
    settle("correction", 100_000)
    first, last = [(await ask(f"{MONTH}?month=2026-06&version={version}")).json() for version in (1, 2)]
    assert first["corrections"] == []
    changed = {(each["member"], each["side"]): each["lines"] for each in last["corrections"]}
    assert changed["m-1", "consumer"][0] == {"name": "shared_energy", "ean": EAN, "energy_wh": -23_457, "net": "-3.28"}


@pytest.fixture
def reopened(api: Api):
    """June settled, and late readings in which m-1 withdrew nothing in one quarter-hour."""
    late = readings()
    late.withdrawal[7, late.points.index(EAN)] = 0
    with api.register.database.write() as connection:
        made = settle_month(inputs(), readings())
        keep(connection, made, "0" * 64, "final", issued=date(2025, 6, 1), by="ann", why="", now_ms=1,
             readings=readings())  # fmt: skip
        reopen(connection, settle_month(inputs(), late), late, by="ann", now_ms=2)


async def test_reopened_month_is_told_with_whom_it_changes_and_corrected_once(api: Api, reopened, ask, keys):
    months = (await ask(f"{MONTH}/reopened")).json()["months"]
    assert [(each["month"], each["version"], each["by"]) for each in months] == [("2026-06", 1, "ann")]
    assert {(each["member"], each["energy_wh"]) for each in months[0]["changes"]} == {("m-1", -50), ("m-2", 50)}
    assert (months[0]["quarters"], months[0]["points"]) == (
        1,
        [{"point": EAN, "quarters": 1, "withdrawal_wh": -100, "injection_wh": 0}],
    )
    assert (await ask(f"{MONTH}?month=2026-06")).json()["reopened"] == months[0]
    manager = bearer(keys.create("m", AccessRole.MANAGER, communities=["ixelles"]))
    asked = {"month": "2026-06", "why": "the meter was read by hand"}
    made = await api.client.post(f"{MONTH}/correction", json=asked, headers=manager)
    assert made.status_code == 201, made.text
    assert (made.json()["status"], made.json()["version"], made.json()["reopened"]) == ("correction", 2, None)
    assert {each["member"] for each in made.json()["corrections"]} == {"m-1", "m-2"}
    assert (await ask(f"{MONTH}/reopened")).json()["months"] == []
    again = await api.client.post(f"{MONTH}/correction", json=asked, headers=manager)
    assert (again.status_code, again.json()["code"]) == (409, "refused")
    schema = api.app.openapi()
    for path, verb, body in (
        (f"{MONTH}/reopened", "get", {"community": "ixelles", "months": months}),
        (f"{MONTH}/correction", "post", made.json()),
    ):
        answers = schema["paths"][path.replace("ixelles", "{community}")][verb]["responses"]
        said = answers["200" if verb == "get" else "201"]["content"]["application/json"]["schema"]
        jsonschema.validate(body, said | {"components": schema["components"]})


@pytest.mark.parametrize(("role", "community"), [(AccessRole.VIEWER, "ixelles"), (AccessRole.MANAGER, "other")])
async def test_correction_is_for_those_who_settle_that_community(api: Api, reopened, keys, role, community):
    headers = bearer(keys.create("k", role, communities=[community]))
    asked = {"month": "2026-06", "why": "late"}
    answer = await api.client.post(f"{MONTH}/correction", json=asked, headers=headers)
    assert answer.status_code in {403, 404}
    assert (await api.client.get(f"{MONTH}/reopened", headers=headers)).status_code in {403, 404}


async def test_csv_is_there_for_excel_too(settle, named, ask):
    settle()
    lines = (await ask(f"{ONE}?dialect=excel-be", accept="text/csv")).content.decode().splitlines()
    assert lines[1].startswith(f'energy;shared_energy;"=""{EAN}""";123457;0,14;17,28;0,06;')


async def test_statement_and_documents_come_as_pdf(settle, named, ask):
    settle()
    for path in (ONE, DOCUMENT):
        answer = await ask(path, accept="application/pdf")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-disposition"] == 'inline; filename="2026-000001-m-1.pdf"'
        assert answer.content.startswith(b"%PDF")
    assert (await ask(ONE, accept="application/pdf")).content == (await ask(DOCUMENT, accept="application/pdf")).content


async def test_document_is_told_as_openapi_says_and_as_peppol_xml(api: Api, settle, named, ask):
    settle()
    answer = (await ask(DOCUMENT.replace("000001", "000002"))).json()
    assert (answer["draft"]["kind"], answer["draft"]["totals"]["gross"]) == ("remuneration", "7.41")
    schema = api.app.openapi()
    said = schema["paths"]["/api/v1/communities/{community}/documents/{number}"]["get"]["responses"]["200"]["content"]
    jsonschema.validate(answer, said["application/json"]["schema"] | {"components": schema["components"]})
    assert {"application/pdf", "application/xml", "text/csv"} < set(said)
    xml = await ask(DOCUMENT.replace("000001", "000002"), accept="application/xml")
    assert b"<cbc:ID>2026-000002</cbc:ID>" in xml.content
    assert b"town &amp; son" in xml.content


async def test_credit_note_can_be_asked_for(settle, named, ask):
    settle()
    settle("correction", 100_000)
    answer = (await ask(DOCUMENT.replace("000001", "000003"))).json()
    assert (answer["draft"]["kind"], answer["draft"]["credits"]) == ("credit_note", "2026-000001")
    assert (await ask(DOCUMENT.replace("000001", "000003"), accept="application/pdf")).status_code == 200


async def test_paper_that_cannot_be_made_says_why(settle, ask, named):
    settle()
    answer = await ask(DOCUMENT, accept="application/xml")
    assert (answer.status_code, answer.json()["code"]) == (409, "refused")
    assert "m-1 has no Peppol address" in answer.json()["detail"]
    assert answer.json()["hint"]


async def test_paper_without_identities_says_what_is_missing(settle, ask):
    settle()
    answer = await ask(ONE, accept="application/pdf")
    assert answer.status_code == 409
    assert "ixelles has no name and address on 2026-07-03" in answer.json()["detail"]
    assert (await ask(ONE, accept="text/csv")).status_code == 200


async def test_each_version_can_be_asked_for(settle, ask):
    settle()
    settle("correction", 100_000)
    assert (await ask(f"{MONTH}?month=2026-06")).json()["status"] == "correction"
    assert (await ask(f"{MONTH}?month=2026-06&version=1")).json()["status"] == "final"
    assert (await ask(ONE.replace(".1.", ".2."))).json()["energy"]["received_wh"] == 100_000
    for path in (f"{MONTH}?month=2026-06&version=3", f"{MONTH}?month=2026-05", f"{FAR}&version=3"):
        answer = await ask(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.json()["hint"]


@pytest.mark.parametrize("role", [role for role in AccessRole if role not in {AccessRole.MANAGER, AccessRole.ADMIN}])
async def test_nobody_but_managers_sees_what_members_pay(settle, ask, role):
    settle()
    for path in (f"{MONTH}?month=2026-06", ONE, DOCUMENT, FAR):
        answer = await ask(path, role)
        assert answer.status_code == 403, answer.text
        assert "17.28" not in answer.text


async def test_manager_of_another_community_finds_nothing(settle, ask):
    settle()
    for path in (f"{MONTH}?month=2026-06", ONE, DOCUMENT, FAR):
        answer = await ask(path, AccessRole.MANAGER, "schaerbeek")
        assert answer.status_code == 404
    nothing = await ask(ONE.replace("ixelles", "nowhere"), AccessRole.MANAGER, "schaerbeek")
    assert nothing.text.replace("nowhere", "ixelles") == (await ask(ONE, AccessRole.MANAGER, "schaerbeek")).text


@pytest.mark.parametrize(
    "path",
    ["/api/v1/statements/x", ONE.replace("m-1", "m-9"), ONE.replace("2026-06", "june"), ONE.replace(".1.", ".01.")],
)
async def test_statement_that_is_not_there_is_not_found(settle, ask, path):
    settle()
    assert (await ask(path)).status_code == 404


async def test_far_site_tells_what_its_type_would_cost_everybody(api: Api, settle, ask):
    """123.457 kWh: at B half the network cost is due, at D all of it."""
    settle()
    answer = (await ask(FAR)).json()
    assert (answer["before"], answer["after"], answer["more"]) == ("B", "D", "7.55")
    (member,) = answer["members"]
    assert (member["member"], member["before"], member["after"]) == ("m-1", "32.33", "39.88")
    schema = api.app.openapi()
    path = f"{MONTH.replace('ixelles', '{community}')}/far-site"
    said = schema["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(answer, said | {"components": schema["components"]})
    assert (await ask(FAR.replace("type=D", "type=A"))).json()["more"] == "0.00"
    assert (await ask(FAR.replace("type=D", "type=E"))).status_code == 422


async def test_month_that_is_none_is_refused(ask):
    assert (await ask(f"{MONTH}?month=2026-13")).status_code == 422
    assert (await ask(MONTH)).status_code == 422
