// The APIs that the server speaks: each a set of routes with a name, in a folder of its own. The list is in apis.cpp, a
// line each.
#pragma once
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "rushes/server/http/router.h"

namespace rushes::server {

struct Service;
struct ServerOptions;
class ServedModels;
class SessionStore;
class WorkPool;

/// What routes are made with. All of it outlives them.
struct ApiContext {
  SessionStore& sessions;
  WorkPool& work;  // for what takes its time
  const Service& service;
  const ServerOptions& options;
  std::vector<std::function<void()>>& sweeps;  // the server's thread calls them once a ServerOptions::sweep
};

struct Api {
  std::string_view name;
  std::string_view openapi;  // the text of its openapi.json
  void (*add_routes)(Router& router, const ApiContext& context);
  /// Schemas of its openapi.json that follow from the models, by name; null: there are none.
  Json (*schemas)(const ServedModels& models) = nullptr;
  /// Parameters of a query that its openapi.json does not have are refused, as unknown fields of bodies are.
  bool knows_its_queries = false;
  /// Pages that may call where a listener names it and no others were allowed.
  std::span<const std::string_view> origins = {};
};

/// The first is part of every listener; where two of the others cannot be served together, a listener that names none
/// has the one that comes first.
std::span<const Api> apis();

}  // namespace rushes::server
