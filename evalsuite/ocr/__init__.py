"""What an image says: the OCR engines."""
