// Published IMTalker files: renderer.ckpt and generator.ckpt, dictionaries that a training framework wrote.
#pragma once
#include <filesystem>

#include "rushes/models/imtalker/config.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::imtalker {

/// Names and shapes of all parameters that the modules use, as published, without the prefixes "gen." and "model.".
/// What the files hold besides is derived (blur kernels, masks, indices, rotary frequencies) or has no effect (noise
/// weights, the appearance encoder's equalconv).
tensor::Shapes parameter_shapes(const RendererConfig& config);
tensor::Shapes parameter_shapes(const GeneratorConfig& config);

/// Weights of the renderer: the keys under "gen.", in "state_dict" or at the top, or all without a prefix; other
/// networks of the training are left out. Complete and of the right shapes, in the dtype of the file and mapped, not
/// copied. Throws what tensor::load_checkpoint() and tensor::take_complete() throw, Error(not_found) if nothing in the
/// file is a renderer's.
tensor::WeightMap load_renderer(const std::filesystem::path& file, const RendererConfig& config,
                                tensor::Extra extra = tensor::Extra::report);

struct GeneratorWeights {
  tensor::WeightMap generator;
  tensor::WeightMap
      audio_encoder;  // the file's own wav2vec2, which goes before a stand-alone one; empty if it has none
};

/// Weights of the motion generator: the keys under "model.", in "state_dict" (and its "model") or at the top, or all
/// without a prefix. Throws as
/// load_renderer().
GeneratorWeights load_generator(const std::filesystem::path& file, const GeneratorConfig& config,
                                tensor::Extra extra = tensor::Extra::report);

/// The renderer's weights for computing with `dtype`. Only the frame decoder follows it, which does most of the work of
/// a frame, its normalisation statistics excepted. What decides where a thing is stays float32: the motion, the maps
/// that are compared to find the best matches, and the portrait that both depend on, which is encoded once.
tensor::WeightMap renderer_weights_in(at::ScalarType dtype, const tensor::WeightMap& weights);

/// Weights of the face detector, a plain dictionary. FaceDetector checks the shapes, which no configuration says.
/// Throws as load_renderer().
tensor::WeightMap load_face_detector(const std::filesystem::path& file, tensor::Extra extra = tensor::Extra::report);

}  // namespace rushes::imtalker
