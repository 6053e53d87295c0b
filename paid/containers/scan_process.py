"""Looks through one large change for secrets, in a process of its own with limits of its own.

What is asked comes as JSON on standard input, secrets among it, which are so in no argument and no
environment; what was found goes out as JSON.
"""

from __future__ import annotations

import json
import resource
import sys

from paid.containers.secret_check import MEMORY_BYTES, PROCESSOR_SECONDS, answer_to


def main() -> None:
    """Set the limits, answer, end."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.write(json.dumps(answer_to(json.load(sys.stdin))))


if __name__ == "__main__":
    main()
