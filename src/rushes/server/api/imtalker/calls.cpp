#include "rushes/server/api/imtalker/calls.h"

#include "rushes/audio/resample.h"
#include "rushes/base/log.h"
#include "rushes/server/api/imtalker/avatars.h"
#include "rushes/server/api/imtalker/decoder.h"
#include "rushes/server/api/imtalker/json_body.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/http/text_case.h"

namespace rushes::server {
namespace {

using namespace imtalker;
namespace fs = std::filesystem;

constexpr std::size_t kMaxOfferBytes = kMaxImageBytes / 3 * 4 + (256 << 10);  // the picture may be in base64
constexpr std::size_t kMostCalls = 3;
constexpr std::size_t kLeastBase64 = 200;  // longer ones are no names

class CallRoutes {
 public:
  CallRoutes(Heads* talks, WorkPool& work, fs::path examples, WebRtcLimits limits)
      : talks_(talks), examples_(std::move(examples)), limits_(std::move(limits)), decoder_(work, talks), work_(work) {}

  // POST /offer: JSON as the combined server takes it, or the bridge's form.
  net::awaitable<Response> offer(const Request& request) {
    if (media_type(request.header("content-type")) == "multipart/form-data") {
      auto bridging = bridge(request);
      co_return co_await std::move(bridging);
    }
    require_model(talks_);
    auto reading = decoder_.json(request);
    const JsonBody body = co_await std::move(reading);
    const std::string sdp = body.text("sdp");
    if (sdp.empty()) refuse(400, "SDP is required");
    const bool force = body.boolean("force", false), conv_mode = body.boolean("conv_mode", false);
    std::string greeting = body.text("text");
    if (greeting.empty()) greeting = body.text("initial_text");
    if (greeting.size() > kMaxText)
      refuse(400, fmt::format("the greeting has {} bytes; at most {} are allowed", greeting.size(), kMaxText));
    const bool crop = body.boolean("crop", true);
    auto choosing = work_.run([&] { return portrait(body.text("avatar")); });
    std::string image = co_await std::move(choosing);
    generation::Request talker = a_talker(kLiveChunkSeconds);
    talker.options.set("crop", crop);
    if (const Json* face = body.find("face"))
      talker.options.set("face", parse_option(generation::face_option(), face->dump()));
    body.find("type");  // always "offer"
    talker.ignored = body.unused();
    auto connecting = connect(sdp, std::move(image), std::move(talker), force, greeting);
    const Call call = co_await std::move(connecting);
    Json answer{{"sdp", call.sdp},
                {"type", "answer"},
                {"session_id", call.session_id},
                {"oshara_session_id", call.session_id},
                {"status", "connecting"},
                {"greeting", call.greeting},
                {"conv_mode", conv_mode}};
    add_notes(answer, call.notes);
    co_return json_response(200, answer);
  }

  // POST /ice: one more candidate of the caller's. The combined server answers 200 also for what goes wrong.
  Response ice(const Request& request) {
    const JsonBody body(request);
    const Json* candidate = body.find("candidate");
    const bool of_bridge = candidate && candidate->is_string();
    Head* session = talks_ ? talks_->find(body.text("session_id")) : nullptr;
    if (!session || !session->microphone()) {
      if (of_bridge) return json_response(404, {{"error", "session not found"}});
      return json_response(200, {{"status", "error"}, {"detail", "session not found"}});
    }
    try {
      const Json fields = of_bridge ? Json{{"candidate", *candidate}} : candidate ? *candidate : Json::object();
      const Json* index = of_bridge ? body.find("sdpMLineIndex") : nullptr;
      const Json medium = index ? *index : fields.value("sdpMLineIndex", Json());
      session->microphone()->peer()->add_candidate(medium.is_number_unsigned() ? medium.get<unsigned>() : 0,
                                                   fields.value("candidate", ""));
    } catch (const std::exception& error) {  // no candidate, or a field of another type
      if (of_bridge) return json_response(400, {{"error", error.what()}});
      return json_response(200, {{"status", "error"}, {"detail", error.what()}});
    }
    return json_response(200, {{"status", "ok"}});
  }

