// Forks: from borders that are kept, or from any other by making the blocks before it again.
#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/server/sessions/forks.h"

namespace rushes::server {
namespace {

using generation::SessionState;
using generation::SessionStatus;
using generation::VideoFormat;

std::optional<std::string> why_no_replay(const Hosted& entry, const SessionStatus& made,
                                         const generation::BlockHistory::Reach& history) {
  const generation::Session& session = *entry.session;
  if (session.format().speech_hz > 0) return "it was made from speech, which is not kept";
  if (entry.lost_image) return "the image that it began with is no longer kept";
  if (entry.lost_options || session.options() != session.request().options)
    return "options were changed while it ran, and when is not known";
  if (made.blocks > 0 && !history.has_checks)
    return "an earlier version of the server made it, and did not record what that needs";
  if (!entry.forkable) return "its model cannot be forked";
  if (history.steered_from && *history.steered_from < history.first)
    return "it is so long that the first prompts which were set while it ran are no longer known";
  return std::nullopt;
}

/// The last block of a video whose length was given in frames may have been cut, and a recording may have fewer.
int64_t whole_blocks(const Hosted& entry, const SessionStatus& made, const generation::BlockHistory::Reach& history) {
  if (!ended(made.state)) return made.blocks;
  const bool may_be_cut = made.state == SessionState::finished && entry.session->request().video_frames;
  const int64_t whole = std::max<int64_t>(0, may_be_cut ? made.blocks - 1 : made.blocks);
  return std::min({whole, history.end, entry.video->status().gops});
}

/// What has to be the same for the same frames, as far as it is known before.
bool is_like(const VideoFormat& a, const VideoFormat& b) {
  return a.height == b.height && a.width == b.width && a.fps == b.fps && a.audio_hz == b.audio_hz &&
         a.blocks_per_segment == b.blocks_per_segment && a.blocks_per_later_segment == b.blocks_per_later_segment;
}

void make_longer(generation::Request& request, const Hosted& origin, const NewFork& how) {
  const VideoFormat& format = origin.session->format();
  if (how.segments) {
    require(format.segments > 0, ErrorCode::conflict,
            "session {} is endless and has no number of segments; give frames instead", origin.session->id().text());
    request.segments = format.segments + *how.segments;
    request.video_frames.reset();
  } else if (how.video_frames) {
    request.video_frames = format.video_frames.value_or(origin.session->status().video_frames) + *how.video_frames;
    request.segments.reset();
  }
}

/// Throws Error(conflict) if there can be no such fork.
void require_border(const Hosted& origin, const Forks& forks, const SessionStatus& made, const NewFork& how) {
  const std::string& id = origin.session->id().text();
  const bool is_longer = how.segments || how.video_frames;
  require(!ended(made.state) || !forks.replayless, ErrorCode::conflict,
          "session {} has ended, and its blocks cannot be made again: {}", id, forks.replayless.value_or(""));
  require(!is_longer || !forks.replayless, ErrorCode::conflict,
          "a fork of session {} cannot be longer than that, since its blocks cannot be made again: {}", id,
          forks.replayless.value_or(""));
  const auto [least, most] = forks.all.value_or(Borders{});
  require(!how.blocks || (*how.blocks >= least && *how.blocks <= most), ErrorCode::conflict,
          "blocks must be {} to {} (got {}): these block borders of session {} can be reached{}{}", least, most,
          how.blocks.value_or(0), id,
          forks.replayless ? "; those before are not kept, and its blocks cannot be made again: " : "",
          forks.replayless.value_or(""));
  require(made.state != SessionState::finished || is_longer || how.blocks.value_or(made.blocks) < made.blocks,
          ErrorCode::conflict,
          "session {} has ended, and its video is complete; give segments or frames, by which the fork is to be "
          "longer, or an earlier border as blocks",
          id);
}

}  // namespace

Forks forks_of(const Hosted& entry) {
  const SessionStatus made = entry.session->status();
  const generation::BlockHistory::Reach history = entry.session->reach();
  Forks forks{.replayless = why_no_replay(entry, made, history)};
  if (!ended(made.state) && entry.forkable) forks.kept = Borders{made.oldest_border, made.blocks};
  forks.all = forks.replayless ? forks.kept : Borders{0, whole_blocks(entry, made, history)};
  return forks;
}

/// That it can go on for at least a moment.
void SessionStore::require_length(const Hosted& origin, const SessionStatus& made, int64_t blocks) const {
  const double seconds = static_cast<double>(made.video_frames) / origin.session->format().fps *
                         static_cast<double>(blocks) / static_cast<double>(std::max<int64_t>(1, made.blocks));
  require(limits_.max_video_seconds <= 0 || seconds < limits_.max_video_seconds, ErrorCode::conflict,
          "the first {} blocks of session {} are {:.1f} s, which is the longest video that this server allows "
          "(--max-video-seconds)",
          blocks, origin.session->id().text(), seconds);
}

Hosted SessionStore::fork(const generation::SessionId& id, NewFork how) {
  const Hosted origin = find(id);
  const Forks forks = forks_of(origin);
  const SessionStatus made = origin.session->status();
  require_border(origin, forks, made, how);
  if (how.prompt) require_takes_prompts(origin);
  require_room();
  const bool is_longer = how.segments || how.video_frames;
  const bool begins_anew = is_longer || ended(made.state);
  std::optional<int64_t> blocks = how.blocks;
  if (!blocks && begins_anew) blocks = forks.all->most;
  generation::Request request = origin.session->copy_of_request();
  request.max_lead_seconds = origin.session->max_lead();
  make_longer(request, origin, how);
  const std::shared_ptr<const generation::Model> model = models_->model(origin.model);
  auto plan = model->plan(request);
  require_size(*plan);
  require_length(origin, made, blocks.value_or(0));
  require(!begins_anew || is_like(plan->format(), origin.session->format()), ErrorCode::conflict,
          "session {} cannot be made again: model '{}' has changed since then, and now makes {}x{} at {} fps",
          id.text(), origin.model, plan->format().width, plan->format().height, plan->format().fps);
  std::optional<generation::DeviceWorker::Replay> replay;
  if (!forks.replayless) replay = {.model = model, .from_beginning = is_longer};
  // Without a prompt it goes on as its origin did there.
  if (const auto steered = origin.session->reach().steered_from; steered && !how.prompt && blocks >= steered)
    if (const auto history = origin.session->history(); const auto* next = history.of(*blocks))
      how.prompt = *next->prompt;
  Hosted branch =
      enter(std::move(request), std::move(plan),
            {.origin = Origin{Origin::Kind::fork, id}, .retention = origin.retention}, origin.video, origin.model);
  return begun(std::move(branch), [&](const Hosted& entry) {
    require(!begins_anew || *entry.video->init_segment() == *origin.video->init_segment(), ErrorCode::conflict,
            "the video of session {} was encoded in another way than this server encodes, and cannot be continued",
            id.text());
    entry.session->set_unknown_words(origin.session->unknown_words());
    if (how.prompt) set_prompt(entry, std::move(*how.prompt));
    const bool is_kept = !begins_anew && (!blocks || (forks.kept && *blocks >= forks.kept->least));
    if (!is_kept) entry.session->expect_replay(*blocks);
    models_->worker().fork(origin.session, entry.session, blocks, std::move(replay));
  });
}

}  // namespace rushes::server
