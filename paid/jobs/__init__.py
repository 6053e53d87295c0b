"""Light jobs beside the runs: news, clean-up, roll-ups, warming. Run as `python -m paid.jobs`."""
