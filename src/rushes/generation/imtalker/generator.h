// A portrait that talks while speech arrives, as the resumable generator that sessions step. Speech is cut into chunks
// by its own time, never by how it arrived: the same speech gives the same video in however many pieces it comes.
#pragma once
#include <ATen/core/Tensor.h>

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "rushes/audio/chunk_buffer.h"
#include "rushes/generation/generator.h"
#include "rushes/generation/imtalker/model.h"
#include "rushes/generation/imtalker/plan.h"
#include "rushes/generation/sample_tape.h"
#include "rushes/models/imtalker/face_crop.h"
#include "rushes/tensor/random.h"

namespace rushes::generation {

/// The picture as the networks take it, and where its frames go.
struct TalkFrame {
  at::Tensor face;            // [1, 3, S, S] in [0, 1]
  at::Tensor whole;           // [1, 3, H, W] in [0, 1] that frames are pasted into; undefined: none
  imtalker::Square square{};  // of the face in `whole`
};

/// Noise by video frame: windows that overlap see the same noise in the same frame, so that what one would have made of
/// a frame that the next one makes is nearly what that makes of it. A copy continues alike.
class NoiseTape {
 public:
  NoiseTape(uint64_t seed, int64_t width) : stream_(seed), width_(width) {}
  /// [1, frames, width] from the present frame on, which then moves by `used` frames.
  at::Tensor take(int64_t frames, int64_t used);

 private:
  tensor::RandomStream stream_;
  int64_t width_;
  at::Tensor ahead_;  // drawn already; never written to
};

class TalkGenerator final : public Generator {
 public:
  TalkGenerator(std::shared_ptr<const TalkParts> parts, TalkPlan plan, TalkFrame picture);

  VideoFormat format() const override;
  /// A step is: the portrait; the motion of one chunk of speech, or of a few driving frames; or the pictures of a few
  /// frames.
  StepResult step(const Inbox& inbox) override;
  bool at_block_border() const override { return !spoken_.defined() || rendered_ == 0 || block_done_; }
  std::unique_ptr<Generator> fork() const override;
  int64_t bytes() const override;
  std::string shape_of_step(const Inbox& inbox) const override;
  /// The motion of each speaker's next chunk, in one forward; kept for its next step. Their shape_of_step() is equal
  /// and not empty.
  static void hear(const std::vector<TalkGenerator*>& speakers, const std::vector<const Inbox*>& inboxes);

 private:
  // The published servers cut their video into segments of so many frames; no block goes over such a border.
  static constexpr int64_t kSegmentFrames = 50;
  static constexpr int64_t kBlockFrames = 5;

  /// Speech that the next chunk is made from, in samples of the session, and the video frame behind it.
  struct Hearing {
    int64_t from, samples, end;
  };
  /// The motion of a chunk that has not begun, and where it leaves the generator.
  struct Prepared {
    int64_t end;
    at::Tensor latents;  // [1, T, dim_motion]
    imtalker::MotionContext context;
    NoiseTape noise;
  };
  std::optional<Hearing> next_chunk(std::size_t more_samples, bool ended) const;
  void hear_inbox(const Inbox& inbox);
  void end_utterance();
  bool utterance_over() const;
  void show(const at::Tensor& latents);
  bool speak();
  bool speak_aligned();
  bool speak_reference();
  bool follow();
  at::Tensor driving_face(int64_t frame) const;
  FrameBlock render();
  at::Tensor wave(const Hearing& hearing, const std::vector<float>& more) const;
  Audio audio(int64_t first_frame, int64_t frames) const;
  void forget_old_samples();

  std::shared_ptr<const TalkParts> parts_;
  TalkPlan plan_;
  TalkFrame picture_;
  std::optional<imtalker::Portrait> portrait_;
  at::Tensor paste_mask_;

  // Speech that is still needed: to be spoken, to give context, or to go out with its frames.
  SampleTape speech_;
  bool speech_ended_ = false;           // or the driving video has
  std::deque<int64_t> utterance_ends_;  // aligned: indices of samples, whole frames; reference: of windows
  int64_t windows_made_ = 0, windows_spoken_ = 0;
  int64_t utterance_begin_ = 0;  // video frame that the present utterance begins with
  audio::ChunkBuffer windows_;   // reference mode
  std::vector<std::vector<float>> waiting_windows_;

  NoiseTape noise_;
  std::optional<imtalker::MotionContext> context_;
  std::optional<Prepared> prepared_;
  at::Tensor last_shown_;                  // motion of the newest chunk's last frame [1, dim_motion], aligned mode
  int64_t spoken_frames_ = 0;              // whose motion has been made
  at::Tensor spoken_;                      // motion of the newest chunk [T, dim_motion], until all of it is rendered
  int64_t rendered_ = 0;                   // of its frames
  bool block_done_ = false;                // the last step gave a block
  int64_t video_frames_ = 0, blocks_ = 0;  // delivered
  StageTimes times_;
};

}  // namespace rushes::generation
