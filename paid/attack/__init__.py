"""`bin/attack`: a hostile agent and a hostile repository against a whole, real installation."""
