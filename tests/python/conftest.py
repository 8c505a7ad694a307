"""The Python package on the shipped model. PYTHONPATH names the built package (build/release/python)."""
import pathlib

import pytest

import rushes

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPT = "a red circle moves right on a blue background"


@pytest.fixture(scope="session")
def model():
    return rushes.Model(ROOT / "models" / "shipped-t2v")


@pytest.fixture
def config(tmp_path):
    """A configuration as Self-Forcing's, whose model is not on this machine."""
    file = tmp_path / "self_forcing_dmd.yaml"
    file.write_text("""
generator_ckpt: checkpoints/ode_init.pt
denoising_step_list: [1000, 750, 500, 250]
warp_denoising_step: true
num_train_timestep: 1000
timestep_shift: 5.0
guidance_scale: 3.0
lr: 2.0e-06
negative_prompt: 'static'
image_or_video_shape: [1, 21, 16, 60, 104]
num_frame_per_block: 3
independent_first_frame: false
context_noise: 0
model_kwargs:
  timestep_shift: 5.0
""")
    return file


@pytest.fixture
def shipped(monkeypatch):
    """The shipped model stands in for what is not there."""
    monkeypatch.setenv("RUSHES_INFERIX_SHIPPED", "1")
    monkeypatch.setenv("RUSHES_MODEL", str(ROOT / "models" / "shipped-t2v"))
