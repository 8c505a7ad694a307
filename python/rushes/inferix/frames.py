"""Arrays with the few tensor methods that scripts call on frames."""
from __future__ import annotations

import sys

import numpy


class Frames(numpy.ndarray):
    """A NumPy array with `cpu()`, `numpy()`, `to()` and the like, so that callbacks written for tensors work."""

    def cpu(self):
        return self

    cuda = detach = contiguous = cpu

    def numpy(self):
        return numpy.asarray(self)

    def clone(self):
        return self.copy()

    def to(self, *what, **named):
        """Converts to a given type; devices have no effect."""
        for wish in (*what, *named.values()):
            try:
                kind = numpy.dtype(wish)
            except TypeError:
                continue
            return self.astype(kind)
        return self

    def float(self):
        return self.astype(numpy.float32)

    def dim(self):
        return self.ndim

    def permute(self, *axes):
        return self.transpose(*axes)

    def unsqueeze(self, axis):
        return numpy.expand_dims(self, axis)


def as_frames(array):
    """The argument of callbacks: a tensor if the script has imported the real torch, otherwise Frames. No copy."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "from_numpy") and not hasattr(torch, "__rushes_stand_in__"):
        return torch.from_numpy(array)
    return array.view(Frames)
