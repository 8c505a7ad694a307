"""Functions of scripts for memory."""
from .utils import cpu, get_cuda_free_memory_gb, gpu

__all__ = ["cpu", "get_cuda_free_memory_gb", "gpu"]
