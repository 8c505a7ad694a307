// The dimensions of the shipped avatar's parts, and the pictures that its autoencoder learns from.
#pragma once
#include "rushes/models/wan/config.h"
#include "rushes/training/wan/autoencoder_training.h"

namespace rushes::training {

wan::TinyAutoencoderConfig avatar_autoencoder();

/// Crops of drawn speakers, most of them around the mouth, whose lips move as fast as in speech.
PictureWorld drawn_speakers(const AutoencoderOptions& options);

}  // namespace rushes::training
