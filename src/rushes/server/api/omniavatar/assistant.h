// Somebody else's speech model that answers what is said: a chat completion with sound in and out, as OpenAI's API has
// it and others offer. Which one is configured where the server is started; none by default.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/server/http/http.h"
#include "rushes/server/http/work_pool.h"
#include "rushes/server/server.h"

namespace rushes::server::omniavatar {

struct Reply {
  std::string text, sound;  // sound: a file's bytes
};

/// The body of the request: what is said, as a WAV file.
std::string question(const AssistantOptions& options, std::span<const uint8_t> wav);

/// Throws Error(unavailable) for an answer that is none, with what it says instead.
Reply read_reply(unsigned status, std::string_view body);

/// Throws Error(unavailable), also when it takes too long. Away from the server's thread but for the waiting.
net::awaitable<Reply> ask(AssistantOptions options, std::vector<uint8_t> wav, WorkPool& work);

}  // namespace rushes::server::omniavatar
