"""`bin/chaos`: kills and freezes a whole installation while it works, and judges what is left."""
