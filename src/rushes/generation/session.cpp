#include "rushes/generation/session.h"

#include <algorithm>
#include <utility>

#include "rushes/generation/next_candidate.h"

namespace rushes::generation {

Session::Session(Request request, std::unique_ptr<Plan> plan, Stream::Options stream)
    : id_(SessionId::random()),
      request_(std::move(request)),
      plan_(std::move(plan)),
      format_(plan_->format()),
      working_bytes_(plan_->working_bytes),
      image_use_(plan_->image_use),
      created_(std::chrono::system_clock::now()),
      start_(Clock::now()),
      stream_(std::make_shared<Stream>(stream)),
      ignored_(request_.ignored),
      max_lead_(request_.max_lead_seconds) {
  ignored_.insert(ignored_.end(), plan_->ignored.begin(), plan_->ignored.end());
  for (const std::string& warning : plan_->warnings) warn(warning);
  stream_->publish(StateChanged{SessionState::queued, {}, {}}, std::chrono::microseconds{0});
}

std::chrono::microseconds Session::age() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start_);
}

SessionStatus Session::status() const {
  const std::scoped_lock lock(mutex_);
  SessionStatus status = status_;
  status.age = age();
  if (status.state != SessionState::queued) status.queue.reset();
  if (status.queue && status.queue->wait_s) {
    const std::chrono::duration<double> gone = status.age - told_;
    status.queue->wait_s = std::max(0.0, *status.queue->wait_s - gone.count());
  }
  const bool all_shown = utterances_ > 0 && !in_utterance_ && status.utterances >= utterances_;
  status.at_rest = status_.at_rest || status.state == SessionState::finished ||
                   ((status.state == SessionState::waiting || ended(status.state)) && all_shown);
  if (status.blocks > 1 && status.first_block && status.newest_block) {
    const std::chrono::duration<double> elapsed = *status.newest_block - *status.first_block;
    status.fps = static_cast<double>(status.video_frames - first_block_video_frames_) / std::max(elapsed.count(), 1e-6);
  }
  return status;
}

BlockHistory Session::history() const {
  const std::scoped_lock lock(mutex_);
  return history_;
}

BlockHistory::Reach Session::reach() const {
  const std::scoped_lock lock(mutex_);
  return history_.reach();
}

void Session::become_stopped(std::string reason, EndReason kind) {
  status_.reason = std::move(reason);
  status_.end_reason = kind;
  become(SessionState::stopped);
}

void Session::become(SessionState state, std::optional<Failure> failure) {
  require(may_follow(status_.state, state), ErrorCode::conflict, "session {} is {} and cannot become {}", id_.text(),
          name(status_.state), name(state));
  status_.state = state;
  status_.failure = failure;
  const auto now = age();
  if (ended(state)) status_.end = now;
  if (state == SessionState::finished) status_.end_reason = EndReason::finished;
  if (state == SessionState::failed) status_.end_reason = EndReason::failed;
  // The stream's own lock is a leaf, and publishing under ours keeps events in the order of the states.
  stream_->publish(StateChanged{state, std::move(failure), status_.reason}, now);
  if (ended(state)) stream_->close();
}

void Session::require_open(std::string_view action) const {
  require(!ended(status_.state), ErrorCode::conflict, "session {} has {}; it cannot {} any more", id_.text(),
          name(status_.state), action);
}

void Session::wake() {
  std::shared_ptr<const std::function<void()>> control;
  {
    const std::scoped_lock lock(mutex_);
    control = control_;
  }
  if (control) (*control)();
}

std::vector<Ignored> Session::ignored() const {
  const std::scoped_lock lock(mutex_);
  return ignored_;
}

void Session::set_prompt(std::string prompt, std::vector<Ignored> ignored) {
  {
    const std::scoped_lock lock(mutex_);
    require_open("accept a prompt");
    inbox_.prompt = std::move(prompt);
    std::erase_if(ignored_, [](const Ignored& each) { return each.field == "prompt"; });  // of the one before
    ignored_.insert(ignored_.end(), ignored.begin(), ignored.end());
    input_came();
  }
  wake();
}

void Session::set_options(const Options& options) {
  const std::scoped_lock lock(mutex_);
  require_open("change its options");
  inbox_.options.set_all(options);
  set_options_.set_all(options);
}

void Session::input_came() {
  needs_input_ = false;
  if (status_.state == SessionState::waiting) become(has_place_ ? SessionState::running : SessionState::queued);
}

