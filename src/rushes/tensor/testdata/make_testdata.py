#!/usr/bin/env python3
"""Writes the files beside it with the reference implementations (torch 2.11, safetensors 0.8): what our readers must
read, and what they must refuse. The tests only read the files; run this to see where they come from."""
import os
import pathlib
import pickle
import zipfile
from collections import OrderedDict

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent
torch.manual_seed(0)

base = torch.randn(4, 6)
tensors = OrderedDict(
    [
        ("float32", base),
        ("transposed", base.t()),  # same storage, other strides
        ("row", base[2]),  # same storage, an offset
        ("float64", torch.randn(3, dtype=torch.float64)),
        ("float16", torch.randn(2, 5).half()),
        ("bfloat16", torch.randn(7).bfloat16()),
        ("float8", torch.randn(9).to(torch.float8_e4m3fn)),
        ("int64", torch.arange(-2, 3)),
        ("int32", torch.arange(5, dtype=torch.int32)),
        ("int16", torch.arange(5, dtype=torch.int16)),
        ("int8", torch.arange(-3, 2, dtype=torch.int8)),
        ("uint8", torch.arange(250, 255, dtype=torch.uint8)),
        ("bool", torch.tensor([True, False, True])),
        ("scalar", torch.tensor(2.5)),
        ("empty", torch.empty(0, 3)),
        ("parameter", torch.nn.Parameter(torch.randn(2, 2))),
    ]
)
tensors._metadata = OrderedDict([("", {"version": 1})])
nested = {"generator": {"model": tensors}, "history": [torch.ones(1), torch.zeros(1)], "step": 600, "rate": 0.5, "note": "réglé", "none": None, "big": 1 << 100}
nested["also"] = nested["history"][0]


class Evil:
    def __reduce__(self):
        return (os.system, ("touch /tmp/rushes_was_here",))


torch.save(nested, HERE / "torch_zip.pt")
torch.save(nested, HERE / "torch_protocol4.pt", pickle_protocol=4)
torch.save({"a": torch.ones(2)}, HERE / "torch_legacy.pt", _use_new_zipfile_serialization=False)
torch.save({"a": torch.ones(2), "b": Evil()}, HERE / "evil.pt")
torch.save(torch.nn.Linear(2, 2), HERE / "module.pt")
torch.save(torch.ones(2), HERE / "single_tensor.pt")
(HERE / "plain.pickle").write_bytes(pickle.dumps({"a": [1.0]}))
flat = {"generator.model." + name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
flat |= {"history.0": torch.ones(1), "history.1": torch.zeros(1), "also": torch.ones(1)}
save_file(flat, HERE / "reference.safetensors", metadata={"format": "pt"})
with zipfile.ZipFile(HERE / "torch_zip.pt") as source, zipfile.ZipFile(HERE / "compressed.pt", "w", zipfile.ZIP_DEFLATED) as target:
    for name in source.namelist():
        target.writestr(name, source.read(name))
