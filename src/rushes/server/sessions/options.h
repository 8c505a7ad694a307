// Which models a server has, and how much it keeps of their sessions. No Asio here: all that start a server see this.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rushes/generation/model.h"

namespace rushes::server {

struct ModelSource {
  std::string name;
  std::function<std::shared_ptr<const generation::Model>()> load;  // away from the server's thread; may take minutes
  std::string family = {};                                         // as far as it is known before it is loaded
  generation::Capabilities capabilities = {};
  std::vector<OptionField> options = {};
  TrainedFor trained_for = {};                                                     // likewise
  KnownWords words = {};                                                           // likewise
  std::function<generation::VideoFormat(const generation::Request&)> format = {};  // likewise: what a request gives
  std::filesystem::path examples = {};  // pictures and speech to try it with; empty: none
  bool at_start = false;                // loaded with the first
};

/// Other names of models, each with the name of its model.
using ModelAliases = std::vector<std::pair<std::string, std::string>>;

struct SessionLimits {
  int64_t max_running = 16;                    // sessions that have begun and neither ended nor rest
  int64_t max_queued = 0;                      // more of them, which wait for those to end; then 429
  int64_t lanes = 1;                           // of the device: sessions of small models that are stepped at a time
  int64_t max_waiting = 64;                    // that are paused or wait for speech; who is missed least makes room
  int64_t max_input_bytes = int64_t{1} << 30;  // pictures and speech that all sessions hold
  int64_t max_working_bytes = std::numeric_limits<int64_t>::max();  // memory that generators need, together
  double max_waiting_speech = 900;  // seconds of speech of a session that are not yet spoken
  int64_t max_kept = 64;            // with those that have ended; the oldest of them go first
  int64_t max_recording_bytes = int64_t{4} << 30;
  int64_t max_data_bytes = int64_t{16} << 30;  // all recordings together
  int64_t max_pixels = 3840 * 2160;            // of a picture
  double max_video_seconds = 0;                // of a video; an endless one is stopped there; 0: any length
  std::chrono::milliseconds idle_model{0};     // models without sessions are unloaded then; 0: never
  std::chrono::milliseconds idle{0};           // endless and paused sessions without viewers end then; 0: never
  std::chrono::milliseconds silence{0};        // sessions that wait for their first word end then; 0: never
};

}  // namespace rushes::server
