// Any bytes as what a client of Ditto's server says: a message, or an Error; of a start, options that its model's
// fields allow, or an Error.
#include "rushes/base/error.h"
#include "rushes/server/api/ditto/messages.h"

namespace {

using rushes::OptionField;
using rushes::OptionType;

const std::vector<OptionField>& fields() {
  static const std::vector<OptionField> all{
      {.name = "emo", .type = OptionType::text, .doc = "", .most = 1000, .live = true, .json = true},
      {.name = "ctrl_info", .type = OptionType::text, .doc = "", .most = 1000, .json = true},
      {.name = "online_mode", .type = OptionType::boolean, .doc = ""},
      {.name = "sampling_timesteps", .type = OptionType::integer, .doc = "", .least = 1, .most = 1000},
      {.name = "crop_scale", .doc = "", .least = 1, .most = 8},
      {.name = "fade_type", .type = OptionType::choice, .doc = "", .choices = {"d0", "s"}},
      {.name = "chunksize", .type = OptionType::numbers, .doc = "", .most = 1000, .least_count = 3, .most_count = 3}};
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rushes::server::ditto;
  try {
    const ClientMessage message = parse_client_message({reinterpret_cast<const char*>(data), size});
    if (!message.fields.is_object()) __builtin_trap();
    if (message.type != ClientMessage::Type::start) return 0;
    const Start start = parse_start(message.fields);
    if (is_data(start.audio_path) && shown_path(start.audio_path).size() > 64) __builtin_trap();
    const rushes::Options options = checked(options_of(start, fields()), fields());
    for (const auto& [name, value] : options.values())
      if (!find_field(fields(), name)) __builtin_trap();
    options_set(options, 0).dump(-1, ' ', false, rushes::server::Json::error_handler_t::replace);
  } catch (const rushes::Error&) {}
  return 0;
}