  // POST /disconnect: ends a call; without session_id the only one, if there is one.
  Response disconnect(const Request& request) {
    const Head* call = find_call(JsonBody(request).text("session_id"));
    Json ended = Json::array();
    if (call) ended.push_back(call->id());
    if (call) talks_->remove(std::string(call->id()));
    return json_response(200, {{"status", "ok"}, {"disconnected", std::move(ended)}});
  }

  // GET /session/status?session_id=
  Response status(const Request& request) {
    const Head* call = find_call(request.query_value("session_id").value_or(""));
    if (!call)
      return json_response(
          200, {{"status", "no_session"}, {"active_session", nullptr}, {"detail", "there is no such call"}});
    const bool connected = call->microphone()->peer()->connected(), ready = connected && !call->microphone()->greets();
    return json_response(200, {{"session_id", call->id()},
                               {"status", ready       ? "ready"
                                          : connected ? "greeting"
                                                      : "connecting"},
                               {"greeting_done", ready},
                               {"conv_mode", call->microphone()->peer()->listens()},
                               {"uptime_s", call->age().count()}});
  }

 private:
  struct Call {
    std::string session_id, sdp, greeting;
    Notes notes;
  };

  // The bridge's errors have another form.
  net::awaitable<Response> bridge(const Request& request) {
    std::optional<Response> wrong;
    try {
      require_model(talks_);
      auto reading = decoder_.form(request);
      Form form = co_await std::move(reading);
      const std::string sdp = form.optional_text("sdp").value_or("");
      const std::string image = form.has("image") ? std::string(form.file("image")) : std::string();
      if (image.empty()) co_return json_response(400, {{"error", "image file required"}});
      if (sdp.empty()) co_return json_response(400, {{"error", "sdp required"}});
      generation::Request talker = a_talker(kLiveChunkSeconds);
      talker.options.set("crop", true);
      read_face(form, talker);
      form.has("type");  // always "offer"
      talker.ignored = form.unused();
      auto connecting = connect(sdp, image, std::move(talker), /*force=*/false, /*greeting=*/"");
      const Call call = co_await std::move(connecting);
      const std::string url = request.whole_address("/hls/" + call.session_id + "/playlist.m3u8");
      Json answer{{"sdp", call.sdp}, {"type", "answer"}, {"session_id", call.session_id}, {"hls_url", url}};
      add_notes(answer, call.notes);
      co_return json_response(200, answer);
    } catch (Refused& refused) {
      wrong = std::move(refused.response);
    } catch (const Error& error) {
      wrong = error_detail(error);
    }
    const Json told = Json::parse(std::get<std::string>(wrong->body), nullptr, false);
    wrong->body = Json{{"error", told.value("detail", Json("refused"))}}.dump() + "\n";
    co_return std::move(*wrong);
  }

  net::awaitable<Call> connect(std::string sdp, std::string image, generation::Request wanted, bool force,
                               std::string greeting) {
    make_room(force);
    ++*connecting_;
    const std::shared_ptr<void> connected(nullptr, [connecting = connecting_](void*) { --*connecting; });
    auto decoding = portrait_of_call(image, std::move(wanted));
    HeldRequest talker = co_await std::move(decoding);
    auto greeted = speech_of(greeting);
    const HeldAudio spoken = co_await std::move(greeted);
    if (spoken->samples.empty()) greeting.clear();
    const std::string id = random_uuid();
    const Hosted entry = talks_->create(id, std::move(talker)).newest();
    const media::WebRtcPeer::Options options = limits_.peer(entry.session->format().speech_hz);
    std::vector<float> said;
    auto negotiating = work_.run([&] {
      if (!spoken->samples.empty()) said = audio::resample(spoken->samples, spoken->hz, options.microphone_hz);
      // Some callers send a microphone only, and watch by HLS.
      const bool watches = !media::WebRtcOffer::parse(sdp).formats.empty();
      return watches ? entry.sinks->whep()->connect(sdp, options).peer : ingest::connect_microphone(sdp, options);
    });
    std::shared_ptr<media::WebRtcPeer> peer;
    try {
      peer = co_await std::move(negotiating);
    } catch (...) {
      talks_->remove(id);
      throw;
    }
    Head* session = talks_->find(id);
    if (!session) refuse(500, "the call was ended while it was being set up");
    talks_->call(*session, peer, std::move(said));
    co_return Call{id, peer->answer(), std::move(greeting), notes_of(*entry.session)};
  }

