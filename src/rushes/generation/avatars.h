// Sources that are worked out once and used often: what a portrait model must find out about a picture, in a file.
#pragma once
#include <filesystem>

#include "rushes/generation/request.h"

namespace rushes::generation {

/// Beside Model, by those that can: whoever wants it asks with dynamic_cast. The option `avatar` of a request then
/// names a file of the folder instead of an image.
class Avatars {
 public:
  virtual ~Avatars() = default;
  /// Of this model, where the option looks.
  virtual std::filesystem::path avatar_folder() const = 0;
  /// The request's image, with its face, as `file`. Throws Error(invalid_argument), Error(unavailable) if it cannot be
  /// written.
  virtual void register_avatar(const Request& request, const std::filesystem::path& file) const = 0;
};

}  // namespace rushes::generation
