"""What Inferix's example of this name does, with its flags: viewers steer the generation. Says what they asked for."""
import argparse
import sys

import torch
from inferix.core.interactive import InteractiveSession
from inferix.core.media import InteractiveGradioBackend
from inferix.core.types import InputApplyPolicy
from inferix.pipeline.self_forcing.pipeline import SelfForcingPipeline


class TellingSession(InteractiveSession):
    def submit_input(self, prompt=None, **more):
        print(f"asked for {prompt or more['control'].value}", flush=True)
        return super().submit_input(prompt=prompt, **more)


def main():
    parser = argparse.ArgumentParser()
    for path in ("--config_path", "--checkpoint_path", "--prompt"):
        parser.add_argument(path, required=True)
    for name, value in (("--num_segments", 5), ("--segment_length", 21), ("--overlap_frames", 3), ("--port", 8000), ("--seed", 0)):
        parser.add_argument(name, type=int, default=value)
    parser.add_argument("--apply_policy", default="next_segment", choices=["next_segment", "next_block"])
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    pipeline = SelfForcingPipeline(config_path=args.config_path)
    pipeline.load_checkpoint(args.checkpoint_path, use_ema=False)
    pipeline.setup_devices(low_memory=False, use_memory_manager=False)
    session = TellingSession(apply_policy=InputApplyPolicy(args.apply_policy))
    session.set_device(torch.device(f"cuda:{torch.cuda.current_device()}"))
    backend = InteractiveGradioBackend(session)
    if not backend.connect(width=832, height=480, fps=16, port=args.port, host="127.0.0.1"):
        return 1
    try:
        video = pipeline.run_interactive_generation(
            session=session, initial_prompt=args.prompt, num_segments=args.num_segments, segment_length=args.segment_length,
            overlap_frames=args.overlap_frames, stream_callback=backend.stream_batch, num_samples=1, low_memory=False)
        print(f"Generated video shape: {video.shape}", flush=True)
    finally:
        backend.disconnect()
    return 0


if __name__ == "__main__":
    sys.exit(main())
