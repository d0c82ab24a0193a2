"""A gateway under torture: `python -m tests.torture.frail_gateway CONFIG NOTES FRAILTY`."""

import sys
from pathlib import Path

from gateway.config import GatewayConfig
from gateway.outbox import Outbox
from gateway.service import GatewayService
from runtime.clock import clock_from_env
from runtime.config import load_config
from runtime.service import configure_logs, run_until_stopped
from tests.torture.frail import Frailty, Notes, SteppedClock


def main(config: str, socket: str, frailty_file: str) -> None:
    """Runs it until it is stopped."""
    notes, frailty = Notes(socket), Frailty(Path(frailty_file))
    append = frailty.slowed(Outbox.append)

    def noted(self, readings, **flags):
        name = notes.asked(readings)
        seq = append(self, readings, **flags)
        notes.kept(name)
        return seq

    Outbox.append = noted
    clock = SteppedClock(clock_from_env(), frailty)
    run_until_stopped(GatewayService(load_config(Path(config), GatewayConfig), clock).run)


if __name__ == "__main__":
    configure_logs()
    main(*sys.argv[1:])
