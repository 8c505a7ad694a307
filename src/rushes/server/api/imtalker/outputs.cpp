#include "rushes/server/api/imtalker/outputs.h"

#include "rushes/server/api/imtalker/decoder.h"
#include "rushes/server/api/imtalker/notes.h"
#include "rushes/server/api/imtalker/whole_file.h"
#include "rushes/server/api/native/dialects.h"

namespace rushes::server {
namespace {

using namespace imtalker;

constexpr std::string_view kEnding = ".mp4";
constexpr int kCropQuality = 95;
constexpr int64_t kCropSide = 512;

bool is_output(const Head& session) {
  const bool is_named = session.id().starts_with(kOutput) || session.id().starts_with(kDrivenOutput);
  // One whose client left is not.
  const bool is_made = session.newest().session->status().state == generation::SessionState::finished;
  return is_named && is_made && session.complete();
}

Json file_json(const Head& session) {
  const auto modified = session.created().time_since_epoch() + session.age();
  return {{"filename", session.id() + std::string(kEnding)},
          {"size", session.newest().video->status().recorded_bytes},
          {"created", std::chrono::duration<double>(session.created().time_since_epoch()).count()},
          {"modified", std::chrono::duration<double>(modified).count()}};
}

class OutputRoutes {
 public:
  OutputRoutes(Heads* talks, WorkPool& work) : talks_(talks), decoder_(work, talks) {}

  // GET /api/outputs
  Response list(const Request&) {
    require_model(talks_);
    Json files = Json::array();
    for (const auto& [id, session] : talks_->all())
      if (is_output(session)) files.push_back(file_json(session));
    return json_response(200, {{"count", files.size()}, {"files", std::move(files)}});
  }

  // GET /api/outputs/{filename}
  Response get(const Request& request) {
    const Head& session = find(request);
    return recorded_mp4(request, session.newest());
  }

  // DELETE /api/outputs/{filename}
  Response remove(const Request& request) {
    const std::string id = find(request).id();
    talks_->remove(id);
    return json_response(200, {{"status", "success"}, {"message", "File " + id + std::string(kEnding) + " deleted"}});
  }

  // POST /crop: the square of a picture that would talk.
  net::awaitable<Response> crop(const Request& request) {
    if (!talks_) refuse(503, "Models not loaded");
    auto reading = decoder_.form(request);
    Form form = co_await std::move(reading);
    const std::string_view file = form.file("file");
    generation::Request wanted;
    const double crop_scale = form.number("crop_scale", 0.8);
    form.require_range("crop_scale", crop_scale, 0.3, 2.0);
    wanted.options.set("crop_scale", crop_scale);
    const int64_t side = form.integer("output_size", kCropSide);
    form.require_range("output_size", static_cast<double>(side), 64, 2048);
    const std::string format = form.optional_text("format").value_or("jpeg");
    form.check();
    const bool is_jpeg = format == "jpeg" || format == "jpg";
    if (!is_jpeg && format != "png" && format != "webp") refuse(400, "Invalid format. Use jpeg, png, or webp");
    read_face(form, wanted);
    wanted.ignored = form.unused();
    std::optional<Response> wrong;
    try {
      auto decoding = decoder_.portrait(file, std::move(wanted));
      const HeldRequest portrait = co_await std::move(decoding);
      const auto model = talks_->shared_model();
      auto cropping = decoder_.work().run([&] {
        const auto* cropper = dynamic_cast<const generation::FaceCrop*>(model.get());
        require(cropper != nullptr, ErrorCode::unavailable, "the model '{}' cannot crop faces", model->card().name);
        const Image face = cropper->crop(*portrait, side);
        media::Bytes bytes = is_jpeg           ? media::encode_jpeg(face.rgb.get(), side, side, kCropQuality)
                             : format == "png" ? media::encode_png(face.rgb.get(), side, side)
                                               : media::encode_webp(face.rgb.get(), side, side, kCropQuality);
        Response response;
        response.content_type = is_jpeg ? "image/jpeg" : "image/" + format;
        response.body = std::make_shared<const media::Bytes>(std::move(bytes));
        add_notes(response, notes_of(*portrait, *model->plan(*portrait), {}));
        return response;
      });
      co_return co_await std::move(cropping);
    } catch (const Error& error) {
      wrong = error_detail(error, "Crop failed: ");
    }
    co_return std::move(*wrong);
  }

 private:
  const Head& find(const Request& request) {
    require_model(talks_);
    const std::string& name = request.path_value("filename");
    const Head* session =
        name.ends_with(kEnding) ? talks_->find(name.substr(0, name.size() - kEnding.size())) : nullptr;
    if (!session || !is_output(*session)) refuse(404, "File not found");
    return *session;
  }

  Heads* const talks_;
  Decoder decoder_;
};

}  // namespace

void add_output_routes(Router& router, Heads* talks, WorkPool& work) {
  const auto routes = std::make_shared<OutputRoutes>(talks, work);
  add_route(router, "GET", "/api/outputs", [routes](const Request& request) { return routes->list(request); });
  add_route(router, "GET", "/api/outputs/{filename}",
            [routes](const Request& request) { return routes->get(request); });
  add_route(router, "DELETE", "/api/outputs/{filename}",
            [routes](const Request& request) { return routes->remove(request); });
  add_later_route(router, "POST", "/crop", kMaxImageBytes + (64 << 10),
                  [routes](const Request& request) { return routes->crop(request); });
  // What needs another back end than ours.
  add_later_route(router, "POST", "/api/trt-inference", kMaxImageBytes + kMaxAudioBytes + (64 << 10),
                  [](const Request&) -> net::awaitable<Response> {
                    co_return detail(503,
                                     "TensorRT Inference not available. Check server logs to see if engines were "
                                     "loaded correctly.");
                  });
}

}  // namespace rushes::server
