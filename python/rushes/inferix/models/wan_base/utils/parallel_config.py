"""How many processes share the work. One, here."""
from __future__ import annotations


class ParallelConfig:
    def __init__(self, ulysses_size=1, ring_size=1, local_rank=0, rank=0, world_size=1, ring_strategy="pass-kv",
                 attn_backend=None):
        self.ulysses_size = ulysses_size
        self.ring_size = ring_size
        self.local_rank = local_rank
        self.rank = rank
        self.world_size = world_size
        self.ring_strategy = ring_strategy
        self.attn_backend = attn_backend or "rushes"
        if ulysses_size * ring_size * world_size != 1:
            raise ValueError(f"ulysses_size {ulysses_size}, ring_size {ring_size}, world_size {world_size}: several "
                             "processes are not supported here; all must be 1")
