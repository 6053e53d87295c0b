"""The program that is process 1 of every container: standard library only, Python 3.11 or newer.

It runs as an unprivileged user beside an agent that may be hostile. What it says to the host is
signed with a key that the agent cannot read (see `reports`), and nothing that it leaves in the
workspace is believed by the host.
"""
