"""Malformed glyphs: planting them, and telling how well a reader notices them."""
