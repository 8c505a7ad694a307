// What the store keeps of its sessions beyond the process: the catalogue, and what is found in it at the start.
#include <sys/stat.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/media/recorded_file.h"
#include "rushes/server/sessions/session_record.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

using generation::SessionId;

namespace {

/// When the file was last written to, since 1970.
int64_t modified_ms(const std::filesystem::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? int64_t{status.st_mtime} * 1000 : 0;
}

/// No link, which this server does not make.
bool is_plain_file(const std::filesystem::directory_entry& file) {
  std::error_code error;
  return file.symlink_status(error).type() == std::filesystem::file_type::regular;
}

/// It ended before its first block was written: there is nothing that could be played.
void forget_without_video(const std::string& id, const std::filesystem::path& path, delivery::Catalogue& catalogue) {
  log::info("session {} of an earlier process has no video and is removed", id);
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  catalogue.remove(id);
}

}  // namespace

void SessionStore::restore() {
  std::set<std::string> known;
  const auto restore_if_possible = [&](const std::string& id, const delivery::CatalogueRow* row) {
    try {
      restore(id, row);
    } catch (const std::exception& error) {  // one that nobody can read must not keep the server from its start
      log::warning("session '{}' of an earlier process is not listed, and its file is left unchanged: {}",
                   id.substr(0, 64), error.what());
      ++unreadable_;
      if (row) catalogue_->put(unreadable_row(*row, error.what()));
    }
  };
  for (const delivery::CatalogueRow& row : catalogue_->rows()) {
    known.insert(row.id);
    restore_if_possible(row.id, &row);
  }
  std::vector<std::string> strays;
  std::error_code error;
  for (std::filesystem::directory_iterator file(data_directory_, error), end; !error && file != end;
       file.increment(error)) {
    if (const auto id = delivery::unfinished_name(file->path()); id && known.contains(*id) && is_plain_file(*file)) {
      std::error_code ignored;
      std::filesystem::remove(file->path(), ignored);
    }
    if (auto id = delivery::recording_name(file->path()); id && !known.contains(*id)) strays.push_back(std::move(*id));
  }
  for (const std::string& id : strays) restore_if_possible(id, nullptr);
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const Hosted& a, const Hosted& b) { return a.session->created() < b.session->created(); });
  if (!entries_.empty())
    log::info("{} sessions with recordings were found in {}", entries_.size(), data_directory_.string());
  finish_recordings();
}

/// Those of a process that was killed get their length and their index, one after the other while the server works.
void SessionStore::finish_recordings() {
  if (unfinished_.empty()) return;
  finishing_ = std::jthread([videos = std::exchange(unfinished_, {})](const std::stop_token& stop) {
    for (const auto& video : videos)
      if (!stop.stop_requested()) video->finish_recording();
  });
}

/// Throws if its recording cannot be used; nothing is changed then.
void SessionStore::restore(const std::string& id, const delivery::CatalogueRow* row) {
  const auto path = data_directory_ / (SessionId::parse(id).text() + ".mp4");
  std::error_code status;
  const std::filesystem::directory_entry found(path, status);
  // Only what the catalogue knows was made here, and may go.
  if (row && found.symlink_status(status).type() == std::filesystem::file_type::not_found)
    return forget_without_video(id, path, *catalogue_);
  const auto size = std::filesystem::file_size(path, status);
  // One that has lost what was in it stays: whoever did that may have the rest.
  const bool may_go = row && is_plain_file(found) && !status && static_cast<int64_t>(size) >= row->recorded_bytes;
  if (may_go && size == 0) return forget_without_video(id, path, *catalogue_);
  require(!status, ErrorCode::unavailable, "{}: {}", path.string(), status.message());
  const media::RecordedFile file = media::read_recorded_file(path);
  if (may_go && file.fragments.empty() && file.complete_bytes() == file.file_bytes)
    return forget_without_video(id, path, *catalogue_);
  require(!file.fragments.empty(), ErrorCode::corrupt_data, "{} has no complete video frame", path.string());
  std::optional<Hosted> entry;
  try {
    if (row) entry = restore_entry(*row, file, path);
  } catch (const Error& error) {
    log::warning("{}; the video is listed without these details", error.what());
  }
  if (!entry) entry = restore_entry(stray_row(id, file, modified_ms(path)), file, path);
  if (file.cut_off) {
    std::filesystem::resize_file(path, static_cast<std::uintmax_t>(file.complete_bytes()), status);
  } else if (file.complete_bytes() < file.file_bytes) {
    log::warning("{} is damaged after its first {} bytes; only these are served, and the file is left unchanged",
                 path.string(), file.complete_bytes());
  }
  if (!file.index && (file.cut_off || file.complete_bytes() == file.file_bytes)) unfinished_.push_back(entry->video);
  const delivery::CatalogueRow now = catalogue_row(*entry);
  if (!row || now != *row) catalogue_->put(now);
  entries_.push_back(std::move(*entry));
}

int64_t SessionStore::recorded_bytes() const {
  return std::accumulate(entries_.begin(), entries_.end(), int64_t{0},
                         [](int64_t sum, const Hosted& entry) { return sum + entry.video->status().recorded_bytes; });
}

int64_t SessionStore::free_bytes() const {
  std::error_code unknown;
  const auto space = std::filesystem::space(data_directory_, unknown);
  return unknown ? 0 : static_cast<int64_t>(space.available);
}

void SessionStore::remember(const Hosted& entry) {
  const std::string& id = entry.session->id().text();
  const bool over = entry.session->over() && entry.video->status().ended;  // asked first: the row is then the last one
  const auto known = remembered_.find(id);
  if (known == remembered_.end()) return;
  delivery::CatalogueRow row = catalogue_row(entry);
  if (row != known->second) catalogue_->put(row);
  if (over)
    remembered_.erase(known);
  else
    known->second = std::move(row);
}

}  // namespace rushes::server
