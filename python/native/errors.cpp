// The exceptions of rushes._core.
#include <nanobind/nanobind.h>

#include <map>
#include <string>

#include "rushes/base/error.h"

namespace nb = nanobind;

namespace rushes::python {
namespace {

/// One Python class for each code; those that Python has a word for are that, too.
struct ErrorClasses {
  PyObject* base = nullptr;
  std::map<ErrorCode, PyObject*> of;
};
ErrorClasses g_errors;

PyObject* add_class(nb::module_& module, const char* name, PyObject* bases) {
  const std::string full = std::string("rushes.") + name;
  PyObject* type = PyErr_NewException(full.c_str(), bases, nullptr);
  if (type == nullptr) throw nb::python_error();
  module.attr(name) = nb::borrow(type);
  return type;
}

}  // namespace

void add_errors(nb::module_& module) {
  g_errors.base = add_class(module, "Error", PyExc_RuntimeError);
  const auto add = [&](ErrorCode code, const char* name, PyObject* also) {
    const nb::object bases = also ? nb::object(nb::make_tuple(nb::borrow(g_errors.base), nb::borrow(also)))
                                  : nb::object(nb::borrow(g_errors.base));
    g_errors.of[code] = add_class(module, name, bases.ptr());
  };
  add(ErrorCode::invalid_argument, "InvalidArgument", PyExc_ValueError);
  add(ErrorCode::not_found, "NotFound", PyExc_LookupError);
  add(ErrorCode::conflict, "Conflict", nullptr);
  add(ErrorCode::too_large, "TooLarge", PyExc_ValueError);
  add(ErrorCode::unsupported, "Unsupported", PyExc_ValueError);
  add(ErrorCode::corrupt_data, "CorruptData", PyExc_ValueError);
  add(ErrorCode::exhausted, "Exhausted", nullptr);
  add(ErrorCode::unavailable, "Unavailable", nullptr);
  add(ErrorCode::cancelled, "Cancelled", nullptr);
  nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
    try {
      std::rethrow_exception(thrown);
    } catch (const Error& error) {
      const auto type = g_errors.of.find(error.code());
      PyErr_SetString(type == g_errors.of.end() ? g_errors.base : type->second, error.what());
    }
  });
}

}  // namespace rushes::python
