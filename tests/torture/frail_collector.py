"""A collector under torture: `python -m tests.torture.frail_collector CONFIG FRAILTY`."""

import sys
from pathlib import Path

from cli.configs import load_centre
from collector.service import Collector
from runtime.clock import clock_from_env
from runtime.service import configure_logs, run_until_stopped
from storage.dirty import DirtyQuarters
from storage.history.open import open_history
from storage.register import Register
from tests.torture.frail import Frailty


def main(path: str, frailty_file: str) -> None:
    """Runs it until it is stopped."""
    config, frailty = load_centre(Path(path)), Frailty(Path(frailty_file))
    history = open_history(config.store)
    for call in ("write", "write_quarters"):
        setattr(history, call, frailty.slowed(getattr(history, call)))

    async def serve() -> None:
        await Collector(
            config.collector,
            config.communities,
            config.mqtt,
            history=history,
            register=Register(config.register_),
            dirty=DirtyQuarters(config.register_.dirty_path),
            clock=clock_from_env(),
        ).run()

    run_until_stopped(serve)


if __name__ == "__main__":
    configure_logs()
    main(*sys.argv[1:])
