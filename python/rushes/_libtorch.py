"""libtorch, to which the native modules are linked: the libraries of an installed torch. Its Python module is not imported."""
from __future__ import annotations

import ctypes
import importlib.machinery
import pathlib
import re

_INSTALL = ("pip install --no-deps torch=={version}: its libraries are enough for a machine without a GPU; "
            "with CUDA: pip install torch=={version}")
#: Libraries to which libtorch_cpu.so of a wheel with CUDA is linked; small, and dependencies of rushes.
_CUDA = ("libcudart.so.*", "libcupti.so.*")


def required_version() -> str | None:
    """The version of torch that the package was built with, None in a build tree, which finds it by its path."""
    try:
        from ._build_info import TORCH_VERSION
    except ImportError:
        return None
    return TORCH_VERSION.partition("+")[0]


def folders() -> list[pathlib.Path]:
    """The folders of libtorch's libraries and of their dependencies, the folder of torch first.

    Raises
    ------
    ImportError
        torch is not installed, or has another version; the message says what to install.
    """
    version = required_version()
    torch = next((place for place in _installed("torch") if (place / "lib" / "libtorch_cpu.so").is_file()), None)
    how = _INSTALL.format(version=version)
    if torch is None:
        raise ImportError(f"rushes needs the libraries of torch {version}, which is not installed. {how}")
    found = re.search(r"^__version__ = '([^'+]*)", (torch / "version.py").read_text(), re.MULTILINE)
    if version is not None and (found is None or found[1] != version):
        raise ImportError(f"rushes was built with torch {version}, but {torch} is {found[1] if found else 'unknown'}. {how}")
    needed = (library for place in _installed("nvidia") for name in _CUDA for library in place.glob(f"*/lib/{name}"))
    return [torch / "lib", *dict.fromkeys(library.parent for library in needed)]


def _installed(package: str) -> list[pathlib.Path]:
    # Not importlib.util.find_spec(): a stand-in for torch in sys.modules has no libraries.
    spec = importlib.machinery.PathFinder.find_spec(package)
    return [pathlib.Path(place) for place in (spec.submodule_search_locations or [])] if spec else []


def load() -> None:
    """Loads libtorch, so that the native modules find it wherever torch is installed.

    Raises
    ------
    ImportError
        As folders(), or a library that it needs is missing.
    """
    if required_version() is None:
        return
    torch, *others = folders()
    try:
        ctypes.CDLL(str(torch / "libtorch_cpu.so"))
        return
    except OSError:
        pass  # what it needs may be in another folder of Python's path than where it looks
    for library in (library for folder in others for name in _CUDA for library in folder.glob(name)):
        ctypes.CDLL(str(library))
    try:
        ctypes.CDLL(str(torch / "libtorch_cpu.so"))
    except OSError as error:
        raise ImportError(f"{torch}/libtorch_cpu.so cannot be loaded: {error}. "
                          "pip install 'nvidia-cuda-runtime>=13,<14' 'nvidia-cuda-cupti>=13,<14'") from error
