"""The recipe of the glyph verifier: faces, planted defects, training, measuring and export."""
