// Golden cases of faces on their way into Ditto and out of it: detectors, points, crops, put-back.
#include <fmt/format.h>

#include "rushes/models/ditto/face_detection.h"
#include "rushes/models/ditto/face_geometry.h"
#include "rushes/models/ditto/face_mesh.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

using namespace ditto;

at::Tensor every(const at::Tensor& image, int64_t stride, int64_t axis) {
  return image.slice(axis, 0, std::nullopt, stride).slice(axis + 1, 0, std::nullopt, stride);
}

Produced face_crop(const Case& c) {
  const auto& small = c.hyper.at("crop_224");
  const CropRule first{small.at("scale"), small.value("vx_ratio", 0.0), small.at("vy_ratio"), small.at("do_rot")};
  const CropRule second{c.hyper.at("crop_scale"), 0, c.hyper.at("crop_vy_ratio"), c.hyper.at("crop_flag_do_rot")};
  const Affine to224 = crop_map(c.recorded.at("in.lmk106"), 224, first),
               to512 = crop_map(c.recorded.at("in.lmk203"), 512, second);
  const at::Tensor& image = c.input("in.image");
  const at::Tensor crop224 = warp_affine(image, to224, 224, 224), crop512 = warp_affine(image, to512, 512, 512),
                   rgb256 = halve(crop512);
  return {{{"out.M_o2c_224", to224.matrix()},
           {"out.M_c2o_224", to224.inverse().matrix()},
           {"out.M_o2c_512", to512.matrix()},
           {"out.M_c2o_512", to512.inverse().matrix()},
           {"out.crop224_stride4", every(crop224, 4, 0)},
           {"out.crop512_stride8", every(crop512, 8, 0)},
           {"out.rgb256_stride4", every(rgb256, 4, 0)},
           {"out.crop512_block", crop512.slice(0, 200, 232).slice(1, 240, 272)},
           {"out.rgb256_block", rgb256.slice(0, 100, 116).slice(1, 120, 136)}},
          {}};
}

Produced putback(const Case& c) {
  const at::Tensor& frame = c.input("in.frame_rgb");
  const at::Tensor low = c.recorded.at("in.render_low").squeeze(0).permute({1, 2, 0});
  const int64_t repeat = 512 / low.size(0);
  const at::Tensor render = low.repeat_interleave(repeat, 0).repeat_interleave(repeat, 1).contiguous();
  const PutBack put_back(Affine::of(c.recorded.at("in.M_c2o")), frame.size(0), frame.size(1));
  const at::Tensor mask = soft_border(512, 26), result = put_back(render, frame);
  return {{{"out.result", result},
           {"out.result_numpy_variant", result},
           {"out.mask_512_stride8", every(mask, 8, 0)},
           {"out.mask_512_corner", mask.slice(0, 0, 40).slice(1, 0, 40)}},
          {}};
}

Produced face_detector_decode(const Case& c) {
  const at::Tensor& image = c.input("in.image");
  const int64_t side = c.hyper.at("input_size");
  const auto strides = c.hyper.at("strides").get<std::vector<int64_t>>();
  std::vector<DetectorLevel> levels;
  for (std::size_t i = 0; i < strides.size(); ++i)
    levels.push_back({c.recorded.at(fmt::format("in.scores{}", i + 1)), c.recorded.at(fmt::format("in.boxes{}", i + 1)),
                      c.recorded.at(fmt::format("in.kps{}", i + 1)), strides[i]});
  const DetectedFaces faces =
      detected_faces(levels, side, image.size(0), image.size(1), c.hyper.at("det_thresh"), c.hyper.at("nms_thresh"));
  return {{{"out.det", faces.boxes},
           {"out.kps", faces.points},
           {"out.largest", faces.boxes[faces.largest()]},
           {"out.blob", every(detector_input(image, side), 2, 2)}},
          {}};
}

Produced landmark_106_203(const Case& c) {
  const Affine map = landmark106_map(c.recorded.at("in.bbox"));
  const at::Tensor crop = c.input("in.crop224_low").repeat_interleave(16, 0).repeat_interleave(16, 1);
  return {{{"out.lmk106", landmark106_points(c.recorded.at("in.fc1"), map)},
           {"out.lmk203", landmark203_points(c.recorded.at("in.lmk203_raw"), Affine::of(c.recorded.at("in.M_c2o")))},
           {"out.blob106_stride4", every(landmark106_input(c.input("in.image"), map), 4, 2)},
           {"out.blob203_stride16", every(landmark203_input(crop), 16, 2)},
           {"out.M_106", map.matrix().narrow(0, 0, 2)}},
          {}};
}

Produced landmark_478(const Case& c) {
  const at::Tensor& image = c.input("in.image");
  const at::Tensor found = mesh_detections(c.recorded.at("in.regressors"), c.recorded.at("in.classificators"));
  const MeshRegion region = mesh_region(found[0], image.size(0), image.size(1));
  const at::Tensor anchors = mesh_anchors();
  const std::vector<double> roi{region.x, region.y, region.side, region.side, region.rotation};
  return {{{"out.boxes", found},
           {"out.roi", at::tensor(roi, at::TensorOptions(at::kFloat))},
           {"out.lmk478", mesh_points(c.recorded.at("in.mesh"), region, image.size(0), image.size(1))},
           {"out.anchors_head", anchors.narrow(0, 0, 20)},
           {"out.anchors_tail", anchors.narrow(0, anchors.size(0) - 20, 20)},
           {"out.blob128_stride4", every(mesh_detector_input(image), 4, 1)},
           {"out.blob256_stride4", every(mesh_input(image, region), 4, 1)}},
          {}};
}

Produced eye_info(const Case& c) {
  const Eyes eyes = eyes_of(c.recorded.at("in.lmk478"));
  return {{{"out.eye_open", eyes.open}, {"out.eye_ball", eyes.ball}}, {}};
}

}  // namespace

void add_ditto_faces(Registry& registry) {
  registry[{"ditto", "face_crop"}] = face_crop;
  registry[{"ditto", "putback"}] = putback;
  registry[{"ditto", "face_detector_decode"}] = face_detector_decode;
  registry[{"ditto", "landmark_106_203"}] = landmark_106_203;
  registry[{"ditto", "landmark_478"}] = landmark_478;
  registry[{"ditto", "eye_info"}] = eye_info;
}

}  // namespace rushes::verify
