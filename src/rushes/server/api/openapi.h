// The OpenAPI 3.1 document that /openapi.json serves: of every route that the router has and that is described in the
// openapi.json beside the routes of its family. A test finds those that are not.
//
// Such a file is written for people, and written out here. Its sections:
//   routes      "METHOD /path/{name}": `tag`, `summary`, `description`; `id` where the name that follows from the path
//               is taken; `ok` has the content of each success, the name of a schema
//               or a media type (null: no body); `errors` the statuses beyond those that any request may get, their
//               body being `error_schema`; `body` a schema of the JSON body, with `form` also as multipart/form-data;
//               `form_body` of one that is a form only; `binary`, `sdp`, `websocket`; `query` names of parameters.
//               Parameters of the path follow from its names.
//   parameters  by name; their own name may be another ("name")
//   schemas     of JSON
//   examples    of bodies and answers, by the names of their schemas or by their media types
// It may refer to parameters, schemas and examples of its own and of api/native.
#pragma once
#include <string_view>

#include "rushes/server/http/router.h"

namespace rushes::server {

/// `schemas`: those that are known only while the server runs, by name, in place of what the files have: what the
/// options of the models make of "SessionRequest". Of those that no file has, nothing.
Json openapi_document(std::string_view version, const Router& router, const Json& schemas = Json::object());

/// Throws Error(invalid_argument) for a parameter of the query that the file of `set` does not have for this route.
/// Those of HLS may have any: players add their own.
void require_known_query(std::string_view set, const Route& route, const Request& request);

/// What the files say of a schema.
const Json& written_schema(std::string_view set, const std::string& name);

}  // namespace rushes::server
