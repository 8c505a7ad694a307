"""As published: python streaming_server.py --help. The code is in the package, rushes.ditto.streaming_server."""
import sys

from rushes.ditto.streaming_server import main

if __name__ == "__main__":
    sys.exit(main())
