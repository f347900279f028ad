"""The glyph verifier: characters cut out of a picture, compared one by one with reference drawings of them."""
