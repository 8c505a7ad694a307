// Python's view of generation/interactive_session.h, for rushes.inferix.core.interactive.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "rushes/generation/interactive_session.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushes::python {

void add_interactive(nb::module_& module) {
  using generation::Control;
  using generation::InteractiveSession;
  nb::class_<InteractiveSession>(module, "InteractiveSession",
                                 "Prompts and controls that wait for the next segment or block; only the newest is "
                                 "kept. One thread at a time.")
      .def(
          "__init__",
          [](InteractiveSession* self, const std::string& policy) {
            new (self) InteractiveSession({.id = "", .prompt = "", .policy = generation::parse_apply_policy(policy)});
          },
          "apply_policy"_a = "next_segment")
      .def("set_initial", &InteractiveSession::set_initial, "prompt"_a, "guidance_scale"_a)
      .def("set_length", &InteractiveSession::set_length, "segments"_a, "blocks_per_segment"_a)
      .def("set_seconds_per_block", &InteractiveSession::set_seconds_per_block, "seconds"_a)
      .def(
          "submit",
          [](InteractiveSession& self, std::optional<std::string> prompt, std::optional<double> guidance_scale,
             const std::string& control) {
            InteractiveSession::Input input;
            input.prompt = std::move(prompt);
            input.guidance_scale = guidance_scale;
            if (control != generation::name(Control::none)) input.control = generation::parse_control(control);
            const auto receipt = self.submit(std::move(input));
            return std::tuple(receipt.will_apply_at, receipt.estimated_wait_seconds);
          },
          "prompt"_a.none(), "guidance_scale"_a.none(), "control"_a = "continue",
          "(will_apply_at, estimated_wait_seconds).")
      .def(
          "evaluate_checkpoint",
          [](InteractiveSession& self, const std::string& place, int64_t index) {
            using Place = InteractiveSession::Place;
            return self.evaluate_checkpoint(place == "segment" ? Place::segment : Place::block, index).should_continue;
          },
          "place"_a, "index"_a, "Applies the input that waits for this point; False: stop.")
      .def("update_progress", &InteractiveSession::update_progress, "segment"_a, "block"_a, "video_frames"_a,
           "device_gb"_a = 0.0)
      .def("end", &InteractiveSession::end)
      .def("pause", &InteractiveSession::pause)
      .def("resume", &InteractiveSession::resume)
      .def("stop", &InteractiveSession::stop)
      .def_prop_ro("should_pause", &InteractiveSession::should_pause)
      .def_prop_ro("should_stop", &InteractiveSession::should_stop)
      .def_prop_ro("prompt", &InteractiveSession::prompt)
      .def_prop_ro("guidance_scale", &InteractiveSession::guidance_scale)
      .def_prop_ro("remaining_seconds", &InteractiveSession::remaining_seconds)
      .def_prop_ro(
          "input_states",
          [](const InteractiveSession& self) {
            std::vector<std::string> states;
            for (const auto& input : self.inputs()) states.emplace_back(generation::name(input.state));
            return states;
          },
          "State of each input since the start: queued, applied or discarded.");
}

}  // namespace rushes::python
