# Run by the build: writes OUTPUT, a source with the text of api/<set>/openapi.json for each of SETS (names with commas
# between them) below DIRECTORY.
string(REPLACE "," ";" sets "${SETS}")
set(fragments "")
foreach(set IN LISTS sets)
  file(READ "${DIRECTORY}/${set}/openapi.json" json)
  string(APPEND fragments "    {\"${set}\", R\"json(${json})json\"},\n")
endforeach()
file(WRITE "${OUTPUT}" "#include \"rushes/server/api/openapi.h\"

namespace rushes::server {

std::span<const OpenApiFragment> openapi_fragments() {
  static constexpr OpenApiFragment kFragments[] = {
${fragments}  };
  return kFragments;
}

}  // namespace rushes::server
")
