"""As in Inferix; see docs/python.md."""
from .utils import divide, env_is_true, set_random_seed

__all__ = ["env_is_true", "divide", "set_random_seed"]
