#include "rushes/base/manifest.h"

#include <fmt/ranges.h>

#include <charconv>
#include <fstream>
#include <iterator>
#include <set>

namespace rushes {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMaxManifestBytes = 1'000'000;
constexpr std::size_t kMaxListEntries = 100'000;
constexpr std::size_t kMaxWords = 2000;  // with every list of models they are told

/// One piece of a manifest; empty if there is no manifest, or that cannot be read.
template <typename Piece>
Piece read_one(const fs::path& directory, Piece (*read)(ManifestSection& top)) {
  try {
    const std::string source = kManifestName;
    ManifestSection top(load_manifest(manifest_text(directory), source), "", source, directory);
    return read(top);
  } catch (const std::exception&) {  // whoever loads it says what is wrong
    return {};
  }
}

}  // namespace

ManifestSection::ManifestSection(YAML::Node node, std::string path, const std::string& source,
                                 const fs::path& directory)
    : node_(std::move(node)), path_(std::move(path)), source_(source), directory_(directory) {
  require(node_.IsMap(), ErrorCode::invalid_argument, "{}: {} must be a mapping of keys to values", source_,
          path_.empty() ? "the file" : "'" + path_ + "'");
  std::set<std::string> keys;
  for (const auto& entry : node_) {
    require(entry.first.IsScalar(), ErrorCode::invalid_argument, "{}: {} has a key that is not a plain word", source_,
            path_.empty() ? "the file" : path_);
    require(keys.insert(entry.first.Scalar()).second, ErrorCode::invalid_argument, "{}: '{}' is given twice", source_,
            field(printable(entry.first.Scalar())));
  }
}

bool ManifestSection::has(const std::string& key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  return node_[key].IsDefined();
}

ManifestSection ManifestSection::section(const std::string& key) {
  require(has(key), ErrorCode::invalid_argument, "{}: '{}' is missing", source_, field(key));
  return ManifestSection(node_[key], field(key), source_, directory_);
}

std::string ManifestSection::text(const std::string& key) {
  require(has(key), ErrorCode::invalid_argument, "{}: '{}' is missing", source_, field(key));
  return scalar<std::string>(node_[key], field(key), "a text");
}

fs::path ManifestSection::file(const std::string& key) {
  const fs::path given = text(key);
  bool is_inside = given.is_relative() && !given.empty();
  for (const auto& part : given) is_inside = is_inside && part != "..";
  require(is_inside, ErrorCode::invalid_argument,
          "{}: '{}' is '{}'; give a path inside the manifest's own folder, without '..'", source_, field(key),
          printable(given.string()));
  fs::path path = (directory_ / given).lexically_normal();
  std::error_code unreachable;  // a name too long, a loop of links
  require(fs::exists(path, unreachable), ErrorCode::not_found, "{}: '{}' names '{}', which does not exist", source_,
          field(key), printable(path.string()));
  return path;
}

void ManifestSection::finish() const {
  for (const auto& entry : node_) {
    const std::string& key = entry.first.Scalar();
    require(std::find(known_.begin(), known_.end(), key) != known_.end(), ErrorCode::invalid_argument,
            "{}: '{}' is not a known key; the allowed keys are: {}", source_, field(printable(key)),
            fmt::join(known_, ", "));
  }
}

void ManifestSection::check_range(double value, const std::string& where, FieldRange range) const {
  require(std::isfinite(value) && value >= range.least && value <= range.most, ErrorCode::invalid_argument,
          "{}: '{}' is {}; it must be from {} to {}", source_, where, value, range.least, range.most);
}

void ManifestSection::require_list(const YAML::Node& node, const std::string& where) const {
  require(node.IsSequence() && node.size() <= kMaxListEntries, ErrorCode::invalid_argument, "{}: '{}' must be a list",
          source_, where);
}

void ManifestSection::read(const YAML::Node& node, const std::string& where, std::array<int64_t, 3>& triple,
                           FieldRange range) const {
  std::vector<int64_t> list;
  read(node, where, list, range);
  require(list.size() == 3, ErrorCode::invalid_argument, "{}: '{}' must be three numbers: frames, rows, columns",
          source_, where);
  std::copy(list.begin(), list.end(), triple.begin());
}

void ManifestSection::read(const YAML::Node& node, const std::string& where, FrameSize& size, FieldRange range) const {
  const auto text = scalar<std::string>(node, where, "a size such as 832x480");
  const char* const end = text.data() + text.size();
  const auto width = std::from_chars(text.data(), end, size.width);
  const bool has_both = width.ec == std::errc() && width.ptr != end && *width.ptr == 'x';
  const auto height = has_both ? std::from_chars(width.ptr + 1, end, size.height) : width;
  require(has_both && height.ec == std::errc() && height.ptr == end, ErrorCode::invalid_argument,
          "{}: '{}' must be a size, width x height, such as 832x480, not '{}'", source_, where, printable(text));
  check_range(static_cast<double>(size.width), where, range);
  check_range(static_cast<double>(size.height), where, range);
}

