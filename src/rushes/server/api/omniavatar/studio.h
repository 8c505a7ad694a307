// From what a client of OmniAvatar asks for to a session that has heard all of its speech.
#pragma once
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "rushes/media/decoded_audio.h"
#include "rushes/server/api/omniavatar/avatar_request.h"
#include "rushes/server/http/work_pool.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server::omniavatar {

/// How a model makes its videos, as the published server calls it.
enum class Mode {
  causal,  // block by block
  normal   // segment by segment, with guidance
};
constexpr std::string_view name(Mode mode) { return mode == Mode::causal ? "causal" : "normal"; }

/// The sound of a video, at the rate of its file where AAC knows that.
struct Speech {
  media::DecodedAudio audio;
  std::size_t silence = 0;  // samples before what is said
  base::MemoryBudget::Charge memory = {};
};
using SpeechPtr = std::shared_ptr<const Speech>;

/// The server's thread only.
class Studio {
 public:
  /// Both must outlive it.
  Studio(SessionStore& sessions, WorkPool& work) : sessions_(sessions), work_(work) {}

  SessionStore& sessions() const noexcept { return sessions_; }
  WorkPool& work() const noexcept { return work_; }

  /// There is a model of the family, which is loaded or will be when it is asked for.
  bool has_model() const;
  /// The first of the family that has been loaded and makes its videos so. Nothing: there is none.
  std::optional<std::string> model_of(Mode mode) const;
  /// How that model makes its videos; nothing: it is not loaded.
  std::optional<Mode> mode_of(std::string_view model) const;
  /// The first of the family. Throws Error(unavailable).
  std::string first_model() const;

  /// Speech of more seconds is refused: all of it waits in its session.
  static constexpr double kMostSeconds = 900;
  /// Called when the session is about to begin: for who must miss nothing. Without speech: null.
  using Watch = std::function<void(const Hosted& entry, const SpeechPtr& speech)>;
  /// Loads the model, decodes the files, waits for a place among the sessions, first come, first served, and starts one
  /// of known length, which has heard all in the end. Throws what is wrong with any of it. `file_name`:
  /// Hosted::file_name.
  net::awaitable<Hosted> begin(std::string model, AvatarRequest wanted, Watch watch, std::string file_name = {}) const;

 private:
  class InLine;
  net::awaitable<void> wait_for_place(const InLine& in_line) const;

  SessionStore& sessions_;
  WorkPool& work_;
  mutable std::list<const InLine*> line_;
};

}  // namespace rushes::server::omniavatar
