// What `rushes serve` makes of single settings.
#pragma once
#include <CLI/CLI.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rushes/generation/registry.h"
#include "rushes/server/server.h"

namespace rushes::app {

/// The folder of the page's files: `given`, else the one beside the installed program, else that of the sources. Throws
/// Error(invalid_argument) if `given` is not there.
std::filesystem::path web_root(const std::string& given);
/// What loading would say of models, one after the other, some of them only when they are asked for: Error(not_found)
/// for a folder that is not there.
void check_models(const std::vector<std::string>& folders);
/// One token a line; empty lines and those that begin with '#' are left out.
std::vector<std::string> read_tokens(const std::string& path);
/// The usual soft limit of 1024 files is there for programs that use select().
void allow_many_connections();
/// What is known of a model before it is loaded.
server::ModelSource model_source(const generation::ModelOptions& model);
/// "sora-2=NAME".
std::pair<std::string, std::string> parse_alias(const std::string& text);
/// The name that a model folder's manifest gives it; nothing: it has none, or has no such file.
std::optional<std::string> manifest_name(const std::filesystem::path& folder);
/// Throws Error(invalid_argument) for an alias of a model that is none of `sources`, the first of which is called
/// `first`; where that is not known before it is loaded, so is what an alias means.
void check_aliases(const server::ModelAliases& aliases, const std::vector<server::ModelSource>& sources,
                   const std::optional<std::string>& first);
/// Throws Error(invalid_argument) for defaults of answers that no model which answers takes.
void check_answers(const server::ChatOptions& chat);
/// Sessions whose frames go out one by one over a WebSocket. `streams` must outlive the parsing.
void add_frame_stream_settings(CLI::App& command, server::FrameStreamOptions& streams);

/// Connections and those who watch by them; all must outlive the parsing.
void add_viewer_settings(CLI::App& command, server::ServerOptions& server, double& keep_alive_seconds,
                         int64_t& max_upload_mib);

/// Questions about pictures, answered in words and in a video; all must outlive the parsing.
void add_chat_settings(CLI::App& command, server::ChatOptions& chat);

/// A speech model elsewhere; all must outlive the parsing.
void add_assistant_settings(CLI::App& command, server::AssistantOptions& assistant, std::string& key_file);
/// Its key: what `key_file` holds, else the environment's RUSHES_ASSISTANT_KEY. Throws Error(invalid_argument) for an
/// assistant that lacks its model's name.
void complete_assistant(server::AssistantOptions& assistant, const std::string& key_file);

}  // namespace rushes::app
