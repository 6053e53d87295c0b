"""What agents are told: text files with strict templates, and their loader."""
