"""Profiling as a user meets it: reports of a real generation, and the numbers of a benchmark from them."""
import json
import subprocess


def generate(binary, folder, *arguments):
    return subprocess.run(
        [binary, "generate", "a red circle; a green star", "--segment-length", "6", "--overlap", "3", "-o", folder / "video.mp4",
         "--enable-profiling", "--profile-output-dir", folder / "profile", *arguments],
        capture_output=True, text=True, timeout=300, check=True)


def test_a_profile_counts_every_step_block_and_segment(binary, tmp_path):
    generate(binary, tmp_path)
    (report_file,) = (tmp_path / "profile").glob("profiling_report_t2v_generation_*.json")
    report = json.loads(report_file.read_text())
    # Segments of 2 blocks and of 1, of 4 steps each: 9 + 12 frames, then 12.
    assert report["block_analysis"]["total_blocks"] == 3
    assert report["diffusion_analysis"]["total_steps"] == 12
    assert report["segment_analysis"]["num_segments"] == 2
    assert report["summary"]["video_frames"] == 33
    assert 0 < report["diffusion_analysis"]["min_timestep"] < report["diffusion_analysis"]["max_timestep"] <= 1
    stages = report["stage_analysis"]["stages"]
    for stage in ("load_checkpoint", "text", "context", "denoise", "rerun", "decode", "encode", "deliver"):
        assert stages[stage]["total_time"] > 0, stage
    assert {part["model_type"] for part in report["model_analysis"]["models"]} >= {"transformer", "text_encoder", "decoder"}
    assert report["session_info"]["duration"] >= report["block_analysis"]["total_computation_time_ms"] / 1000 * 0.99
    (page,) = (tmp_path / "profile").glob("*.html")
    assert page.read_text().count("<svg") >= 5 and "http" not in page.read_text().replace("http-equiv", "")
    (trace,) = (tmp_path / "profile").glob("traces/trace_*.json")
    assert {event["ph"] for event in json.loads(trace.read_text())["traceEvents"]} == {"M", "X", "C"}


def test_the_numbers_of_a_benchmark_come_from_the_newest_report(binary, tmp_path):
    generate(binary, tmp_path, "--profile-format", "json", "-q")
    output = tmp_path / "benchmark_results.json"
    printed = subprocess.run([binary, "report", tmp_path / "profile", "--output-file", output, "--print-markdown"],
                             capture_output=True, text=True, timeout=60, check=True).stdout
    results = json.loads(output.read_text())
    assert results["block_level"]["total_blocks"] == 3 and results["segment_level"]["num_segments"] == 2
    assert abs(results["overall"]["throughput_fps"] - 33 / results["overall"]["total_duration_s"]) < 0.01
    assert results["system_info"]["pytorch_version"].startswith("2.")
    assert "**Throughput**" in printed


def test_without_a_report_it_says_how_to_make_one(binary, tmp_path):
    answer = subprocess.run([binary, "report", tmp_path], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 2 or answer.returncode == 1
    assert "--enable-profiling" in answer.stderr
