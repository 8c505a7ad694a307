"""`rushes inspect` as a user meets it: what a file is, and what is wrong with one that does not fit.

The full-size files hold names and shapes only: sparse, so that they take neither disk nor memory."""
import json
import math
import pathlib
import struct
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int64": 8}
NAMES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16", "int64": "I64"}


def manifest(name):
    """Published names: shape and dtype."""
    tensors = json.loads((ROOT / f"tests/manifests/{name}.json").read_text())["tensors"]
    return {key: (value[0] if isinstance(value[0], list) else value[:-1], value[-1]) for key, value in tensors.items()}


def write_sparse(path, tensors):
    header, offset = {}, 0
    for key, (shape, dtype) in tensors.items():
        size = BYTES[dtype] * math.prod(shape)
        header[key] = {"dtype": NAMES[dtype], "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # as the safetensors library does; data that is not aligned would be copied
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + offset)
    return path


@pytest.fixture
def inspect(binary):
    def run(*arguments):
        return subprocess.run([binary, "inspect", *map(str, arguments)], capture_output=True, text=True, timeout=180)

    return run


@pytest.mark.parametrize("name, trained_for", [
    ("shipped-t2v", {"sizes": ["96x96"]}), ("shipped-avatar", {"sizes": ["96x96"]}),
    ("shipped-foresight", {"sizes": ["128x128"], "frames": 33})])
def test_a_shipped_model_whose_requests_choose_a_size_says_what_it_was_trained_for(inspect, name, trained_for):
    report = json.loads(inspect("--json", ROOT / "models" / name).stdout)
    assert report["trained_for"] == trained_for
    width, height = report["defaults"]["width"], report["defaults"]["height"]
    assert f"{width}x{height}" in trained_for["sizes"]
    assert report["defaults"].get("frames", 0) <= trained_for.get("frames", 0)


@pytest.mark.parametrize("name, model", [("wan2.1_t2v_1.3b", "Wan2.1 T2V 1.3B"), ("wan2.1_t2v_14b", "Wan2.1 T2V 14B")])
def test_a_full_size_transformer_is_named_with_its_dimensions(inspect, tmp_path, name, model):
    found = sorted((ROOT / "tests/manifests").glob(f"manifest_{name}*.json"))
    if not found:
        pytest.skip("no manifest of this model")
    tensors = manifest(found[0].stem)
    report = json.loads(inspect("--json", write_sparse(tmp_path / "model.safetensors", tensors)).stdout)
    (part,) = report["parts"]
    assert part["part"] == "transformer" and part["model"] == model and part["complete"]
    assert part["tensors"] == len(tensors) and part["names"] == "wan"


def test_what_is_missing_misshapen_or_too_much_is_listed(inspect, tmp_path):
    tensors = manifest("manifest_wan2.1_vae")
    tensors.pop("decoder.conv1.weight")
    tensors["decoder.conv1.bias"] = ([7], "float32")
    tensors["decoder.stranger"] = ([2, 2], "float32")
    result = inspect(write_sparse(tmp_path / "vae.safetensors", tensors))
    assert result.returncode == 0, result.stderr  # inspecting worked; that the file does not is its finding
    for words in ("INCOMPLETE", "decoder.conv1.weight", "decoder.conv1.bias", "decoder.stranger"):
        assert words in result.stdout


def test_the_shipped_model_is_complete(inspect):
    report = json.loads(inspect("--json", ROOT / "models/shipped-t2v").stdout)
    assert report["kind"] == "model" and report["family"] == "wan"
    parts = [part for checkpoint in report["checkpoints"] for part in checkpoint["parts"]]
    assert {part["part"] for part in parts} >= {"transformer", "text_encoder"}
    assert all(part["complete"] for part in parts), parts


def test_the_shipped_talking_head_is_complete(inspect):
    report = json.loads(inspect("--json", ROOT / "models/shipped-talk").stdout)
    assert report["kind"] == "model" and report["family"] == "imtalker" and report["defaults"]["nfe"] > 1
    parts = [part for checkpoint in report["checkpoints"] for part in checkpoint["parts"]]
    assert [part["part"] for part in parts] == ["renderer", "motion_generator", "audio_encoder"]
    assert all(part["complete"] and part["config"] and part["dtypes"] == ["bfloat16"] for part in parts), parts
    text = inspect(ROOT / "models/shipped-talk").stdout
    assert "model 'shipped-talk' of the imtalker family" in text and text.count("    complete\n") == 3


