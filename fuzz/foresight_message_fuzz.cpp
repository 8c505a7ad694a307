// Any bytes as what Foresight's clients say: a message with a name and something to answer, or a refusal in one of the
// published codes; the bodies of its requests likewise.
#include "rushes/server/api/foresight/requests.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rushes::server::foresight;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = parse_chat_message(text);
  if (const auto* message = std::get_if<ChatMessage>(&parsed)) {
    if (message->id.empty() || (message->question.prompt.empty() && message->question.pictures.empty()))
      __builtin_trap();
  } else {
    const auto& refusal = std::get<ChatRefusal>(parsed);
    if (refusal.code.empty() || refusal.close.has_value() != (refusal.code == "INTERNAL_ERROR")) __builtin_trap();
  }
  const auto told = [](const InvalidBody& invalid) {
    if (invalid.detail.empty()) __builtin_trap();
    invalid.detail.dump(-1, ' ', false, rushes::server::Json::error_handler_t::replace);
  };
  if (const auto chat = parse_chat_request(text); const auto* invalid = std::get_if<InvalidBody>(&chat)) told(*invalid);
  if (const auto prediction = parse_predict_request(text); const auto* invalid = std::get_if<InvalidBody>(&prediction))
    told(*invalid);
  return 0;
}
