"""OmniAvatar's published clients: `streaming_client` and `client`, to be run with `python -m`.

They talk to a server of its HTTP API, `rushes serve --listen 8080=omniavatar` for instance: docs/models/omniavatar_api.md.
"""
