"""`bin/bench NAME [--json]`: every benchmark measures the product and a floor in one run."""

from __future__ import annotations

import sys

from paid.bench import gateway, run, temporal, workspaces
from paid.process_end import end_process

BENCHMARKS = {
    "run": run.main,
    "temporal": temporal.main,
    "gateway": gateway.main,
    "workspaces": workspaces.main,
}
USAGE = """usage: bin/bench NAME [--json] [options]

  run         from label seen to pull request open, beside a bare script; 50 labels at once
  temporal    workflow starts and activity dispatch, beside a bare SDK script
  workspaces  a run's container work by the repository's size, beside git and docker alone
  gateway     added latency, throughput and memory, beside bare proxies

`bin/bench NAME --help` lists the options."""


def main(arguments: list[str]) -> int:
    """Run the benchmark that is named; 2 for a name that is none."""
    if arguments[:1] in (["--help"], ["-h"]):
        print(USAGE)
        return 0
    if not arguments or arguments[0] not in BENCHMARKS:
        print(USAGE, file=sys.stderr)
        return 2
    return BENCHMARKS[arguments[0]](arguments[1:])


if __name__ == "__main__":
    end_process(main(sys.argv[1:]))
