"""What `bin/setup` gets for a machine, once: each step looks first and does nothing if it can."""