ManifestWriter::ManifestWriter(const std::string& name, const std::string& family) {
  out_ << YAML::BeginMap;
  out_ << YAML::Key << "schema" << YAML::Value << kManifestSchema;
  out_ << YAML::Key << "name" << YAML::Value << YAML::DoubleQuoted << name;
  out_ << YAML::Key << "family" << YAML::Value << family;
}

void ManifestWriter::begin(const char* section) { out_ << YAML::Key << section << YAML::Value << YAML::BeginMap; }
void ManifestWriter::end() { out_ << YAML::EndMap; }

std::string ManifestWriter::finish() {
  out_ << YAML::EndMap;
  return std::string(out_.c_str()) + "\n";
}

TrainedFor read_trained_for(ManifestSection& top) {
  TrainedFor trained_for;
  if (!top.has("trained_for")) return trained_for;
  ManifestSection section = top.section("trained_for");
  section("sizes", trained_for.sizes, FieldRange{8, 8192});
  section("frames", trained_for.video_frames, FieldRange{1, 1 << 20});
  section.finish();
  return trained_for;
}

void write_trained_for(ManifestWriter& out, const TrainedFor& trained_for) {
  if (!trained_for.is_known()) return;
  out.begin("trained_for");
  if (!trained_for.sizes.empty()) out("sizes", trained_for.sizes);
  if (trained_for.video_frames > 0) out("frames", trained_for.video_frames);
  out.end();
}

KnownWords read_words(ManifestSection& top) {
  KnownWords words;
  top("words", words.phrases);
  top.check(words.phrases.size() <= kMaxWords, "words", "has {} entries; at most {} are allowed", words.phrases.size(),
            kMaxWords);
  for (std::size_t i = 0; i < words.phrases.size(); ++i)
    top.check(!words_in(words.phrases[i]).empty() && words.phrases[i].size() <= 100, "words",
              "has an entry [{}] that is not a word or a phrase of at most 100 bytes", i);
  return words;
}

void write_words(ManifestWriter& out, const KnownWords& words) {
  if (!words.phrases.empty()) out("words", words.phrases);
}

YAML::Node load_manifest(const std::string& yaml, const std::string& source) {
  require(yaml.size() <= kMaxManifestBytes, ErrorCode::too_large, "{} has {} bytes; a manifest can have at most {}",
          source, yaml.size(), kMaxManifestBytes);
  return YAML::Load(yaml);
}

void fail_manifest(const YAML::Exception& error, const std::string& source) {
  fail(ErrorCode::invalid_argument, "{} is not valid YAML: line {}, column {}: {}", source, error.mark.line + 1,
       error.mark.column + 1, printable(error.msg));
}

std::string read_manifest_header(ManifestSection& top, const std::string& family) {
  int64_t schema = 0;
  require(top.has("schema"), ErrorCode::invalid_argument, "{}: 'schema' is missing; set it to {}", top.source(),
          kManifestSchema);
  top("schema", schema);
  require(schema == kManifestSchema, ErrorCode::unsupported, "{}: 'schema' is {}, but this build reads only {}",
          top.source(), schema, kManifestSchema);
  std::string name = top.text("name");
  require(!name.empty() && name.size() <= 100, ErrorCode::invalid_argument, "{}: 'name' must have 1 to 100 bytes",
          top.source());
  const std::string given = top.text("family");
  require(given == family, ErrorCode::unsupported, "{}: 'family' is '{}'; it must be {} for this model", top.source(),
          printable(given), family);
  return name;
}

std::string manifest_text(const fs::path& directory) {
  const fs::path path = directory / kManifestName;
  std::ifstream file(path, std::ios::binary);
  require(file.is_open(), ErrorCode::not_found, "cannot read {}", path.string());
  std::string text(kMaxManifestBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

std::optional<std::string> manifest_family(const fs::path& directory) {
  try {
    const YAML::Node root = load_manifest(manifest_text(directory), kManifestName);
    if (root.IsMap() && root["family"].IsDefined() && root["family"].IsScalar()) return root["family"].Scalar();
  } catch (const std::exception&) {  // whoever loads it says what is wrong
  }
  return std::nullopt;
}

TrainedFor manifest_trained_for(const fs::path& directory) { return read_one(directory, read_trained_for); }

KnownWords manifest_words(const fs::path& directory) { return read_one(directory, read_words); }

}  // namespace rushes
