#include "rushes/server/session_table.h"

#include <algorithm>
#include <set>

#include "rushes/base/error.h"
#include "rushes/base/log.h"

namespace rushes::server {

using generation::SessionId;

SessionTable::SessionTable(std::shared_ptr<const generation::Model> model, SessionLimits limits,
                           std::filesystem::path data_directory)
    : model_(std::move(model)), limits_(limits), data_directory_(std::move(data_directory)) {
  delivery::prepare_directory(data_directory_);
  prune();
  worker_ = std::make_unique<generation::DeviceWorker>(model_);
}

SessionTable::~SessionTable() {
  drain();
  for (const Entry& entry : entries_) entry.outlets->stop();
  worker_.reset();  // ends the streams that the encoders read
  for (const Entry& entry : entries_) entry.video->join();
  for (const Entry& entry : ending_) entry.video->join();
}

void SessionTable::require_room() const {
  require(!draining_, ErrorCode::unavailable, "the server is shutting down and takes no new sessions");
  require(running() < limits_.max_running, ErrorCode::exhausted,
          "{} sessions are running, which is the limit; stop one or try again later (--max-sessions)",
          limits_.max_running);
}

Entry SessionTable::create(generation::VideoRequest request, std::optional<Origin> origin) {
  require(!draining_, ErrorCode::unavailable, "the server is shutting down and takes no new sessions");
  const generation::VideoFormat format = model_->plan(request);
  require_room();
  Entry entry = enter(std::move(request), format, std::move(origin), nullptr);
  worker_->submit(entry.session);
  return entry;
}

Entry SessionTable::fork(const SessionId& id, std::optional<std::string> prompt) {
  const Entry source = find(id);
  require(!source.session->over(), ErrorCode::conflict,
          "session {} has ended; only one that runs or is paused can be forked", id.text());
  require_room();
  generation::VideoRequest request = source.session->request();
  request.max_lead_seconds = source.session->max_lead();
  Entry entry = enter(std::move(request), source.session->format(), Origin{Origin::Kind::fork, id}, source.video);
  if (prompt) entry.session->set_prompt(std::move(*prompt));
  worker_->fork(source.session, entry.session);
  return entry;
}

Entry SessionTable::enter(generation::VideoRequest request, const generation::VideoFormat& format,
                          std::optional<Origin> origin, std::shared_ptr<delivery::EncodedStream> origin_video) {
  make_room();
  Entry entry;
  entry.session = std::make_shared<generation::Session>(std::move(request), format);
  delivery::EncodedStreamOptions options;
  options.recording = data_directory_ / (entry.session->id().text() + ".mp4");
  options.max_recording_bytes = limits_.max_recording_bytes;
  options.memory_bytes = 4 << 20;  // older fragments are read from the recording
  options.origin = std::move(origin_video);
  entry.video = std::make_shared<delivery::EncodedStream>(entry.session, options);
  entry.outlets = std::make_shared<delivery::Outlets>(entry.video);
  entry.origin = std::move(origin);
  entries_.push_back(entry);
  ++created_;
  log::info("session {}: created, {}x{} at {} fps", entry.session->id().text(), format.width, format.height,
            format.fps);
  return entry;
}

void SessionTable::Totals::add(const delivery::EncodedStream::Status& video) {
  encoded_bytes += video.bytes;
  skipped_fragments += video.skipped;
  encode_time += video.encode_time;
}

SessionTable::Totals SessionTable::totals() const {
  Totals all = removed_;
  for (const Entry& entry : entries_) all.add(entry.video->status());
  return all;
}

std::vector<Entry>::const_iterator SessionTable::position(const SessionId& id) const {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.session->id() == id; });
  require(found != entries_.end(), ErrorCode::not_found, "there is no session {}; it may have been deleted", id.text());
  return found;
}

const Entry& SessionTable::find(const SessionId& id) const { return *position(id); }

void SessionTable::remove(const SessionId& id) {
  const auto found = position(id);
  found->session->stop("deleted by request");
  removed_.add(found->video->status());
  std::error_code ignored;
  std::filesystem::remove(found->video->recording_path(), ignored);  // who still reads it keeps its bytes
  found->outlets->stop();
  std::erase_if(ending_, [](const Entry& entry) { return entry.video->status().ended && entry.outlets->idle(); });
  ending_.push_back(*found);
  entries_.erase(found);
}

int64_t SessionTable::running() const {
  return std::count_if(entries_.begin(), entries_.end(), [](const Entry& e) { return !e.session->over(); });
}

void SessionTable::drain() {
  draining_ = true;
  for (const Entry& entry : entries_) entry.session->stop("the server is shutting down");
}

void SessionTable::make_room() {
  while (static_cast<int64_t>(entries_.size()) >= limits_.max_kept) {
    const auto oldest =
        std::find_if(entries_.begin(), entries_.end(), [](const Entry& e) { return e.session->over(); });
    if (oldest == entries_.end()) break;
    remove(oldest->session->id());
  }
  prune();
}

void SessionTable::prune() const {
  std::set<std::string> in_use;
  for (const Entry& entry : entries_) in_use.insert(entry.video->recording_path().filename().string());
  delivery::prune_recordings(data_directory_, limits_.max_data_bytes, in_use);
}

}  // namespace rushes::server
