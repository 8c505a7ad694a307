// What Foresight's clients ask, parsed: messages of a chat, and requests for an answer or a prediction. Plain
// functions; what is wrong with one comes back as a value, in the words of its protocol.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rushes/generation/request.h"
#include "rushes/server/http/http.h"
#include "rushes/server/http/websocket.h"

namespace rushes::server::foresight {

struct Question {
  std::string prompt;                           // empty or blank: the model's own request
  std::vector<std::string> pictures = {};       // in base64, oldest first
  std::vector<std::string> picture_names = {};  // of each, in the client's words
  std::optional<std::string> model = {};        // nothing: the first of the family
  std::optional<std::string> preset = {};
  std::optional<int64_t> video_frames = {};
  std::optional<double> fps = {};
  std::optional<uint64_t> seed = {};       // nothing: random
  std::optional<std::string> tracks = {};  // both, text or video
  /// Denoising steps between two looks at the video, 0: none; with it, how far the video is is told, too.
  std::optional<int64_t> previews = {};
  std::optional<std::string> fit = {};            // crop, pad or stretch
  std::vector<generation::Ignored> ignored = {};  // fields that have no effect

  /// False: the prompt is empty or blank, and stands for the model's own request.
  bool asks_something() const;
  void add_picture(std::string name, std::string base64);
  std::size_t bytes() const;
};

// ---- the chat's WebSocket ----

struct ChatMessage {
  std::string id;  // of the bubble that is to be filled
  Question question;
};

/// An `error` message, and whether the connection ends with it.
struct ChatRefusal {
  std::string message;
  std::string_view code;
  std::optional<CloseCode> close = {};
};

/// Of a text message. `imagesBase64` goes before `imageBase64` unless it is empty.
std::variant<ChatMessage, ChatRefusal> parse_chat_message(std::string_view text);
/// To a binary one.
ChatRefusal binary_refusal();

// ---- bodies of requests ----

/// Why a body is refused with 422: {"detail": [{"type", "loc", "msg", "input", "ctx"}]}, as FastAPI has it. Inputs are
/// cut where they are long.
struct InvalidBody {
  Json detail = Json::array();
};

struct ChatRequest {
  std::string message_id;
  Question question;
};

/// POST /api/chat: message, message_id, image_base64.
std::variant<ChatRequest, InvalidBody> parse_chat_request(std::string_view body);
/// POST /api/predict: image, earlier_images, prompt, model, preset, num_frames, fps, seed, tracks, previews, fit.
std::variant<Question, InvalidBody> parse_predict_request(std::string_view body);

}  // namespace rushes::server::foresight
