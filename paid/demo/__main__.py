"""`bin/demo`, once the set-up is done."""

from __future__ import annotations

import signal
from types import FrameType

from paid.demo.options import parse
from paid.demo.play import play
from paid.demo.screen import Screen
from paid.errors import PaidError
from paid.process_end import end_process, was_interrupted
from paid.settings import load_settings

INTERRUPTED = 130


def main() -> None:
    """Exit 0 only if there is a pull request; its address is the last line then."""
    options = parse()
    screen = Screen()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        url = play(options, load_settings(), screen)
    except (Exception, KeyboardInterrupt) as error:
        if was_interrupted(error):
            screen.say("\nStopped.")
            end_process(INTERRUPTED)
        if not isinstance(error, PaidError):
            raise
        screen.say(f"\n{error}", "bold red")
        end_process(1)
    if url is None:
        end_process(1)
    print(f"pull request: {url}")
    end_process(0)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
