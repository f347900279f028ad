"""The command line: one file per command group. Each parses, calls and prints; what is done lives in the rooms."""
