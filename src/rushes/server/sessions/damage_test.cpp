// What a server does with recordings that somebody, or a disk, has damaged since an earlier one made them.
#include <fstream>

#include "rushes/media/recorded_file.h"
#include "rushes/server/family_test_server.h"

namespace rushes::server {
namespace {

class DamagedRecordings : public FamilySuite {
 protected:
  DamagedRecordings() { restart(); }

  void restart() {
    start();
    server().gate().open();
  }
};

INSTANTIATE_TEST_SUITE_P(Families, DamagedRecordings, testing::ValuesIn(test_families()), family_name);

TEST_P(DamagedRecordings, that_are_plain_files_stay_as_they_are_and_are_listed_with_what_stands_before_the_damage) {
  const std::string id = make_video(), other = make_video();
  const std::string fragments_before = fragments(id);
  stop();
  const std::string good = contents(file(id));
  const media::RecordedFile before = media::read_recorded_file(file(id));
  const media::FragmentPlace& first = before.fragments.front().place;
  const auto data = static_cast<std::size_t>(first.data), index = static_cast<std::size_t>(before.index.value());
  std::string other_index = good;
  other_index[index + 40] = static_cast<char>(~other_index[index + 40]);
  const struct {
    const char* name;
    std::string bytes;
    bool is_listed;
  } cases[] = {{"the end is lost", good.substr(0, good.size() - 7), true},
               {"half of the data is lost", good.substr(0, (data + good.size()) / 2), true},
               {"it ends in the first fragment", good.substr(0, data + 3), false},
               {"it ends in the index", good.substr(0, index + 50), false},
               {"the index is damaged", other_index, false}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    std::ofstream(file(id), std::ios::binary) << each.bytes;
    restart();
    EXPECT_EQ(server().request("GET", path(other)).status, 200);
    EXPECT_EQ(server().request("GET", path(id)).status, each.is_listed ? 200 : 404);
    if (each.is_listed) {
      int64_t complete = 0;
      auto fragment_bytes = static_cast<int64_t>(before.init_segment.size());
      for (const media::RecordedFragment& fragment : before.fragments) {
        const int64_t end = fragment.place.data + fragment.place.data_bytes;
        if (end > static_cast<int64_t>(each.bytes.size())) break;
        complete = end;
        fragment_bytes += fragment.size();
      }
      const json session = server().status(id);
      EXPECT_EQ(session["state"], family().end);
      EXPECT_EQ(session["recording"]["complete"], false);
      EXPECT_EQ(session["recording"]["bytes"], complete);
      EXPECT_TRUE(session["recording"]["error"].is_string());
      EXPECT_EQ(server().request("GET", path(id, "/recording.mp4")).body,
                good.substr(0, static_cast<std::size_t>(complete)));
      EXPECT_EQ(fragments(id), fragments_before.substr(0, static_cast<std::size_t>(fragment_bytes)));
      EXPECT_EQ(server().request("GET", path(id, "/video.mp4")).status, 503);
    }
    stop();
    EXPECT_EQ(contents(file(id)), each.bytes);
  }
}

}  // namespace
}  // namespace rushes::server
