"""Ditto's published scripts: `streaming_server`, `streaming_client` and `run_streaming_test`, to be run with `python -m`.

They start the program `rushes` (`rushes serve`, `rushes client ditto`), which does the work: docs/models/ditto.md.
"""
