// A source that talks while speech arrives, as the resumable generator that sessions step. The same speech gives the
// same video in however many pieces it comes.
#pragma once
#include <ATen/core/Tensor.h>

#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "rushes/generation/ditto/model.h"
#include "rushes/generation/ditto/plan.h"
#include "rushes/generation/generator.h"
#include "rushes/generation/sample_tape.h"
#include "rushes/generation/utterances.h"
#include "rushes/models/ditto/face_geometry.h"
#include "rushes/models/ditto/retargeting.h"
#include "rushes/models/ditto/speech_motion.h"

namespace rushes::generation {

class DittoGenerator final : public Generator {
 public:
  /// `image`: the source, where it is neither a video nor an avatar; kept until it has been encoded.
  DittoGenerator(std::shared_ptr<const DittoParts> parts, std::shared_ptr<const DittoPlan> plan,
                 std::optional<Image> image);

  VideoFormat format() const override { return plan_->format(); }
  /// A step is: the source; the features of a few pieces of speech; a window of motion; or one frame.
  StepResult step(const Inbox& inbox) override;
  bool at_block_border() const override { return true; }
  std::unique_ptr<Generator> fork() const override { return std::make_unique<DittoGenerator>(*this); }
  int64_t bytes() const override;
  std::string shape_of_step(const Inbox& inbox) const override;
  /// The next windows of several speakers in one batch, each kept for its own step. Their shape_of_step() is equal and
  /// not empty.
  static void speak_together(const std::vector<DittoGenerator*>& speakers);

 private:
  void register_source();
  ditto::Eyes eyes_of_source() const;
  ditto::SpeechMotion speech_motion(const ditto::HeadMotion& first) const;
  void take(const Inbox& inbox);
  void set_live(const Options& options);
  void hear_what_may_be_heard();
  bool speak();
  FrameBlock draw();
  const ditto::SourceFrame& source_of(int64_t frame);
  ditto::FrameControl control_of(int64_t frame) const;
  void lay_out_blinks(int64_t from);
  Audio audio(int64_t frame);
  int64_t frames_wanted() const;
  bool over() const;

  std::shared_ptr<const DittoParts> parts_;
  std::shared_ptr<const DittoPlan> plan_;
  std::optional<Image> image_;
  std::shared_ptr<const ditto::MotionSampler> sampler_;
  ditto::SpeechFeatures features_;
  DittoLive live_;
  std::mt19937 chance_;

  // The source.
  std::vector<ditto::SourceFrame> sources_;  // of a video all frames, with the feature of the one that is shown
  std::optional<ditto::PutBack> put_back_;
  std::optional<ditto::Retargeting> retargeting_;
  int64_t shown_source_ = 0;
  ditto::RetargetOptions retarget_;
  std::map<int64_t, double> fades_;

  // Speech that has not been heard yet, from sample heard_ of what came on, and where its utterances end (the same).
  SampleTape waiting_;
  int64_t heard_ = 0;
  std::deque<int64_t> ends_;
  bool end_of_speech_ = false;
  std::optional<int64_t> utterance_frames_;  // all frames up to here are made before more is heard
  UtteranceEnds told_ends_;
  std::optional<ditto::SpeechMotion> motion_;
  std::optional<int64_t> speech_frames_;  // of all speech, once it has ended

  // Sound that goes out with its frames.
  SampleTape sound_;

  std::deque<at::Tensor> rows_;   // of motion, to be drawn: [265]
  int64_t made_ = 0, drawn_ = 0;  // frames of motion; frames
  StageTimes times_;
};

}  // namespace rushes::generation