@pytest.mark.parametrize("name, parts", [
    ("shipped-ditto", {"audio_encoder", "lmdm", "motion_extractor", "appearance_extractor", "stitch_network", "warp_network", "decoder"}),
    ("shipped-foresight", {"language_model", "video_transformer", "video_autoencoder", "text_encoder", "spatial_encoder", "adapter"})])
def test_every_file_of_a_shipped_model_is_a_complete_part_of_it(inspect, name, parts):
    report = json.loads(inspect("--json", ROOT / "models" / name).stdout)
    found = {part["part"]: part for checkpoint in report["checkpoints"] for part in checkpoint["parts"]}
    assert set(found) == parts
    assert all(len(checkpoint["parts"]) == 1 for checkpoint in report["checkpoints"])
    assert all(part["complete"] for part in found.values()), found
    assert "no known part" not in inspect(ROOT / "models" / name).stdout


def test_a_video_model_s_file_alone_is_known_by_its_names(inspect, tmp_path):
    source = ROOT / "models/shipped-foresight/video/transformer/diffusion_pytorch_model.safetensors"
    assert json.loads(inspect("--json", source).stdout)["parts"][0]["complete"]
    (tmp_path / "alone.safetensors").write_bytes(source.read_bytes())
    part, = json.loads(inspect("--json", tmp_path / "alone.safetensors").stdout)["parts"]
    assert part["part"] == "video_transformer" and "complete" not in part


def test_parts_that_an_avatar_shares_with_other_families_are_described_as_its_manifest_says(inspect):
    report = json.loads(inspect("--json", ROOT / "models/shipped-avatar").stdout)
    parts = {part["part"]: part for checkpoint in report["checkpoints"] for part in checkpoint["parts"]}
    assert all(part["complete"] for part in parts.values()), parts
    text, pictures = parts["text_encoder"]["config"], parts["tiny_autoencoder"]["config"]
    assert (text["text_len"], text["dim"], text["num_heads"]) == (48, 96, 4)
    assert (pictures["decoder_widths"], pictures["frames_to_trim"]) == ([64, 48, 32, 16], 3)
    defaults = report["defaults"]
    assert (defaults["sampler"], defaults["steps"], defaults["height"], defaults["window"]) == ("causal", 4, 96, 6)
    assert report["sampler"] == "causal"


def test_a_published_talking_heads_file_alone_is_named(inspect, tmp_path):
    tensors = manifest("imtalker/manifest_renderer_ckpt")
    (part,) = json.loads(inspect("--json", write_sparse(tmp_path / "renderer.safetensors", tensors)).stdout)["parts"]
    assert part["part"] == "renderer" and part["family"] == "imtalker" and part["model"] == "IMTalker"
    assert part["complete"] and part["config"]["dim_motion"] == 32


def test_a_file_whose_dimensions_no_shape_tells_is_not_called_incomplete(inspect):
    file = ROOT / "models/shipped-talk/renderer.safetensors"
    (part,) = json.loads(inspect("--json", file).stdout)["parts"]
    assert part["part"] == "renderer" and part["model"] == "own dimensions" and "complete" not in part
    assert "in the manifest of its model" in inspect(file).stdout


BROKEN = {
    "nothing": (b"", "empty"),
    "text": (b"hello, I am no checkpoint, only a few words\n", "neither"),
    "cut header": (struct.pack("<Q", 1000) + b"{", "header"),
    "huge header": (struct.pack("<Q", 1 << 62) + b"{}", "header"),
    "no JSON": (struct.pack("<Q", 4) + b"{]]}", "header"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_an_error_that_names_it(inspect, tmp_path, name):
    content, words = BROKEN[name]
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    result = inspect(path)
    assert result.returncode not in (0, -6, -11) and "broken.safetensors" in result.stderr
    assert words in result.stderr.lower() and result.stderr.count("\n") == 1


def test_a_path_that_does_not_exist_is_named(inspect, tmp_path):
    result = inspect(tmp_path / "nowhere")
    assert result.returncode not in (0, -6, -11) and "nowhere" in result.stderr


def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(inspect, tmp_path):
    import pickle
    import zipfile

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    path = tmp_path / "evil.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("evil/data.pkl", pickle.dumps({"weight": Evil()}, protocol=2))
    result = inspect(path)
    assert result.returncode not in (0, -6, -11) and "open" in result.stderr
    assert not (tmp_path / "ran").exists()
