#include "rushes/server/api/omniavatar/streams.h"

#include <boost/asio/this_coro.hpp>
#include <chrono>

#include "rushes/base/log.h"
#include "rushes/generation/failure.h"
#include "rushes/server/api/native/dialects.h"
#include "rushes/server/api/omniavatar/segments.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/http/text_case.h"
#include "rushes/server/sessions/stops_session.h"

namespace rushes::server::omniavatar {
namespace {

using Form = SegmentsDialect::Form;

// In base64, with room for the rest: a picture of 32 MiB and 128 MiB of sound.
constexpr std::size_t kMaxBodyBytes = (std::size_t{160} << 20) / 3 * 4 + (64 << 10);

/// The answer of a request that is refused; caught where routes are added.
struct Refused {
  Response response;
};

/// One request from `start` to its end: the session begins when that has been told, so that whoever waits for a place
/// or for files to be decoded knows that he is heard.
class SegmentsOf final : public MessageSource {
 public:
  SegmentsOf(std::shared_ptr<const Studio> studio, AvatarRequest wanted, Form form)
      : studio_(std::move(studio)), wanted_(std::move(wanted)), form_(form) {}

  net::awaitable<std::optional<Message>> next() override {
    if (!std::exchange(started_, true)) co_return SegmentsDialect::started(form_);
    if (over_) co_return std::nullopt;
    std::string failure;
    try {
      if (!pump_) {
        auto beginning = begin();
        co_await std::move(beginning);
      }
      auto telling = pump_->next();
      std::optional<Message> message = co_await std::move(telling);
      over_ = !message;
      co_return message;
    } catch (const boost::system::system_error&) {
      throw;  // nobody is there to be told
    } catch (...) {
      failure = generation::current_failure().message;
    }
    over_ = true;
    stop();
    co_return SegmentsDialect::failed(form_, failure);
  }

  void stop() override {
    if (pump_) pump_->stop();
  }

 private:
  net::awaitable<void> begin() {
    const net::any_io_executor executor = co_await net::this_coro::executor;
    const auto watch = [&](const Hosted& entry, const SpeechPtr& speech) {
      pump_ = std::make_unique<Pump>(
          entry,
          Interest{
              .events = Interest::Events{}, .gops = delivery::EncodedStream::From::start, .work = &studio_->work()},
          std::make_unique<SegmentsDialect>(form_, wants_sound_ ? speech : nullptr));
      pump_->open(executor);
    };
    auto beginning = studio_->begin(studio_->first_model(), std::move(wanted_), watch);
    co_await std::move(beginning);
  }

  const std::shared_ptr<const Studio> studio_;
  AvatarRequest wanted_;
  const Form form_;
  const bool wants_sound_ = wanted_.with_sound;
  std::unique_ptr<Pump> pump_;
  bool started_ = false, over_ = false;
};

bool is_json(std::string_view content_type) {
  const std::string type = lower_case(trim(content_type.substr(0, content_type.find(';'))));
  return type == "application/json" || (type.starts_with("application/") && type.ends_with("+json"));
}

class StreamRoutes : public std::enable_shared_from_this<StreamRoutes> {
 public:
  explicit StreamRoutes(std::shared_ptr<Studio> studio) : studio_(std::move(studio)) {}

  // POST /generate-stream, /generate-stream-chunked
  net::awaitable<Response> stream(const Request& request, Form form) {
    auto reading = read(request);
    AvatarRequest wanted = co_await std::move(reading);
    const bool events = form == Form::server_sent_events;
    Response response =
        streamed_response(std::make_shared<SegmentsOf>(studio_, std::move(wanted), form),
                          {.framing = events ? Framing::server_sent_events : Framing::ndjson, .stops_session = true});
    if (!events) response.content_type = "application/json";
    response.headers.emplace_back("Cache-Control", "no-cache");
    co_return std::move(response);
  }

  // POST /generate
  net::awaitable<Response> whole(const Request& request) {
    auto reading = read(request);
    AvatarRequest wanted = co_await std::move(reading);
    const std::string prompt = wanted.prompt, path = name_output(!wanted.audio.empty());
    std::optional<Response> answer;
    try {
      auto making = make(std::move(wanted), path);
      const Hosted entry = co_await std::move(making);
      auto encoding = studio_->work().run([&] {
        nlohmann::json made{{"output_path", path},
                            {"prompt", prompt},
                            {"success", true},
                            {"video_base64", encode_base64(contents_of(entry))}};
        made.update(nlohmann::json(notes_of(*entry.session)));
        return json_answer(200, made);
      });
      answer = co_await std::move(encoding);
    } catch (const boost::system::system_error&) {
      throw;
    } catch (const Error& error) {
      answer = failed(error);
    } catch (...) {
      const generation::Failure failure = generation::current_failure();
      answer = failed(Error(failure.code, failure.message));
    }
    co_return std::move(*answer);
  }

  // GET /video/...: what /generate has named, and nothing else.
  Response output(const Request& request, const std::string& path) const {
    const Hosted* const entry = studio_->sessions().named(path);
    if (!entry || entry->session->status().state != generation::SessionState::finished)
      return error_answer(404, "there is no video " + path.substr(0, 200));
    Response response = recorded_mp4(request, *entry);
    response.headers.emplace_back("Content-Disposition",
                                  fmt::format("attachment; filename=\"{}\"", path.substr(path.rfind('/') + 1)));
    return response;
  }

