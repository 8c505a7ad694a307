// Environment variables of the published systems whose clients this server serves, as settings of its own.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace rushes::app {

struct PublishedSetting {
  std::string variable, key;  // key: the option's name without "--"
  std::vector<std::string> values;
};

/// Of Foresight's: FORESIGHT_HOST and _PORT are --listen, _CORS_ORIGINS (a JSON list) --allow-origin, _STATIC_DIR
/// --static-dir; numbers of frames, rate, size, steps, guidance and tokens, and whether the adapter is used, are
/// entries of --answer. Others have no meaning here. `value` gives a variable's value or null. Throws
/// Error(invalid_argument) for a list that is none.
std::vector<PublishedSetting> published_settings(const std::function<const char*(const char*)>& value);

}  // namespace rushes::app
