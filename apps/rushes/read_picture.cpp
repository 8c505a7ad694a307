// Apart from the other options of models, which the engine alone has too: it knows no media.
#include "model_options.h"
#include "rushes/media/image.h"

namespace rushes::app {

Image read_picture(const std::string& file, const std::string& model) {
  const generation::Family* family = generation::family_of(model);
  return media::read_image(file, family ? family->capabilities.pictures : ImageLimits());
}

}  // namespace rushes::app
