"""The interface of Inferix on the engine of rushes: the same module paths, names, parameters and defaults.

`from rushes.inferix.pipeline.self_forcing.pipeline import SelfForcingPipeline` works as it is. Scripts that say
`import inferix` run unchanged with `python -m rushes.inferix script.py ARGS`, or after `install()`.
"""
from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import os
import sys

_SHIPPED = "RUSHES_INFERIX_SHIPPED"


def use_shipped_model(use: bool = True) -> None:
    """If the model or checkpoint in a configuration does not exist, use the model shipped with rushes.

    Off by default: a missing file is an error. Also: the environment variable RUSHES_INFERIX_SHIPPED=1.
    """
    os.environ[_SHIPPED] = "1" if use else "0"


def shipped_model_allowed() -> bool:
    return os.environ.get(_SHIPPED, "0") not in ("", "0")


class _Alias(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """`inferix.x` is the module `rushes.inferix.x`: one object under two names."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "inferix" and not fullname.startswith("inferix."):
            return None
        if importlib.util.find_spec("rushes." + fullname) is None:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def create_module(self, spec):
        module = importlib.import_module("rushes." + spec.name)
        self._own_spec = module.__spec__
        return module

    def exec_module(self, module):
        module.__spec__ = self._own_spec


def install() -> None:
    """From now on `import inferix` finds this package, also if the original is on the path."""
    if not any(isinstance(finder, _Alias) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Alias())
