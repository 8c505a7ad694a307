// Ditto's models from golden cases.
#pragma once
#include <nlohmann/json.hpp>

#include "rushes/models/ditto/speech_features.h"
#include "rushes/models/wav2vec/config.h"

namespace rushes::verify {

/// HuBERT in the large variant with the sizes of `hyper`.
wav2vec::Config hubert_config(const nlohmann::json& hyper);
/// `hyper.chunksize`, published sizes where it is missing.
ditto::ChunkSize chunk_size(const nlohmann::json& hyper);

}  // namespace rushes::verify
