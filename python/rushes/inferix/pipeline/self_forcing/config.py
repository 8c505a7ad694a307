"""The YAML of Self-Forcing and Inferix: the keys that rushes uses, and their allowed values."""
from __future__ import annotations

import os
from typing import Any, Dict, Optional

import yaml

DEFAULTS = {"model_path": "weights/Wan2.1-T2V-1.3B", "num_frame_per_block": 1, "independent_first_frame": False,
            "context_noise": 0, "warp_denoising_step": False, "guidance_scale": 3.0, "num_train_timestep": 1000}

# The engine takes these from the model's own files: other values would need another model.
FIXED = {"num_frame_per_block": 3, "independent_first_frame": False, "context_noise": 0, "num_train_timestep": 1000}
FIXED_MODEL_KWARGS = {"local_attn_size": -1, "sink_size": 0}


class Config(dict):
    """A mapping whose keys are attributes too; keys of the training are kept and ignored."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name, value):
        self[name] = value


def _merged(below: Dict[str, Any], above: Dict[str, Any]) -> Dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both else value
    return result


def _read(path) -> Dict[str, Any]:
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"config file not found: {path}")
    with open(path, encoding="utf-8") as text:
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} must be a mapping of keys to values")
    return content


def _attributes(value):
    return Config({key: _attributes(entry) for key, entry in value.items()}) if isinstance(value, dict) else value


def load_config(config_path, default_config_path: Optional[str] = None) -> Config:
    """The file over its defaults. Raises FileNotFoundError, or ValueError naming the file and the key."""
    content = _read(config_path)
    if default_config_path:
        content = _merged(_read(default_config_path), content)
    content = _merged(DEFAULTS, content)
    steps = content.get("denoising_step_list")
    if steps is not None and not (isinstance(steps, list) and all(isinstance(step, (int, float)) for step in steps)):
        raise ValueError(f"{config_path}: denoising_step_list must be a list of numbers (got {steps!r})")
    return _attributes(content)


def sampling_of(config: Config) -> Dict[str, Any]:
    """The arguments of rushes.Model.generate() that the configuration decides. Raises ValueError for what the engine
    cannot do."""
    for key, value in FIXED.items():
        if config[key] != value:
            raise ValueError(f"{key} {config[key]} is not supported; this model has {value}")
    kwargs = config.get("model_kwargs") or {}
    for key, value in FIXED_MODEL_KWARGS.items():
        if kwargs.get(key, value) != value:
            raise ValueError(f"model_kwargs.{key} {kwargs[key]} is not supported; this model has {value}")
    shift = float(kwargs.get("timestep_shift", config.get("timestep_shift", 8.0)))
    steps = config.get("denoising_step_list")
    if not steps:
        return {"solver": "unipc", "guidance_scale": float(config.guidance_scale), "timestep_shift": shift,
                "negative_prompt": config.get("negative_prompt")}
    if not config.warp_denoising_step:
        raise ValueError("denoising_step_list with warp_denoising_step false is not supported; this model warps its steps")
    return {"denoising_steps": [float(step) for step in steps if step > 0], "timestep_shift": shift}
