"""The `paid` command: one module a group of commands; they ask the store and print."""
