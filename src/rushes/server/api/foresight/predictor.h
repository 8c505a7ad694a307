// From a question with pictures to a session that answers it in words and in a video.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "rushes/server/api/foresight/requests.h"
#include "rushes/server/http/work_pool.h"
#include "rushes/server/server.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server::foresight {

/// A preset that the model does not have.
class BadPreset : public Error {
 public:
  using Error::Error;
};

/// More than the model reads or makes at once.
class BeyondModel : public Error {
 public:
  using Error::Error;
};

/// The server's thread only.
class Predictor {
 public:
  /// All must outlive it.
  Predictor(SessionStore& sessions, WorkPool& work, const ChatOptions& options)
      : sessions_(sessions), work_(work), options_(options) {}

  SessionStore& sessions() const noexcept { return sessions_; }
  WorkPool& work() const noexcept { return work_; }
  const ChatOptions& options() const noexcept { return options_; }

  /// The first model of the family, and whether it can be used at once; nothing: there is none.
  std::optional<ServedModels::Status> model() const;
  /// The one of this name or alias, else the first. Throws Error(unavailable) if there is none of the family,
  /// Error(not_found) if this one is not there, or of another family.
  ServedModels::Status model_for(const Question& question) const;

  /// What a question without numbers gives, as far as is known.
  struct Usual {
    std::optional<generation::VideoFormat> format;
    bool uses_adapter = false;
  };
  Usual usual(const ServedModels::Status& model) const;

  /// Called when the session is about to begin: for who must miss nothing.
  using Watch = std::function<void(const Hosted&)>;
  /// Loads the model, decodes the pictures and starts a session; without a picture one that only writes. Throws
  /// BadPicture, BadPreset, BeyondModel, Error(unavailable) without a model, and what the model and the limits have
  /// against it.
  net::awaitable<Hosted> begin(Question question, Watch watch) const;

 private:
  SessionStore& sessions_;
  WorkPool& work_;
  const ChatOptions& options_;
};

}  // namespace rushes::server::foresight
