// The list of APIs. Nothing else is defined here, so that a program that links a list of its own gets that one.
#include "rushes/server/api/apis.h"

#include "rushes/server/api/ditto/routes.h"
#include "rushes/server/api/foresight/routes.h"
#include "rushes/server/api/imtalker/routes.h"
#include "rushes/server/api/native/api.h"
#include "rushes/server/api/omniavatar/routes.h"
#include "rushes/server/api/openai/routes.h"
#include "rushes/server/api/sketch/routes.h"
#include "rushes/server/api/vllm_omni/routes.h"

namespace rushes::server {

std::span<const Api> apis() {
  static const Api all[] = {
      native_api(),      // all that the server does; the page
      openai_api(),      // the client library's videos
      vllm_omni_api(),   // video live, over a WebSocket
      imtalker_api(),    // its published server
      ditto_api(),       // its published server
      omniavatar_api(),  // its published servers
      foresight_api(),   // its published protocols
      sketch_api(),      // circles as they are drawn
  };
  return all;
}

}  // namespace rushes::server
