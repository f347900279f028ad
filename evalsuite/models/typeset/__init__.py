"""The typeset reference: sets a prompt's targets in real fonts, the ceiling of what OCR and scorer can tell."""
