// One function a file: adds the runners of its kinds.
#pragma once
#include "rushes/verify/case.h"

namespace rushes::verify {

void add_ditto_faces(Registry& registry);               // ditto/faces.cpp
void add_ditto_motion(Registry& registry);              // ditto/motion.cpp
void add_ditto_networks(Registry& registry);            // ditto/networks.cpp
void add_ditto_pipeline(Registry& registry);            // ditto/pipeline.cpp
void add_foresight_end_to_end(Registry& registry);      // foresight/end_to_end.cpp
void add_foresight_ltx_networks(Registry& registry);    // foresight/ltx_networks.cpp
void add_foresight_ltx_pipelines(Registry& registry);   // foresight/ltx_pipelines.cpp
void add_foresight_qwen_networks(Registry& registry);   // foresight/qwen_networks.cpp
void add_foresight_qwen_text(Registry& registry);       // foresight/qwen_text.cpp
void add_foresight_small_networks(Registry& registry);  // foresight/small_networks.cpp
void add_imtalker_audio(Registry& registry);            // imtalker_audio.cpp
void add_imtalker_end_to_end(Registry& registry);       // imtalker_end_to_end.cpp
void add_imtalker_generator(Registry& registry);        // imtalker_generator.cpp
void add_imtalker_pictures(Registry& registry);         // imtalker_pictures.cpp
void add_imtalker_renderer(Registry& registry);         // imtalker_renderer.cpp
void add_omniavatar_causal(Registry& registry);         // omniavatar/causal.cpp
void add_omniavatar_networks(Registry& registry);       // omniavatar/networks.cpp
void add_omniavatar_pipelines(Registry& registry);      // omniavatar/pipelines.cpp
void add_omniavatar_sampling(Registry& registry);       // omniavatar/sampling.cpp
void add_wan_checkpoints(Registry& registry);           // wan_checkpoints.cpp
void add_wan_transformer(Registry& registry);           // wan_transformer.cpp
void add_wan_vae(Registry& registry);                   // wan_vae.cpp
void add_wan_text(Registry& registry);                  // wan_text.cpp
void add_wan_sampling(Registry& registry);              // wan_sampling.cpp
void add_wan_pipelines(Registry& registry);             // wan_pipelines.cpp

}  // namespace rushes::verify
