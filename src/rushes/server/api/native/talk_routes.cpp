#include "rushes/server/api/native/talk_routes.h"

#include <algorithm>
#include <vector>

#include "rushes/server/http/static_files.h"

namespace rushes::server {
namespace {

namespace fs = std::filesystem;

/// The files of a folder whose type begins so, by name.
Json examples_of(const fs::path& folder, std::string_view type) {
  std::vector<fs::path> files;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing))
    if (entry.is_regular_file(missing) && mime_type(entry.path()).starts_with(type)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  Json list = Json::array();
  for (const fs::path& file : files)
    list.push_back(
        {{"name", file.stem().string()}, {"url", "/v1/talk/examples/" + percent_encode(file.filename().string())}});
  return list;
}

}  // namespace

void add_talk_routes(Router& router, const TalkTable* talks, const fs::path& examples) {
  // GET /v1/talk: the model of talking heads, or null, and what can be tried with it.
  Route about;
  about.method = "GET";
  about.pattern = "/v1/talk";
  about.answer = [talks, examples](const Request&) {
    Json model;
    if (talks) model = {{"name", talks->model().card().name}, {"description", talks->model().card().description}};
    return json_response(200, {{"model", std::move(model)},
                               {"portraits", examples_of(examples, "image/")},
                               {"speech", examples_of(examples, "audio/")}});
  };
  router.add(std::move(about));

  Route example;
  example.method = "GET";
  example.pattern = "/v1/talk/examples/{example}";
  example.answer = [examples](const Request& request) {
    const std::string& name = request.path_value("example");
    const auto file = examples.empty() ? std::nullopt : static_file(examples, "/" + name);
    require(file.has_value(), ErrorCode::not_found, "there is no example of this name; GET /v1/talk lists them");
    return file_response(request, *file, std::string(mime_type(*file)));
  };
  router.add(std::move(example));
}

}  // namespace rushes::server
