"""Loaded by schemathesis: how a body that is no JSON becomes bytes."""
import schemathesis


@schemathesis.serializer("application/sdp")
def sdp(context, value):
    return value if isinstance(value, bytes) else str(value).encode()