  /// 400 for what cannot be read: 500, which this protocol's other routes answer, would tell callers to try again.
  net::awaitable<HeldRequest> portrait_of_call(const std::string& image, generation::Request wanted) {
    auto decoding = decoder_.portrait(image, std::move(wanted));
    try {
      co_return co_await std::move(decoding);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unsupported && error.code() != ErrorCode::corrupt_data) throw;
      refuse(400, error.what());
    }
  }

  /// A call without its greeting is better than none: nothing, where text cannot be spoken.
  net::awaitable<HeldAudio> speech_of(std::string text) {
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) co_return HeldAudio{};
    auto speaking = decoder_.speech(std::move(text), audio::Voice());
    HeldAudio spoken;
    try {
      spoken = co_await std::move(speaking);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unavailable) throw;
      log::warning("a call starts without its greeting: {}", error.what());
    }
    co_return spoken;
  }

  /// The oldest call ends if the caller insists.
  void make_room(bool force) {
    std::vector<const Head*> calls = all_calls();
    if (calls.size() + *connecting_ < kMostCalls) return;
    if (!force || calls.empty())
      refuse(409, fmt::format("{} calls are active, which is the limit; force=true ends the oldest", kMostCalls));
    const auto oldest = std::min_element(calls.begin(), calls.end(),
                                         [](const auto* a, const auto* b) { return a->created() < b->created(); });
    talks_->remove(std::string((*oldest)->id()));
  }

  std::vector<const Head*> all_calls() const {
    std::vector<const Head*> calls;
    if (!talks_) return calls;
    for (const auto& [id, session] : talks_->all())
      if (session.is_call() && session.microphone()) calls.push_back(&session);
    return calls;
  }

  /// Null: there is none. Without an id: the only one.
  const Head* find_call(const std::string& id) const {
    const auto calls = all_calls();
    if (id.empty()) return calls.size() == 1 ? calls.front() : nullptr;
    const auto found = std::find_if(calls.begin(), calls.end(), [&](const auto* call) { return call->id() == id; });
    return found == calls.end() ? nullptr : *found;
  }

  /// A name of /api/avatars, or the picture itself in base64; nothing: the first of the examples. Addresses are not
  /// fetched: what a server can reach is not for its clients to choose.
  std::string portrait(const std::string& avatar) const {
    if (starts_with_name(avatar, "http:") || starts_with_name(avatar, "https:"))
      refuse(400, "avatar: the server does not fetch URLs; send the image as data:image/png;base64,...");
    if (starts_with_name(avatar, "data:") || avatar.size() > kLeastBase64)
      return decode_base64("avatar", avatar, kPictureTypes);
    return read_avatar(examples_, avatar);
  }

  Heads* const talks_;
  const fs::path examples_;
  const WebRtcLimits limits_;
  Decoder decoder_;
  WorkPool& work_;
  const std::shared_ptr<std::size_t> connecting_ = std::make_shared<std::size_t>(0);
};

}  // namespace

void add_call_routes(Router& router, Heads* talks, WorkPool& work, const fs::path& examples,
                     const WebRtcLimits& limits) {
  const auto routes = std::make_shared<CallRoutes>(talks, work, examples, limits);
  add_later_route(router, "POST", "/offer", kMaxOfferBytes,
                  [routes](const Request& request) { return routes->offer(request); });
  add_route(router, "POST", "/ice", [routes](const Request& request) { return routes->ice(request); });
  add_route(router, "POST", "/disconnect", [routes](const Request& request) { return routes->disconnect(request); });
  add_route(router, "GET", "/session/status", [routes](const Request& request) { return routes->status(request); });
}

}  // namespace rushes::server
