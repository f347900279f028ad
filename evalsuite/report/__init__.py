"""Run folders to HTML."""