void Session::feed_speech(std::span<const float> samples, Utterance utterance) {
  {
    const std::scoped_lock lock(mutex_);
    require_open("accept speech");
    require(format_.speech_hz > 0, ErrorCode::unsupported,
            "session {} does not accept speech; its model does not generate talking heads", id_.text());
    require(
        !speech_ended_, ErrorCode::conflict, "the speech of session {} has already ended{}", id_.text(),
        format_.hearing == Hearing::whole ? "; all of it is heard as one, up to the first end of an utterance" : "");
    const auto hz = static_cast<double>(format_.speech_hz);
    const double piece = static_cast<double>(samples.size()) / hz,
                 waiting = piece + static_cast<double>(inbox_.speech.size()) / hz;
    require(piece <= kMaxWaitingSpeech, ErrorCode::too_large,
            "{:.0f} s of speech in one piece are too long: at most {:.0f} s may wait; send shorter pieces", piece,
            kMaxWaitingSpeech);
    require(
        waiting <= kMaxWaitingSpeech, ErrorCode::exhausted,
        "{:.0f} s of speech would be waiting in session {}; at most {:.0f} s are allowed; send this piece again later",
        waiting, id_.text(), kMaxWaitingSpeech);
    if (!samples.empty()) {
      inbox_.speech.insert(inbox_.speech.end(), samples.begin(), samples.end());
      status_.speech_samples += static_cast<int64_t>(samples.size());
      in_utterance_ = true;
    }
    // The first end counts even if nothing was said: whoever waits for it would wait for ever.
    const bool ends = utterance == Utterance::ends && (in_utterance_ || utterances_ == 0);
    if (samples.empty() && !ends) return;
    if (ends) {
      in_utterance_ = false;
      ++utterances_;
      inbox_.utterance_ends.push_back(inbox_.speech.size());
      // Of speech that is heard as one nothing is shown before its end: an utterance that is shown now is the last.
      if (format_.hearing == Hearing::whole) speech_ended_ = inbox_.end_of_speech = true;
    }
    input_came();
  }
  wake();
}

void Session::warn(const std::string& text) {
  const std::scoped_lock lock(mutex_);
  if (warnings_.size() < kMostWarnings && std::find(warnings_.begin(), warnings_.end(), text) == warnings_.end())
    warnings_.push_back(text);
}

std::vector<std::string> Session::warnings() const {
  const std::scoped_lock lock(mutex_);
  return warnings_;
}

std::vector<std::string> Session::unknown_words() const {
  const std::scoped_lock lock(mutex_);
  return unknown_words_;
}

void Session::set_unknown_words(std::vector<std::string> words) {
  const std::scoped_lock lock(mutex_);
  unknown_words_ = std::move(words);
}

void Session::end_speech() {
  {
    const std::scoped_lock lock(mutex_);
    if (speech_ended_ || ended(status_.state)) return;  // it may have failed meanwhile, which is told in its own way
    speech_ended_ = inbox_.end_of_speech = true;
    input_came();
  }
  wake();
}

void Session::pause() {
  const std::scoped_lock lock(mutex_);
  require_open("pause");
  if (status_.state != SessionState::paused) become(SessionState::paused);
}

void Session::resume() {
  {
    const std::scoped_lock lock(mutex_);
    require_open("resume");
    if (status_.state == SessionState::paused)
      become(needs_input_ ? SessionState::waiting : has_place_ ? SessionState::running : SessionState::queued);
  }
  wake();
}

bool Session::stop(std::string reason, EndReason kind) {
  {
    const std::scoped_lock lock(mutex_);
    if (ended(status_.state)) return false;
    become_stopped(std::move(reason), kind);
  }
  wake();
  return true;
}

void Session::stop_at_border(std::string reason, EndReason kind) {
  {
    const std::scoped_lock lock(mutex_);
    if (ended(status_.state)) return;
    if (status_.state == SessionState::running)
      stop_at_border_ = {std::move(reason), kind};
    else
      become_stopped(std::move(reason), kind);
  }
  wake();
}

void Session::end_at_border() {
  const std::scoped_lock lock(mutex_);
  if (stop_at_border_ && !ended(status_.state)) become_stopped(stop_at_border_->first, stop_at_border_->second);
}

void Session::set_max_lead(std::optional<double> seconds) {
  {
    const std::scoped_lock lock(mutex_);
    require_open("change its pacing");
    max_lead_ = seconds;
  }
  wake();
}

std::optional<double> Session::max_lead() const {
  const std::scoped_lock lock(mutex_);
  return max_lead_;
}

void Session::keep_borders_from(int64_t blocks) {
  const std::scoped_lock lock(mutex_);
  status_.oldest_border = blocks;
}

bool Session::steppable() const {
  return status_.state == SessionState::queued || status_.state == SessionState::running;
}

double Session::excess_lead() const { return max_lead_ ? lead_.at(age()).value_or(0) - *max_lead_ : 0; }

bool Session::wants_place() const {
  const std::scoped_lock lock(mutex_);
  return steppable();
}

bool Session::give_up_place() {
  const std::scoped_lock lock(mutex_);
  if (steppable() || ended(status_.state)) return false;
  has_place_ = false;
  return true;
}

