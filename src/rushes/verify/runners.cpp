#include "rushes/verify/runners.h"

namespace rushes::verify {

const Registry& runners() {
  static const Registry all = [] {
    Registry registry;
    add_ditto_faces(registry);
    add_ditto_motion(registry);
    add_ditto_networks(registry);
    add_ditto_pipeline(registry);
    add_foresight_end_to_end(registry);
    add_foresight_ltx_networks(registry);
    add_foresight_ltx_pipelines(registry);
    add_foresight_qwen_networks(registry);
    add_foresight_qwen_text(registry);
    add_foresight_small_networks(registry);
    add_imtalker_audio(registry);
    add_imtalker_end_to_end(registry);
    add_imtalker_generator(registry);
    add_imtalker_pictures(registry);
    add_imtalker_renderer(registry);
    add_omniavatar_causal(registry);
    add_omniavatar_networks(registry);
    add_omniavatar_pipelines(registry);
    add_omniavatar_sampling(registry);
    add_wan_checkpoints(registry);
    add_wan_pipelines(registry);
    add_wan_sampling(registry);
    add_wan_text(registry);
    add_wan_transformer(registry);
    add_wan_vae(registry);
    return registry;
  }();
  return all;
}

}  // namespace rushes::verify
