"""`commonwatt alerts`: what stands, rules, evidence as files, and the test message over real HTTP."""

import csv
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from energy.errors import CommonwattError
from storage.register import Alert, AlertAction, Evidence, Register

T = 1_750_000_000_000


@pytest.fixture(autouse=True)
def _no_logs(monkeypatch):
    """A log handler would keep the runner's stream, which is closed after each call."""
    monkeypatch.setattr("cli.main.configure_logs", lambda _: None)


@pytest.fixture
def hook():
    """An HTTP server in a thread that keeps what was posted."""
    posts = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200 if "good" in self.path else 500)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, posts
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def config(tmp_path, hook):
    port, _ = hook
    for name in ("good", "bad"):
        (tmp_path / name).write_text(f"json://127.0.0.1:{port}/{name}\n", encoding="utf-8")
    content = {
        "communities": [{
            "id": "ixelles", "name": "Ixelles", "rules": ["voltage-high", "disk-ending"],
            "sites": [{"id": "hall", "name": "Hall", "gateway": "gw", "devices": [{"id": "grid", "role": "grid"}]}],
        }],
        "register": {"path": str(tmp_path / "register.db")},
        "notifications": {
            "webhook_hosts": ["127.0.0.1"],
            "channels": [{"id": name, "urls_file": str(tmp_path / name), "language": "fr"} for name in ("good", "bad")],
        },
    }  # fmt: skip
    path = tmp_path / "centre.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    register = Register(tmp_path / "register.db")
    register.record_command("c1", "hall/battery", {"power_w": -1}, 60, issued_by="rule:x", reason="x", t=T, ends_at=T)
    register.save_alert(Alert(
        id="a1", rule="voltage-high", community="ixelles", severity="warning", state="firing", metric="voltage_high",
        unit="V", subject="hall/grid", value=251.2, raise_above=250, clear_below=248, since=T, raised_at=T,
        actions=(AlertAction("hall/battery", {"power_w": -1}, "c1", "asked"),),
        evidence=(Evidence(T - 5, "crossed", "rose"), Evidence(T, "raised", 'stayed, "long"')),
    ))  # fmt: skip
    register.close()
    return path


def run(*arguments, code=0):
    done = CliRunner().invoke(app, ["alerts", *map(str, arguments)], catch_exceptions=True)
    if isinstance(done.exception, CommonwattError):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


def test_list_tells_what_stands(config):
    assert "a1\twarning\tfiring\tsince 2025-06-15 15:06 UTC\t251.2 V" in run("list", "--config", config)
    assert json.loads(run("list", "--config", config, "--json"))["alerts"][0]["subject"] == "hall/grid"


def test_rules_tell_their_values_and_the_library_all_there_are(config):
    told = run("rules", "--config", config)
    assert "ixelles\tvoltage-high\twarning\traised above 250 V for 0 s\tclears below 248 V for 300 s\twatches 1" in told
    library = json.loads(run("rules", "--config", config, "--library", "--json"))["rules"]
    assert len(library) >= 20


def test_export_writes_the_chain_as_csv_and_json(config, tmp_path):
    run("export", "--config", config, "--out", tmp_path / "e.csv")
    with (tmp_path / "e.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["event"] for row in rows] == ["crossed", "raised", "command asked"]
    assert rows[1]["text"] == 'stayed, "long"'
    run("export", "--config", config, "--out", tmp_path / "e.json", "--alert", "a1")
    (chain,) = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))["chains"]
    assert chain["commands"][0]["id"] == "c1"
    assert run("export", "--config", config, "--out", "-").startswith("time,community,alert")
    assert sorted(path.name for path in tmp_path.glob("e.*")) == ["e.csv", "e.json"]


@pytest.mark.parametrize(("arguments", "told"), [
    (["export", "--out", "e.xlsx"], "neither .csv nor .json"),
    (["export", "--out", "e.csv", "--alert", "a9"], "there is no alert 'a9'"),
    (["export", "--out", "/nowhere/e.csv"], "cannot be written"),
    (["test", "--channel", "boss"], "there is no channel 'boss'"),
])  # fmt: skip
def test_what_cannot_be_done_is_told(config, arguments, told):
    with pytest.raises(CommonwattError, match=told):
        run(*arguments, "--config", config)


def test_test_sends_in_the_channels_language_and_fails_when_one_did_not_take_it(config, hook):
    assert run("test", "--config", config, "--channel", "good") == "good\tevery address took it\n"
    assert hook[1][0]["message"] == "Ce canal fonctionne : good."
    told = run("test", "--config", config, "--json", code=1)
    assert json.loads(told)["channels"] == [
        {"channel": "good", "problem": ""},
        {"channel": "bad", "problem": "1 of 1 addresses took no message (json)"},
    ]


def test_a_rule_that_notifies_nobody_known_is_refused(config):
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    content["communities"][0]["rules"] = [{"use": "voltage-high", "notify": ["boss"]}]
    config.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(CommonwattError, match="notifies 'boss', which is no channel; there are good, bad"):
        run("list", "--config", config)


def test_check_warns_of_a_rule_that_watches_nothing(config):
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    content["communities"][0]["rules"] = ["voltage-high", "fuse-near-limit"]
    config.write_text(yaml.safe_dump(content), encoding="utf-8")
    told = CliRunner().invoke(app, ["check", str(config)]).stdout
    assert "warning: rule fuse-near-limit of ixelles watches nothing" in told
    assert "voltage-high of" not in told