void Session::tell(std::optional<QueuePlace> place) {
  const std::scoped_lock lock(mutex_);
  const bool moved = place && (!status_.queue || status_.queue->position != place->position);
  status_.queue = place;
  told_ = age();
  if (moved && status_.state == SessionState::queued) stream_->publish(*place, told_);
}

bool Session::runnable() const {
  {
    const std::scoped_lock lock(mutex_);
    if (!steppable() || excess_lead() > 0) return false;
  }
  return !stream_->full();
}

std::optional<double> Session::rests_for() const {
  const std::scoped_lock lock(mutex_);
  const double excess = excess_lead();
  return steppable() && excess > 0 ? std::optional(excess) : std::nullopt;
}

bool Session::over() const {
  const std::scoped_lock lock(mutex_);
  return ended(status_.state);
}

void Session::let_go() {
  plan_.reset();
  std::shared_ptr<const DrivingVideo> video;  // goes after the lock, perhaps with its file
  const std::scoped_lock lock(mutex_);
  video.swap(request_.video);
}

void Session::forget_image() {
  std::optional<Image> image;  // goes after the lock
  std::vector<Image> earlier;
  const std::scoped_lock lock(mutex_);
  image.swap(request_.image);
  earlier.swap(request_.earlier_images);
}

Inbox Session::take_inbox() {
  const std::scoped_lock lock(mutex_);
  has_place_ = true;
  if (status_.state == SessionState::queued) become(SessionState::running);
  if (!status_.first_step) status_.first_step = age();
  if (replay_) return replay_inbox();
  if (inbox_.prompt) taken_prompt_ = inbox_.prompt;
  return std::exchange(inbox_, {});
}

/// What is made of speech is never made again: nobody keeps it.
std::optional<uint32_t> Session::check_of(const Event& event) const {
  const auto* block = std::get_if<FrameBlock>(&event);
  return block && block->rgb && format_.speech_hz == 0 ? std::optional(frames_check(*block)) : std::nullopt;
}

void Session::deliver(StepResult result, std::chrono::microseconds step_time) {
  std::vector<std::optional<uint32_t>> checks;
  for (const Event& event : result.events) checks.push_back(check_of(event));
  const std::scoped_lock lock(mutex_);
  status_.device_time += step_time;
  if (ended(status_.state)) return;
  for (std::size_t i = 0; i < checks.size(); ++i)
    replay_ ? publish_again(std::move(result.events[i]), checks[i]) : publish(std::move(result.events[i]), checks[i]);
  require(!replay_ || result.outcome == StepOutcome::again, ErrorCode::conflict,
          "the video ended after {} blocks when those of session {} were made again, before the wanted border",
          status_.blocks, replay_ ? replay_->origin.text() : "");
  // What arrived during the step counts as input; a pause during the step lasts, unless the video is complete.
  needs_input_ = result.outcome == StepOutcome::needs_input && inbox_.empty();
  if (result.outcome == StepOutcome::finished) {
    if (status_.state == SessionState::paused) become(SessionState::running);
    become(SessionState::finished);
  } else if (needs_input_ && status_.state == SessionState::running) {
    become(SessionState::waiting);
  }
}

void Session::publish(Event event, std::optional<uint32_t> check) {
  const auto now = age();
  if (const auto* block = std::get_if<FrameBlock>(&event)) {
    status_.newest_block = now;
    if (!history_.steered_from && taken_prompt_ == block->prompt) history_.steered_from = status_.blocks;
    ++status_.blocks;
    status_.video_frames = block->first_video_frame + block->video_frames;
    if (!status_.first_block) {
      status_.first_block = now;
      first_block_video_frames_ = status_.video_frames;
    }
    history_.add(now, block->prompt, check);
    lead_.add(now, static_cast<double>(block->video_frames) / format_.fps);
  } else if (const auto* applied = std::get_if<PromptApplied>(&event)) {
    status_.prompt = applied->prompt;
  } else if (std::holds_alternative<UtteranceEnded>(event)) {
    ++status_.utterances;
  } else if (const auto* chunk = std::get_if<TextChunk>(&event)) {
    keep_text(*chunk);
  }
  std::visit([&](auto&& what) { stream_->publish(std::move(what), now); }, std::move(event));
}

void Session::keep_text(const TextChunk& chunk) {
  if (!status_.text) status_.text.emplace();
  if (status_.text->size() < kMaxText) *status_.text += chunk.utf8;
}

void Session::fail(Failure failure) {
  const std::scoped_lock lock(mutex_);
  if (!ended(status_.state)) become(SessionState::failed, std::move(failure));
}

std::optional<double> Session::lead_seconds() const {
  const std::scoped_lock lock(mutex_);
  return replay_ ? kEnoughLead : lead_.at(age());  // nobody waits for frames that are there
}

void Session::on_control(std::function<void()> callback) {
  const std::scoped_lock lock(mutex_);
  control_ = std::make_shared<const std::function<void()>>(std::move(callback));
}

}  // namespace rushes::generation
