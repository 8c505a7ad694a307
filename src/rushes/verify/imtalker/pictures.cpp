// Golden cases of pictures on their way into the renderer and out of it: detector, crop, resize, paste, 8 bit.
#include <fmt/format.h>

#include <array>

#include "rushes/models/imtalker/face_crop.h"
#include "rushes/models/imtalker/face_detector.h"
#include "rushes/tensor/image_resize.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/imtalker/configs.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

using imtalker::CropRule;
using imtalker::FaceBox;
using imtalker::Square;
using nlohmann::json;

/// Rows x1, y1, x2, y2, score.
at::Tensor as_rows(const std::vector<FaceBox>& boxes) {
  at::Tensor rows = at::empty({static_cast<int64_t>(boxes.size()), 5}, at::kFloat);
  auto* out = rows.data_ptr<float>();
  for (const FaceBox& box : boxes)
    for (const double value : {box.x1, box.y1, box.x2, box.y2, box.score}) *out++ = static_cast<float>(value);
  return rows;
}

Produced face_detector_s3fd(const Case& c) {
  const imtalker::FaceDetections found = imtalker::FaceDetector(c.weights).detect(c.input("in.image"));
  return {{{"out.candidates", at::full({}, found.candidates, at::TensorOptions(at::kLong))},
           {"out.after_nms", as_rows(found.distinct)},
           {"out.boxes", as_rows(found.faces)}},
          {}};
}

json as_json(const std::optional<Square>& square) {
  return square ? json{square->x1, square->y1, square->x2, square->y2} : json();
}

Produced face_crop(const Case& c) {
  std::vector<int64_t> server, clamped;
  Produced produced;
  const json table = c.config.value("table", json::array());
  const json& rows = c.hyper.at("rows");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<FaceBox> boxes;
    for (const auto& box : rows[i].at("boxes_x1y1x2y2score").get<std::vector<std::array<double, 5>>>())
      boxes.push_back({box[0], box[1], box[2], box[3], box[4]});
    const int64_t height = rows[i].at("h"), width = rows[i].at("w");
    const double scale = rows[i].at("crop_scale");
    const auto append = [](std::vector<int64_t>& to, const Square& square) {
      to.insert(to.end(), {square.x1, square.y1, square.x2, square.y2});
    };
    append(server, *imtalker::face_square(boxes, height, width, CropRule::server(scale)));
    append(clamped, *imtalker::face_square(boxes, height, width, CropRule::clamped(scale)));
    if (i < table.size() && table[i].contains("offline_cli")) {
      const json got = as_json(imtalker::face_square(boxes, height, width, CropRule::strict()));
      produced.checks.push_back({fmt::format("row {}, strict rule", i), got == table[i]["offline_cli"],
                                 fmt::format("got {}, expected {}", got.dump(), table[i]["offline_cli"].dump())});
    }
  }
  produced.tensors["out.server"] = at::tensor(server, at::TensorOptions(at::kLong)).view({-1, 4});
  produced.tensors["out.unified_server"] = at::tensor(clamped, at::TensorOptions(at::kLong)).view({-1, 4});
  return produced;
}

at::Tensor cut(const at::Tensor& image, const Square& square) {
  return image.slice(0, square.y1, square.y2).slice(1, square.x1, square.x2);
}

Produced image_preprocess(const Case& c) {
  using tensor::Resampling;
  const at::Tensor& image = c.input("in.image");
  const int64_t S = c.hyper.at("size");
  const std::vector<double> box = c.hyper.at("box");
  const std::vector<int64_t> region = c.hyper.at("upscale_region_y0y1x0x1");
  const std::vector<FaceBox> boxes{{box.at(0), box.at(1), box.at(2), box.at(3), box.at(4)}};
  const auto square = [&](const CropRule& rule) {
    return imtalker::face_square(boxes, image.size(0), image.size(1), rule).value();
  };
  const at::Tensor server =
      tensor::resize(cut(image, square(CropRule::server(c.hyper.at("crop_scale")))), S, S, Resampling::bicubic);
  const at::Tensor part = image.slice(0, region.at(0), region.at(1)).slice(1, region.at(2), region.at(3));
  at::Tensor frames = imtalker::pixels_to_frames(server);
  if (const auto recorded = c.expected.find("out.tensor"); recorded != c.expected.end())
    frames = frames.narrow(2, 0, recorded->second.size(2));  // its first rows
  return {{{"out.server_crop_bicubic", server},
           {"out.offline_crop_bilinear",
            tensor::resize(cut(image, square(CropRule::strict())), S, S, Resampling::bilinear)},
           {"out.no_crop_bicubic", tensor::resize(image, S, S, Resampling::bicubic)},
           {"out.upscale_bicubic", tensor::resize(part, S, S, Resampling::bicubic)},
           {"out.lanczos_half", tensor::resize(image, S / 2, S / 2, Resampling::lanczos)},
           {"out.tensor", frames}},
          {}};
}

Produced paste_back(const Case& c) {
  const std::vector<int64_t> at = c.hyper.at("coords");
  const Square square{at.at(0), at.at(1), at.at(2), at.at(3)};
  const at::Tensor &face = c.input("in.face"), &full = c.input("in.full");
  const at::Tensor mask = imtalker::border_mask(c.hyper.value("mask_size", 512), c.hyper.value("margin", 32));
  return {{{"out.blended", imtalker::paste_back(face, full, square, mask)},
           {"out.hard", imtalker::paste_back(face, full, square)}},
          {}};
}

Produced frame_to_uint8(const Case& c) {
  using imtalker::FrameRange;
  const at::Tensor &frame = c.recorded.at("in.frame"), &negative = c.recorded.at("in.frame_neg");
  // A signed reading of frames in [0, 1], which washes them out: recorded so that nobody takes it for ours.
  const at::Tensor washed = ((at::clamp(frame, -1, 1) + 1) * 127.5).to(at::kByte).permute({0, 2, 3, 1});
  return {{{"out.server_in_range", imtalker::frames_to_pixels(frame, FrameRange::unit_or_signed)[0]},
           {"out.server_negative", imtalker::frames_to_pixels(negative, FrameRange::unit_or_signed)[0]},
           {"out.streamer", imtalker::frames_to_pixels(negative, FrameRange::unit)[0]},
           {"out.offline_streaming_writer", washed[0]}},
          {}};
}

}  // namespace

void add_imtalker_pictures(Registry& registry) {
  registry[{"imtalker", "face_detector_s3fd"}] = face_detector_s3fd;
  registry[{"imtalker", "face_crop"}] = face_crop;
  registry[{"imtalker", "image_preprocess"}] = image_preprocess;
  registry[{"imtalker", "paste_back"}] = paste_back;
  registry[{"imtalker", "frame_to_uint8"}] = frame_to_uint8;
}

}  // namespace rushes::verify
