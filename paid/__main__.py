"""`paid`, also as `python -m paid`."""

from __future__ import annotations

from paid.cli.main import main

if __name__ == "__main__":
    main()
