// What requests charge for their pictures and sound before there is a session.
#pragma once
#include <functional>
#include <optional>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/base/memory_budget.h"
#include "rushes/server/http/work_pool.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// There is no room for more pictures and sound.
class InputsFull : public Error {
 public:
  InputsFull()
      : Error(ErrorCode::exhausted,
              "pictures and sound of all requests would take more memory than is allowed; try again later "
              "(--max-input-mib)") {}
};

/// `memory` holds so many bytes from now on. Throws InputsFull, and nothing has changed.
inline void charge_inputs(base::MemoryBudget::Charge& memory, int64_t bytes) {
  if (!memory.resize(bytes)) throw InputsFull();
}

/// The same on the server's thread: sessions that can do without their pictures and speech give them up. Throws
/// Error(exhausted) if none can.
inline void charge_inputs_or_make_room(SessionStore& sessions, base::MemoryBudget::Charge& memory, int64_t bytes) {
  while (!memory.resize(bytes)) sessions.make_room_for_inputs();
}

/// WorkPool::run() for `decode`, which charges what it decodes. Where it throws InputsFull, sessions that can do
/// without their pictures and speech give them up, and it is called again. Throws Error(exhausted) if none can.
template <typename Decode>
net::awaitable<std::invoke_result_t<Decode&>> decode_inputs(SessionStore& sessions, WorkPool& work, Decode decode) {
  for (;;) {
    auto decoding = work.run([&]() -> std::optional<std::invoke_result_t<Decode&>> {
      try {
        return decode();
      } catch (const InputsFull&) {
        return std::nullopt;
      }
    });
    auto decoded = co_await std::move(decoding);
    if (decoded) co_return std::move(*decoded);
    sessions.make_room_for_inputs();
  }
}

/// The same for a request of `body_bytes` that may have a picture: `read` calls the function that it is given before it
/// decodes one of so many bytes. Without a picture a small one is read at once; however few bytes a picture has, it may
/// decompress to 50 MB.
template <typename Read>
auto read_request_with_picture(SessionStore& sessions, WorkPool& work, std::size_t body_bytes,
                               base::MemoryBudget::Charge& memory, Read read)
    -> net::awaitable<std::invoke_result_t<Read&, const std::function<void(int64_t)>&>> {
  struct HasPicture {};
  if (body_bytes <= WorkPool::kSmallBytes) {
    try {
      co_return read([](int64_t) { throw HasPicture(); });
    } catch (const HasPicture&) {  // read again, on the pool
    }
  }
  auto decoding =
      decode_inputs(sessions, work, [&] { return read([&](int64_t bytes) { charge_inputs(memory, bytes); }); });
  co_return co_await std::move(decoding);
}

}  // namespace rushes::server
