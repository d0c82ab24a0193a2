"""Messages to people over a real HTTP server and a real SMTP server on this machine."""

import asyncio
import json
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from pydantic import ValidationError

from energy.errors import ConfigError
from messaging.notices import Channel, Mailbox, NotificationSettings, Quiet, open_mailboxes


class Hook:
    """An HTTP server that keeps what was posted and answers as told."""

    def __init__(self):
        self.posts = []
        self.status = "200 OK"
        self.location = ""
        self.port = 0

    async def answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            (int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length")), 0
        )
        self.posts.append((head.splitlines()[0], await reader.readexactly(length)))
        location = f"Location: {self.location}\r\n" if self.location else ""
        writer.write(f"HTTP/1.1 {self.status}\r\n{location}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def serving():
    hook = Hook()
    server = await asyncio.start_server(hook.answer, "127.0.0.1", 0)
    hook.port = server.sockets[0].getsockname()[1]
    async with server:
        yield hook


@pytest.fixture
async def hook():
    async with serving() as opened:
        yield opened


@pytest.fixture
def smtp(free_port):
    class Inbox:
        def __init__(self):
            self.mails = []

        async def handle_DATA(  # noqa: N802 - aiosmtpd's name
            self, _server, _session, envelope
        ):
            self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=default)))
            return "250 OK"

    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    inbox.port = controller.port
    yield inbox
    controller.stop()


def mailbox(tmp_path, *urls, hosts=("127.0.0.1",), **changes):
    file = tmp_path / "urls"
    file.write_text("# addresses\n\n" + "\n".join(urls) + "\n", encoding="utf-8")
    channel = Channel(id="facility", urls_file=file, **changes)
    return Mailbox(channel, NotificationSettings(channels=(channel,), webhook_hosts=hosts, timeout_s=5))


async def send(box, title="Voltage", body="Too high.", severity="critical"):
    return await asyncio.to_thread(box.send, title, body, severity)


async def test_a_webhook_gets_title_text_and_severity(tmp_path, hook):
    sent = await send(mailbox(tmp_path, f"json://127.0.0.1:{hook.port}/alerts"))
    assert (sent.channel, sent.problem) == ("facility", "")
    ((request, body),) = hook.posts
    assert request == "POST /alerts HTTP/1.1"
    told = json.loads(body)
    assert (told["title"], told["message"], told["type"]) == ("Voltage", "Too high.", "failure")


async def test_a_mail_arrives_with_its_accents(tmp_path, smtp):
    box = mailbox(tmp_path, f"mailto://127.0.0.1:{smtp.port}?from=cw@example.org&to=jan@example.org&mode=insecure")
    sent = await send(box, "Tension élevée", "253,4 V à l'école.\nPrévenez le gestionnaire.")
    assert sent.problem == ""
    ((to, mail),) = smtp.mails
    assert to == ["jan@example.org"]
    assert "Tension élevée" in mail["subject"]
    assert "253,4 V à l'école." in mail.get_body(("plain",)).get_content()


async def test_what_is_not_taken_is_told_without_the_address(tmp_path, hook):
    hook.status = "500 Broken"
    sent = await send(mailbox(tmp_path, f"json://jan:secret@127.0.0.1:{hook.port}/token"))
    assert sent.problem == "1 of 1 addresses took no message (json)"
    gone = mailbox(tmp_path, "json://127.0.0.1:1/x")
    assert (await send(gone)).problem


async def test_one_address_that_fails_does_not_stop_the_others(tmp_path, hook):
    box = mailbox(tmp_path, "json://127.0.0.1:1/x", f"json://127.0.0.1:{hook.port}/x")
    assert (await send(box)).problem == "1 of 2 addresses took no message (json)"
    assert len(hook.posts) == 1


@pytest.mark.parametrize("query", ["", "?redirect=yes"])
async def test_a_redirect_is_never_followed(tmp_path, hook, query):
    async with serving() as elsewhere:
        hook.status, hook.location = "307 Temporary Redirect", f"http://127.0.0.1:{elsewhere.port}/stolen"
        assert (await send(mailbox(tmp_path, f"json://127.0.0.1:{hook.port}/x{query}"))).problem
        assert elsewhere.posts == []


@pytest.mark.parametrize(("url", "told"), [
    ("json://internal.example.org/x", "not on the list"),
    ("jsons://hooks.example.org.evil.example/x", "not on the list"),
    ("form://10.0.0.1/x", "not on the list"),
    ("syslog://", "no kind of address"),
    ("dbus://", "no kind of address"),
    ("file:///etc/passwd", "no kind of address"),
    ("secret-token-without-kind", "no kind of address"),
    ("workflows://", "not complete"),
])  # fmt: skip
def test_an_address_that_may_not_be_is_refused_with_its_line_and_not_shown(tmp_path, url, told):
    with pytest.raises(ConfigError, match=told) as wrong:
        mailbox(tmp_path, url)
    assert (wrong.value.line, wrong.value.file) == (3, str(tmp_path / "urls"))
    assert "secret-token-without-kind" not in str(wrong.value)


def test_a_list_may_name_host_and_port(tmp_path):
    assert mailbox(tmp_path, "json://127.0.0.1:8080/x", hosts=("127.0.0.1:8080",))
    with pytest.raises(ConfigError, match="not on the list"):
        mailbox(tmp_path, "json://127.0.0.1:8081/x", hosts=("127.0.0.1:8080",))


def test_a_file_without_address_or_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="holds no address"):
        mailbox(tmp_path)
    channel = Channel(id="facility", urls_file=tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"nowhere: notifications.channels.facility: cannot be read"):
        open_mailboxes(NotificationSettings(channels=(channel,)))


@pytest.mark.parametrize("url", [
    "workflows://host.example:443/workflow/signature",
    "matrixs://token@matrix.example.org/#room",
    "twilio://AC00000000000000000000000000000000:token@15551234567/15557654321",
    "mailtos://user:password@mail.example.org?to=a@example.org",
])  # fmt: skip
def test_teams_matrix_sms_and_mail_addresses_are_taken(tmp_path, url):
    assert mailbox(tmp_path, url)._targets[0][0] == url.partition("://")[0]


def test_settings_that_contradict_themselves_are_refused(tmp_path):
    channel = {"id": "facility", "urls_file": tmp_path / "urls"}
    with pytest.raises(ValidationError, match="same id"):
        NotificationSettings.model_validate({"channels": [channel, channel]})
    with pytest.raises(ValidationError, match="escalation names the channel 'boss'; there are facility"):
        NotificationSettings.model_validate({"channels": [channel], "escalation": [{"after_s": 60, "channel": "boss"}]})
    with pytest.raises(ValidationError, match="Mars"):
        Quiet(timezone="Mars/Olympus")
