// Times as text, UTC, to the second.
#pragma once
#include <chrono>
#include <string>

namespace rushes::server {

/// "2026-11-30T04:00:00Z" (RFC 3339).
std::string timestamp(std::chrono::system_clock::time_point time);
/// "Mon, 30 Nov 2026 04:00:00 GMT" (RFC 9110, 5.6.7).
std::string http_date(std::chrono::system_clock::time_point time);

}  // namespace rushes::server
