// rushes._server: the server for frames that a program makes. A module of its own, so that the engine alone needs
// neither the server's libraries nor its build time. Errors are those of rushes._core, which must be imported first.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "frame_feed.h"
#include "rushes/base/error.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushes::python {
namespace {

using Pixels = nb::ndarray<const uint8_t, nb::shape<-1, -1, -1, 3>, nb::c_contig, nb::device::cpu>;
using NoLock = nb::call_guard<nb::gil_scoped_release>;

std::shared_ptr<const uint8_t> copy_of(const uint8_t* pixels, std::size_t bytes) {
  const auto copy = std::make_shared<std::vector<uint8_t>>(pixels, pixels + bytes);
  return {copy, copy->data()};
}

void add_server(nb::module_& module) {
  nb::class_<FrameServer>(module, "FrameServer",
                          "A server for frames that a program generates: page, HLS, WebRTC, MP4.")
      .def(
          "__init__",
          [](FrameServer* self, int64_t width, int64_t height, double fps, const std::string& host, int port,
             const std::string& data_directory, const std::string& web_root, std::size_t queue, bool loop) {
            new (self) FrameServer({.width = width,
                                    .height = height,
                                    .fps = fps,
                                    .host = host,
                                    .port = port,
                                    .data_directory = data_directory,
                                    .web_root = web_root,
                                    .queue = queue,
                                    .loop = loop});
          },
          nb::kw_only(), "width"_a, "height"_a, "fps"_a = 16.0, "host"_a = "127.0.0.1", "port"_a = 8000,
          "data_directory"_a, "web_root"_a = "", "queue"_a = 100, "loop"_a = false, NoLock(),
          "loop: pages play a video again from its start when it has ended.")
      .def(
          "push",
          [](FrameServer& self, const Pixels& frames) {
            const FrameQueue::Size size = self.frames().size();
            require(frames.shape(1) == static_cast<std::size_t>(size.height) &&
                        frames.shape(2) == static_cast<std::size_t>(size.width),
                    ErrorCode::invalid_argument, "the frames are {}x{}, but the server expects {}x{}", frames.shape(2),
                    frames.shape(1), size.width, size.height);
            if (frames.shape(0) == 0) return true;
            return self.frames().push(
                {.rgb = copy_of(frames.data(), frames.size()), .video_frames = static_cast<int64_t>(frames.shape(0))});
          },
          "frames"_a, "Takes frames uint8 [T, H, W, 3]. Returns False if the queue is full or closed.")
      .def(
          "resize",
          [](FrameServer& self, int64_t width, int64_t height) {
            self.frames().set_size({width, height});
          },
          "width"_a, "height"_a, "Sets the frame size of the next session.")
      .def(
          "take_prompt", [](FrameServer& self) { return self.frames().take_prompt(); },
          "Returns the last prompt that a viewer typed, once.")
      .def(
          "finish", [](FrameServer& self) { self.frames().close(); },
          "Ends the session's frames; pushed frames stay watchable.")
      .def(
          "open", [](FrameServer& self) { self.frames().open(); },
          "Takes frames again, of another session: call it when the one before has ended.")
      .def("stop", &FrameServer::stop, NoLock())
      .def_prop_ro("port", &FrameServer::port);
}

}  // namespace
}  // namespace rushes::python

NB_MODULE(_server, module) {
  module.doc() = "The server of rushes for frames that a program generates.";
  rushes::python::add_server(module);
}