 private:
  /// The published server answers 500 to all that fails behind its checks.
  static Response failed(const Error& error) {
    static constexpr ErrorCode kFailures[] = {ErrorCode::invalid_argument, ErrorCode::not_found,
                                              ErrorCode::conflict,         ErrorCode::unsupported,
                                              ErrorCode::corrupt_data,     ErrorCode::cancelled};
    Response answer = error_answer(http_status(error.code(), kFailures), error.what());
    add_retry_after(answer, error);
    return answer;
  }

  net::awaitable<AvatarRequest> read(const Request& request) {
    if (!studio_->has_model()) throw Refused{error_answer(500, "Model not initialized")};
    if (!is_json(request.header("content-type")))
      throw Refused{error_answer(415,
                                 "415 Unsupported Media Type: Did not attempt to load JSON data because the request "
                                 "Content-Type was not 'application/json'.")};
    std::string wrong;
    std::optional<AvatarRequest> wanted;
    try {
      auto reading = studio_->work().run_if_large(request.body.size(), [&] { return read_request(request.body); });
      wanted = co_await std::move(reading);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::invalid_argument)
        throw Refused{error_answer(http_status(error.code()), error.what())};
      wrong = error.what();
    }
    if (!wanted) throw Refused{error_answer(400, wrong)};
    if (request.query_value("audio") == "false") wanted->with_sound = false;
    co_return std::move(*wanted);
  }

  /// A session that has ended well, with its recording. It ends with its client.
  net::awaitable<Hosted> make(AvatarRequest wanted, std::string path) {
    const auto wakeup = std::make_shared<Wakeup>(co_await net::this_coro::executor);
    std::optional<StopsSession> ending;
    std::unique_ptr<delivery::Viewer> viewer;
    const auto watch = [&](const Hosted& entry, const SpeechPtr&) {
      ending.emplace(entry.session);
      viewer = entry.video->watch(delivery::EncodedStream::From::newest, wakeup->notifier());
    };
    auto beginning = studio_->begin(studio_->first_model(), std::move(wanted), watch, std::move(path));
    const Hosted entry = co_await std::move(beginning);
    while (!entry.video->status().ended) {
      auto waiting = wakeup->wait();
      co_await std::move(waiting);
    }
    const generation::SessionStatus status = entry.session->status();
    if (status.failure) fail(status.failure->code, "{}", status.failure->message);
    require(status.state == generation::SessionState::finished, ErrorCode::cancelled,
            "Video generation failed - no output file");
    co_return entry;
  }

  static std::vector<uint8_t> contents_of(const Hosted& entry) {
    const delivery::EncodedStream::Download download = entry.video->download();
    std::vector<uint8_t> bytes(static_cast<std::size_t>(download.bytes));
    require(download.file->read(0, bytes), ErrorCode::unavailable, "the recording cannot be read");
    return bytes;
  }

  /// "demo_out/server_output_20260131_235959/result_000_wav.mp4", by the time of the request; one a second, also beside
  /// those of an earlier process.
  std::string name_output(bool has_sound) {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    for (newest_ = std::max(newest_ + std::chrono::seconds(1), now);; newest_ += std::chrono::seconds(1)) {
      const std::time_t time = std::chrono::system_clock::to_time_t(newest_);
      std::tm parts{};
      gmtime_r(&time, &parts);
      char stamp[32];
      std::strftime(stamp, sizeof stamp, "%Y%m%d_%H%M%S", &parts);
      std::string path = fmt::format("demo_out/server_output_{}/result_000{}.mp4", stamp, has_sound ? "_wav" : "");
      if (!studio_->sessions().named(path)) return path;
    }
  }

  const std::shared_ptr<Studio> studio_;
  std::chrono::sys_seconds newest_{};
};

}  // namespace

void add_stream_routes(Router& router, const std::shared_ptr<Studio>& studio) {
  const auto routes = std::make_shared<StreamRoutes>(studio);
  const auto post = [&](const char* pattern, std::function<net::awaitable<Response>(const Request&)> function,
                        bool when_named = false) {
    Route route;
    route.method = "POST";
    route.pattern = pattern;
    route.max_body_bytes = kMaxBodyBytes;
    route.when_named = when_named;
    route.rephrase = [](const Request&, Response& refusal) { reword(refusal); };
    route.answer_later = [function = std::move(function)](const Request& request) -> net::awaitable<Response> {
      std::optional<Response> wrong;
      try {
        auto answering = function(request);
        co_return co_await std::move(answering);
      } catch (Refused& refused) {
        wrong = std::move(refused.response);
      }
      co_return std::move(*wrong);
    };
    router.add(std::move(route));
  };
  const auto stream = [&](const char* pattern, Form form) {
    post(pattern, [routes, form](const Request& request) { return routes->stream(request, form); });
  };
  stream("/generate-stream", Form::server_sent_events);
  stream("/generate-stream-chunked", Form::json_lines);
  // Other systems have a route of this name.
  post(
      "/generate", [routes](const Request& request) { return routes->whole(request); }, true);
  router.answer("GET", "/video/{avatar_file}", [routes](const Request& request) {
    return routes->output(request, request.path_value("avatar_file"));
  });
  router.answer("GET", "/video/{folder}/{run}/{avatar_file}", [routes](const Request& request) {
    return routes->output(request, fmt::format("{}/{}/{}", request.path_value("folder"), request.path_value("run"),
                                               request.path_value("avatar_file")));
  });
}

}  // namespace rushes::server::omniavatar
