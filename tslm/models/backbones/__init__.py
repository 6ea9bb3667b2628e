"""Bodies that read tokens: frozen language models and their controls."""
