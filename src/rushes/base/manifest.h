// The manifest of a model directory, `model.yaml`, read strictly: every key is known, every value has its type and
// range, every file lies below the folder. What the keys mean is the families' (generation/<family>).
//
//   schema: 1
//   name: shipped-t2v        # what users call it
//   family: wan
//   ...                      # sections of the family: mappings of fields to values
#pragma once
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <filesystem>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "rushes/base/error.h"
#include "rushes/base/known_words.h"
#include "rushes/base/printable.h"
#include "rushes/base/trained_for.h"

namespace rushes {

inline constexpr const char* kManifestName = "model.yaml";
inline constexpr int kManifestSchema = 1;

struct FieldRange {
  double least, most;
};
// Far above every published model; small enough that no product of two overflows.
inline constexpr FieldRange kExtent{1, 1 << 20};
inline constexpr FieldRange kAny{-1e9, 1e9};

/// An enumeration whose words are listed by words_of(T{}): pairs of a word and a value, found by argument.
template <typename T>
concept Worded = std::is_enum_v<T> && requires(T value) {
  words_of(value);
};

/// One mapping of the manifest, with the path to it for messages. Knows which of its keys were asked for. Also the
/// visitor of the families' lists of fields: section(name, field, range) reads what is given and leaves the default
/// elsewhere. Throws Error(invalid_argument) naming file and field, Error(not_found) for a file that does not exist.
class ManifestSection {
 public:
  ManifestSection(YAML::Node node, std::string path, const std::string& source, const std::filesystem::path& directory);

  bool has(const std::string& key);
  ManifestSection section(const std::string& key);
  std::string text(const std::string& key);
  /// A file or folder below the model's directory. Checked as text: links that the folder's owner made are theirs.
  std::filesystem::path file(const std::string& key);

  template <typename T>
  void operator()(const char* key, T& value, FieldRange range = kAny) {
    if (has(key)) read(node_[key], field(key), value, range);
  }

  /// Throws for keys that nobody asked for. Call last.
  void finish() const;
  /// What no single field shows.
  template <typename... Args>
  void check(bool ok, const char* key, fmt::format_string<Args...> format, Args&&... args) const {
    if (!ok)
      fail(ErrorCode::invalid_argument, "{}: '{}' {}", source_, field(key),
           fmt::format(format, std::forward<Args>(args)...));
  }
  std::string field(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
  const std::string& source() const { return source_; }

 private:
  template <typename T>
  T scalar(const YAML::Node& node, const std::string& where, const char* kind) const {
    // A quoted "3" is a text, and stays one.
    const bool is_quoted = node.IsScalar() && node.Tag() == "!";
    T value{};
    require(node.IsScalar() && (!is_quoted || std::same_as<T, std::string>)&&YAML::convert<T>::decode(node, value),
            ErrorCode::invalid_argument, "{}: '{}' must be {}{}", source_, where, kind,
            node.IsScalar() ? ", not '" + printable(node.Scalar()) + "'" : "");
    if constexpr (std::same_as<T, std::string>)
      require(is_utf8(value), ErrorCode::invalid_argument, "{}: '{}' is not UTF-8: '{}'", source_, where,
              printable(value));
    return value;
  }
  void check_range(double value, const std::string& where, FieldRange range) const;

  void read(const YAML::Node& node, const std::string& where, std::string& value, FieldRange) const {
    value = scalar<std::string>(node, where, "a string");
  }
  void read(const YAML::Node& node, const std::string& where, bool& value, FieldRange) const {
    value = scalar<bool>(node, where, "true or false");
  }
  void read(const YAML::Node& node, const std::string& where, int64_t& value, FieldRange range) const {
    value = scalar<int64_t>(node, where, "an integer");
    check_range(static_cast<double>(value), where, range);
  }
  void read(const YAML::Node& node, const std::string& where, double& value, FieldRange range) const {
    value = scalar<double>(node, where, "a number");
    check_range(value, where, range);
  }
  template <Worded T>
  void read(const YAML::Node& node, const std::string& where, T& value, FieldRange) const {
    const auto word = scalar<std::string>(node, where, "a word");
    std::string known;
    for (const auto& [each, of] : words_of(T{})) {
      if (word == each) {
        value = of;
        return;
      }
      known += (known.empty() ? "" : " and ") + std::string(each);
    }
    fail(ErrorCode::invalid_argument, "{}: '{}' is '{}'; allowed values are {}", source_, where, printable(word),
         known);
  }
  template <typename T>
  void read(const YAML::Node& node, const std::string& where, std::vector<T>& list, FieldRange range) const {
    require_list(node, where);
    list.clear();
    for (std::size_t i = 0; i < node.size(); ++i) {
      T value{};
      read(node[i], fmt::format("{}[{}]", where, i), value, range);
      list.push_back(value);
    }
  }
  void read(const YAML::Node& node, const std::string& where, std::array<int64_t, 3>& triple, FieldRange range) const;
  /// Width, x, height; the range is of each.
  void read(const YAML::Node& node, const std::string& where, FrameSize& size, FieldRange range) const;
  void require_list(const YAML::Node& node, const std::string& where) const;

  YAML::Node node_;
  std::string path_;
  const std::string& source_;
  const std::filesystem::path& directory_;
  std::vector<std::string> known_;
};

/// Writes a manifest; also the visitor of the families' lists of fields.
class ManifestWriter {
 public:
  ManifestWriter(const std::string& name, const std::string& family);

