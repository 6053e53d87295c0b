"""What goes into the agent image: its recipe, and the program that every container starts."""
