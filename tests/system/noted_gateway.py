"""A gateway that notes what it commits, in a file that outlives it: `python noted_gateway.py CONFIG LEDGER`.

`asked DEVICE T` stands there before a reading goes to the outbox, `kept DEVICE T` when the outbox has it.
"""

import os
import sys
from pathlib import Path

import yaml

from gateway.config import GatewayConfig
from gateway.outbox import Outbox
from gateway.service import GatewayService
from runtime.clock import SystemClock
from runtime.service import run_until_stopped


def note(ledger, word, readings):
    os.write(ledger, "".join(f"{word} {reading.device} {reading.t}\n" for reading in readings).encode())


def main():
    config, path = Path(sys.argv[1]), sys.argv[2]
    ledger = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    append = Outbox.append

    def noted(self, readings, **flags):
        note(ledger, "asked", readings)
        seq = append(self, readings, **flags)
        note(ledger, "kept", readings)
        return seq

    Outbox.append = noted
    content = yaml.safe_load(config.read_text())
    content["uplink"] = {"resend_after_s": 2.0}  # confirmations that do not come are missed soon
    content["commit_interval_s"] = 0.5
    run_until_stopped(GatewayService(GatewayConfig.model_validate(content), SystemClock()).run)


if __name__ == "__main__":
    main()
