#include "rushes/text/train_unigram.h"

#include <sentencepiece_trainer.h>

#include <algorithm>
#include <fstream>

#include "rushes/base/error.h"
#include "rushes/text/sentencepiece_tokenizer.h"
#include "rushes/text/utf8.h"

namespace rushes::text {
namespace {

class Sentences final : public sentencepiece::SentenceIterator {
 public:
  explicit Sentences(std::span<const std::string> all) : all_(all) {}
  bool done() const override { return next_ >= all_.size(); }
  void Next() override { ++next_; }
  const std::string& value() const override { return all_[next_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::span<const std::string> all_;
  size_t next_ = 0;
};

}  // namespace

int64_t train_unigram(std::span<const std::string> sentences, int64_t vocabulary_size,
                      const std::filesystem::path& output_model, LetterCase letter_case) {
  require(!sentences.empty(), ErrorCode::invalid_argument, "a tokenizer cannot be trained without sentences");
  constexpr int64_t kLeast = 8, kMost = 1'000'000;
  require(vocabulary_size >= kLeast && vocabulary_size <= kMost, ErrorCode::invalid_argument,
          "vocabulary_size must be {} to {} (got {})", kLeast, kMost, vocabulary_size);
  for (const std::string& sentence : sentences) require_utf8(sentence, "a sentence for the tokenizer");

  std::string model;
  Sentences iterator(sentences);
  const auto status = sentencepiece::SentencePieceTrainer::Train(
      {{"model_type", "unigram"},
       {"vocab_size", std::to_string(vocabulary_size)},
       {"hard_vocab_limit", "false"},  // few different captions hold few pieces: that is no error
       {"character_coverage", "1.0"},
       {"normalization_rule_name", letter_case == LetterCase::fold ? "nmt_nfkc_cf" : "nmt_nfkc"},
       {"pad_id", "0"},
       {"eos_id", "1"},
       {"bos_id", "2"},
       {"unk_id", "3"},
       {"num_threads", "1"},  // more threads add in another order, and the file would differ from run to run
       {"minloglevel", "2"}},
      &iterator, &model);
  require(status.ok(), ErrorCode::invalid_argument, "the tokenizer cannot be trained with vocabulary_size {}: {}",
          vocabulary_size, status.ToString());

  std::ofstream out(output_model, std::ios::binary | std::ios::trunc);
  out.write(model.data(), std::ssize(model));
  out.close();
  require(out.good(), ErrorCode::unavailable,
          "tokenizer '{}' cannot be written; is the folder missing or the disk full?", output_model.string());
  return parse_sentencepiece(model, output_model.string())->vocabulary_size();
}

}  // namespace rushes::text
