"""What Inferix's example of this name does, with its flags: blocks go to a backend while they are made."""
import argparse
import signal
import sys

import torch
from inferix.core.media import create_streaming_backend
from inferix.core.types import StreamingMode
from inferix.pipeline.self_forcing.pipeline import SelfForcingPipeline


def main():
    parser = argparse.ArgumentParser()
    for path in ("--config_path", "--checkpoint_path", "--prompt"):
        parser.add_argument(path, required=True)
    for name, value in (("--num_segments", 1), ("--segment_length", 21), ("--overlap_frames", 3), ("--port", 8000), ("--seed", 0)):
        parser.add_argument(name, type=int, default=value)
    parser.add_argument("--streaming_backend", default="gradio", choices=["gradio", "webrtc", "rtmp"])
    parser.add_argument("--rtmp_url")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    pipeline = SelfForcingPipeline(config_path=args.config_path, default_config_path=None, profiling_config=None)
    pipeline.load_checkpoint(args.checkpoint_path, use_ema=False)
    pipeline.setup_devices(low_memory=False)
    streamer = create_streaming_backend(args.streaming_backend)
    rtmp = args.streaming_backend == "rtmp"
    where = {"rtmp_url": args.rtmp_url} if rtmp else {"port": args.port, "host": "127.0.0.1"}
    if not streamer.connect(width=832, height=480, fps=16, **where):
        return 1
    try:
        video = pipeline.run_streaming_generation(
            prompts=[args.prompt], stream_callback=streamer.stream_batch, num_segments=args.num_segments,
            segment_length=args.segment_length, overlap_frames=args.overlap_frames, num_samples=1, low_memory=False,
            streaming_mode=StreamingMode.AUTO)
        print(f"Generated video shape: {video.shape}", flush=True)
        if args.streaming_backend == "gradio":  # stays for viewers until Ctrl-C
            signal.pause()
    except KeyboardInterrupt:
        print("Stopping", flush=True)
    finally:
        streamer.disconnect()
    return 0


if __name__ == "__main__":
    sys.exit(main())
