// Predictions: asked for by HTTP, followed over WebSockets, by as many and as often as one likes. Each is told once, to
// a list that it keeps; sockets read that from its beginning.
#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "rushes/server/api/foresight/predictor.h"
#include "rushes/server/http/router.h"

namespace rushes::server::foresight {

/// The server's thread only.
class Predictions : public std::enable_shared_from_this<Predictions> {
 public:
  explicit Predictions(std::shared_ptr<const Predictor> predictor) : predictor_(std::move(predictor)) {}

  /// POST /api/predict
  net::awaitable<Response> predict(const Request& request);
  /// /api/ws/{id}. Throws Error(not_found) for one that is not known any more.
  Feed follow(std::string_view id, bool binary) const;
  /// Stops those that nobody follows any more, and forgets those whose sessions are gone. To be called now and then.
  void sweep();

 private:
  struct Prediction;
  using PredictionPtr = std::shared_ptr<Prediction>;
  using Clock = std::chrono::steady_clock;
  static constexpr double kNearlyDone = 0.8;  // of the denoising: the rest costs less than beginning anew

  net::awaitable<void> require_loaded(ServedModels::Status model) const;
  net::awaitable<PredictionPtr> begin(Question question);
  net::awaitable<void> tell(PredictionPtr prediction);
  static net::awaitable<void> send_told(PredictionPtr prediction, bool binary, WebSocket* socket);
  bool make_room();

  const std::shared_ptr<const Predictor> predictor_;
  std::map<std::string, PredictionPtr, std::less<>> predictions_;  // by the id of the session
};

}  // namespace rushes::server::foresight