  void begin(const char* section);
  void end();
  template <typename T>
  void operator()(const char* key, const T& value, FieldRange = kAny) {
    out_ << YAML::Key << key << YAML::Value;
    write(value);
  }
  /// With every section closed.
  std::string finish();

 private:
  void write(int64_t value) { out_ << value; }
  void write(bool value) { out_ << value; }
  void write(double value) { out_ << fmt::format("{}", value); }  // shortest text that reads back the same
  void write(const std::string& value) { out_ << YAML::DoubleQuoted << value; }
  void write(const FrameSize& size) { out_ << text_of(size); }
  template <Worded T>
  void write(T value) {
    for (const auto& [word, of] : words_of(T{}))
      if (of == value) out_ << std::string(word);
  }
  template <typename List>
  requires requires(const List& list) { list.begin(); }
  void write(const List& list) {
    out_ << YAML::Flow << YAML::BeginSeq;
    for (const auto& entry : list) write(entry);
    out_ << YAML::EndSeq;
  }

  YAML::Emitter out_;
};

/// `trained_for`, the same in each family whose requests choose a size; without it nothing is known.
TrainedFor read_trained_for(ManifestSection& top);
void write_trained_for(ManifestWriter& out, const TrainedFor& trained_for);
/// `words`, the same in each family that reads prompts.
KnownWords read_words(ManifestSection& top);
void write_words(ManifestWriter& out, const KnownWords& words);

/// Reads the text of a manifest: `read` gets its name and the section of all keys but schema, name and family, and need
/// not finish() it. `source` stands in messages. Throws Error(too_large), Error(invalid_argument), Error(unsupported)
/// for another schema or family.
template <typename Read>
void read_manifest(const std::string& yaml, const std::filesystem::path& directory, const std::string& source,
                   const std::string& family, Read read);

/// The text of `directory`/model.yaml. Throws Error(not_found).
std::string manifest_text(const std::filesystem::path& directory);
/// The family that the manifest of `directory` names; nothing without a manifest, or with one that cannot be read.
std::optional<std::string> manifest_family(const std::filesystem::path& directory);
/// Its `trained_for` and its `words`, likewise without regard to the rest.
TrainedFor manifest_trained_for(const std::filesystem::path& directory);
KnownWords manifest_words(const std::filesystem::path& directory);

// ---- implementation ----

YAML::Node load_manifest(const std::string& yaml, const std::string& source);
[[noreturn]] void fail_manifest(const YAML::Exception& error, const std::string& source);
/// Checks schema and family; the name.
std::string read_manifest_header(ManifestSection& top, const std::string& family);

template <typename Read>
void read_manifest(const std::string& yaml, const std::filesystem::path& directory, const std::string& source,
                   const std::string& family, Read read) {
  try {
    ManifestSection top(load_manifest(yaml, source), "", source, directory);
    std::string name = read_manifest_header(top, family);
    read(std::move(name), top);
    top.finish();
  } catch (const YAML::Exception& error) {
    fail_manifest(error, source);
  }
}

}  // namespace rushes
