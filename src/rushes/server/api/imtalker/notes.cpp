#include "rushes/server/api/imtalker/notes.h"

#include "rushes/server/api/native/session_json.h"

namespace rushes::server::imtalker {
namespace {

void add_sound_and_picture(Json& answer, const Notes& notes) {
  if (notes.image && notes.image->face) {
    answer["face"] = *notes.image->face;
    answer["faces"] = notes.image->faces;
  }
  if (notes.image && !notes.image->fit.empty()) answer["image"] = image_json(notes.image);
  if (!notes.warnings.empty()) answer["warnings"] = notes.warnings;
}

}  // namespace

Notes notes_of(const generation::Session& session) {
  return {session.ignored(), session.image_use(), session.warnings()};
}

Notes notes_of(const generation::Request& request, const generation::Plan& plan, std::vector<std::string> warnings) {
  Notes notes{request.ignored, plan.image_use, std::move(warnings)};
  notes.ignored.insert(notes.ignored.end(), plan.ignored.begin(), plan.ignored.end());
  notes.warnings.insert(notes.warnings.end(), plan.warnings.begin(), plan.warnings.end());
  return notes;
}

void add_notes(Json& answer, const Notes& notes) {
  if (!notes.ignored.empty()) answer["ignored"] = ignored_json(notes.ignored);
  add_sound_and_picture(answer, notes);
}

void add_notes(Response& response, const Notes& notes) {
  std::string fields;
  for (const generation::Ignored& each : notes.ignored)
    fields += (fields.empty() ? "" : ", ") + percent_encode(each.field);
  if (!fields.empty()) response.headers.emplace_back("X-Ignored-Fields", fields);
  Json rest = Json::object();
  add_sound_and_picture(rest, notes);
  // A header has one line of ASCII.
  if (!rest.empty()) response.headers.emplace_back("X-Notes", rest.dump(-1, ' ', /*ensure_ascii=*/true));
}

}  // namespace rushes::server::imtalker
