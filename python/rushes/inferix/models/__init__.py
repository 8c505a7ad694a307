"""As in Inferix; see docs/python.md."""
