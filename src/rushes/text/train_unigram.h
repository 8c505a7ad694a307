// Makes the tokenizer of a shipped model from its captions, with the ids that UMT5 has.
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace rushes::text {

/// What upper case becomes: itself, or (fold) lower case inside the tokenizer, so that a model which was trained on
/// lower-case captions reads "A Red Circle" too.
enum class LetterCase { keep, fold };

/// Trains a sentencepiece unigram model and writes it to `output_model`: ids 0 pad, 1 end, 2 begin, 3 unknown, then
/// pieces by falling frequency. Every character of the sentences gets a piece. The same sentences give the same file.
/// Returns the vocabulary size, which is smaller than `vocabulary_size` where the sentences do not hold that many
/// pieces. Throws Error(invalid_argument) if there is no sentence, one is not UTF-8 or the size is too small for the
/// characters; Error(unavailable) if the file cannot be written.
int64_t train_unigram(std::span<const std::string> sentences, int64_t vocabulary_size,
                      const std::filesystem::path& output_model, LetterCase letter_case = LetterCase::fold);

}  // namespace rushes::text
