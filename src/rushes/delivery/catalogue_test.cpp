#include "rushes/delivery/catalogue.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <optional>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"

namespace rushes::delivery {
namespace {
namespace fs = std::filesystem;

class CatalogueTest : public testing::Test {
 protected:
  const ScratchFolder scratch_;
  const fs::path& path_ = scratch_.path;
};

CatalogueRow row(const std::string& id, int64_t created) {
  return {.id = id,
          .created_ms = created,
          .state = "running",
          .prompt = "it's a \"red\" circle; ü",
          .width = 832,
          .height = 480,
          .video_frames = 81,
          .fps = 16,
          .recorded_bytes = int64_t{5} << 32,
          .details = R"({"a": [1, 2]})"};
}

TEST_F(CatalogueTest, finds_what_an_earlier_process_has_left_in_order_of_creation) {
  {
    Catalogue catalogue(path_);
    EXPECT_TRUE(catalogue.rows().empty());
    catalogue.put(row("b", 2));
    catalogue.put(row("a", 3));
    catalogue.put(row("c", 1));
    catalogue.put(row("d", 4));
    CatalogueRow ended = row("c", 1);
    ended.state = "finished";
    catalogue.put(ended);
    catalogue.remove("d");
    catalogue.remove("never there");
  }
  Catalogue catalogue(path_);
  CatalogueRow ended = row("c", 1);
  ended.state = "finished";
  EXPECT_EQ(catalogue.rows(), (std::vector<CatalogueRow>{ended, row("b", 2), row("a", 3)}));
}

TEST_F(CatalogueTest, has_a_directory_to_itself) {
  Catalogue catalogue(path_);
  try {
    Catalogue second(path_);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(std::string(error.what()).find("--data-dir"), std::string::npos);
  }
}

void damage(const fs::path& path, char with) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file << std::string(100, with);
}

TEST_F(CatalogueTest, puts_a_damaged_database_aside) {
  { Catalogue(path_).put(row("a", 1)); }
  damage(path_ / "catalogue.sqlite", 'x');
  Catalogue catalogue(path_);
  EXPECT_TRUE(catalogue.rows().empty());
  catalogue.put(row("b", 2));
  catalogue.flush();
  EXPECT_EQ(catalogue.rows().size(), 1u);
  EXPECT_TRUE(fs::exists(path_ / "catalogue.sqlite.damaged"));
}

TEST_F(CatalogueTest, puts_nothing_over_what_was_put_aside_before) {
  for (const char with : {'x', 'y'}) {
    { Catalogue(path_).put(row("a", 1)); }
    damage(path_ / "catalogue.sqlite", with);
  }
  Catalogue catalogue(path_);
  const auto first_byte = [&](const char* name) { return std::ifstream(path_ / name).get(); };
  EXPECT_EQ(first_byte("catalogue.sqlite.damaged"), 'x');
  EXPECT_EQ(first_byte("catalogue.sqlite.damaged.2"), 'y');
}

/// Another program that has the database locked while this lives.
class OtherProgram {
 public:
  OtherProgram(const fs::path& path, const char* lock) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &database_), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database_, lock, nullptr, nullptr, nullptr), SQLITE_OK);
  }
  ~OtherProgram() { sqlite3_close(database_); }
  OtherProgram(const OtherProgram&) = delete;
  OtherProgram& operator=(const OtherProgram&) = delete;

 private:
  sqlite3* database_ = nullptr;
};

TEST_F(CatalogueTest, keeps_the_newest_row_of_each_session_while_another_program_has_the_database_locked) {
  Catalogue catalogue(path_);
  catalogue.put(row("gone", 1));
  catalogue.flush();
  {
    const OtherProgram other(path_ / "catalogue.sqlite", "BEGIN IMMEDIATE");
    catalogue.remove("gone");
    for (int64_t i = 0; i < 100'000; ++i) {
      CatalogueRow newer = row("kept", 2);
      newer.video_frames = i;
      catalogue.put(newer);
    }
    EXPECT_LE(catalogue.waiting(), 2u);
  }
  catalogue.flush();
  CatalogueRow newest = row("kept", 2);
  newest.video_frames = 99'999;
  EXPECT_EQ(catalogue.rows(), std::vector<CatalogueRow>{newest});
}

TEST_F(CatalogueTest, is_opened_while_another_program_has_it_locked_for_writing) {
  { Catalogue(path_).put(row("a", 1)); }
  const OtherProgram other(path_ / "catalogue.sqlite", "BEGIN IMMEDIATE");
  EXPECT_EQ(Catalogue(path_).rows(), std::vector<CatalogueRow>{row("a", 1)});
}

TEST_F(CatalogueTest, does_not_take_one_that_is_locked_for_a_damaged_one) {
  { Catalogue(path_).put(row("a", 1)); }
  {
    const OtherProgram other(path_ / "catalogue.sqlite", "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE");
    try {
      Catalogue second(path_);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unavailable);
      EXPECT_NE(std::string(error.what()).find("another program"), std::string::npos);
    }
  }
  EXPECT_EQ(Catalogue(path_).rows(), std::vector<CatalogueRow>{row("a", 1)});
}

/// While this lives no file of this process grows, as on a full disk.
class FullDisk {
 public:
  FullDisk() : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit none = before_;
    none.rlim_cur = 0;
    ::setrlimit(RLIMIT_FSIZE, &none);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  void (*const handler_)(int);
  rlimit before_{};
};

TEST_F(CatalogueTest, is_read_from_a_full_disk_and_written_when_there_is_room) {
  { Catalogue(path_).put(row("a", 1)); }
  {
    std::optional<Catalogue> catalogue;
    {
      const FullDisk full;
      catalogue.emplace(path_);
      EXPECT_EQ(catalogue->rows(), std::vector<CatalogueRow>{row("a", 1)});
      catalogue->put(row("b", 2));
      catalogue->remove("a");
    }
    catalogue->flush();
    EXPECT_EQ(catalogue->rows(), std::vector<CatalogueRow>{row("b", 2)});
  }
  EXPECT_EQ(Catalogue(path_).rows(), std::vector<CatalogueRow>{row("b", 2)});
  EXPECT_FALSE(fs::exists(path_ / "catalogue.sqlite.damaged"));
}

TEST_F(CatalogueTest, is_begun_on_a_full_disk_as_soon_as_there_is_room) {
  std::optional<Catalogue> catalogue;
  {
    const FullDisk full;
    catalogue.emplace(path_);
    EXPECT_TRUE(catalogue->rows().empty());
    catalogue->put(row("a", 1));
  }
  catalogue->flush();
  catalogue.reset();
  EXPECT_EQ(Catalogue(path_).rows(), std::vector<CatalogueRow>{row("a", 1)});
}

}  // namespace
}  // namespace rushes::delivery
