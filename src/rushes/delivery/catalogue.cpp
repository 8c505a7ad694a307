#include "rushes/delivery/catalogue.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <functional>
#include <future>
#include <thread>

#include "rushes/base/channel.h"
#include "rushes/base/error.h"
#include "rushes/base/log.h"

namespace rushes::delivery {
namespace fs = std::filesystem;
namespace {

constexpr int kVersion = 1;  // of the table, kept in the database's user_version

constexpr const char* kCreate =
    "CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, state TEXT NOT NULL, "
    "prompt TEXT "
    "NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, fps REAL NOT NULL, video_frames INTEGER NOT NULL, "
    "recorded_bytes INTEGER NOT NULL, details TEXT NOT NULL) WITHOUT ROWID";
constexpr const char* kSelect =
    "SELECT id, created_ms, state, prompt, width, height, fps, video_frames, recorded_bytes, details FROM sessions "
    "ORDER BY "
    "created_ms, id";
constexpr const char* kPut = "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr const char* kRemove = "DELETE FROM sessions WHERE id = ?";

struct CloseDatabase {
  void operator()(sqlite3* p) const { sqlite3_close(p); }
};
using Handle = std::unique_ptr<sqlite3, CloseDatabase>;

/// One SQL statement; bound and read by column.
class Statement {
 public:
  Statement(sqlite3* database, const char* sql) : database_(database) {
    check(sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr));
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(const std::string& value) {
    check(sqlite3_bind_text(statement_, ++bound_, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT));
    return *this;
  }
  Statement& bind(int64_t value) {
    check(sqlite3_bind_int64(statement_, ++bound_, value));
    return *this;
  }
  Statement& bind(double value) {
    check(sqlite3_bind_double(statement_, ++bound_, value));
    return *this;
  }
  /// False: no further row.
  bool step() {
    const int result = sqlite3_step(statement_);
    if (result != SQLITE_ROW && result != SQLITE_DONE) check(result);
    return result == SQLITE_ROW;
  }
  std::string text(int column) const {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return bytes ? std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)))
                 : std::string();
  }
  int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  double number(int column) const { return sqlite3_column_double(statement_, column); }

 private:
  void check(int result) const {
    require(result == SQLITE_OK, ErrorCode::unavailable, "the catalogue of recordings: {}", sqlite3_errmsg(database_));
  }

  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

void run(sqlite3* database, const char* sql) {
  Statement statement(database, sql);
  while (statement.step()) {}
}

/// Throws Error(unavailable) for a database that cannot be used.
Handle open_database(const fs::path& path) {
  sqlite3* opened = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Handle database(opened);
  require(result == SQLITE_OK, ErrorCode::unavailable, "the catalogue {} cannot be opened: {}", path.string(),
          sqlite3_errstr(result));
  sqlite3_busy_timeout(opened, 5000);  // somebody who looks into it with another program
  // A commit appends to the log, without waiting for the disk; the database itself is never half written.
  run(opened, "PRAGMA journal_mode=WAL");
  run(opened, "PRAGMA synchronous=NORMAL");
  Statement check(opened, "PRAGMA quick_check(1)");
  require(check.step() && check.text(0) == "ok", ErrorCode::unavailable, "the catalogue {} is damaged", path.string());
  return database;
}

void require_version(sqlite3* database, const fs::path& path) {
  Statement version(database, "PRAGMA user_version");
  const int64_t found = version.step() ? version.integer(0) : 0;
  require(found <= kVersion, ErrorCode::invalid_argument,
          "the catalogue {} was written by a newer version of rushes; upgrade rushes or choose another --data-dir",
          path.string());
}

/// Renames a database with what belongs to it, never over what was put aside before. Returns the new name.
std::string put_aside(const fs::path& path) {
  std::string aside = path.string() + ".damaged";
  std::error_code status;
  for (int number = 2; fs::exists(fs::symlink_status(aside, status)); ++number)
    aside = fmt::format("{}.damaged.{}", path.string(), number);
  for (const char* suffix : {"", "-wal", "-shm"}) fs::rename(path.string() + suffix, aside + suffix, status);
  return aside;
}

/// As Catalogue's constructor.
Handle open_catalogue(const fs::path& path) {
  Handle database;
  try {
    database = open_database(path);
  } catch (const Error& error) {
    const std::string aside = put_aside(path);
    log::warning("{}; it was renamed to {}, and a new catalogue is built from the recordings", error.what(), aside);
    database = open_database(path);
  }
  require_version(database.get(), path);
  run(database.get(), kCreate);
  run(database.get(), fmt::format("PRAGMA user_version={}", kVersion).c_str());
  return database;
}

/// A lock that ends with the process, however it ends.
class DirectoryLock {
 public:
  explicit DirectoryLock(const fs::path& directory) {
    file_ = ::open((directory / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file_ >= 0 && ::flock(file_, LOCK_EX | LOCK_NB) == 0) return;
    if (file_ >= 0) ::close(file_);
    fail(ErrorCode::unavailable,
         "the data directory {} is in use by another rushes process; choose another one with --data-dir",
         directory.string());
  }
  ~DirectoryLock() { ::close(file_); }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace

struct Catalogue::State {
  explicit State(const fs::path& directory)
      : lock(directory), database(open_catalogue(directory / "catalogue.sqlite")) {}

  void later(std::function<void(sqlite3*)> work) {
    queue.send([this, work = std::move(work)] {
      try {
        work(database.get());
        failing = false;
      } catch (const Error& error) {
        if (!std::exchange(failing, true))
          log::warning("{}; this session may be missing after a restart", error.what());
      }
    });
  }

  DirectoryLock lock;
  Handle database;
  bool failing = false;  // the writer's
  base::Channel<std::function<void()>> queue{256};
  std::jthread writer{[this] {
    while (const auto work = queue.receive()) (*work)();
  }};
};

Catalogue::Catalogue(const fs::path& directory) : state_(std::make_unique<State>(directory)) {}

Catalogue::~Catalogue() {
  state_->queue.close();
  state_->writer.join();
}

std::vector<CatalogueRow> Catalogue::rows() const {
  std::vector<CatalogueRow> rows;
  Statement select(state_->database.get(), kSelect);
  while (select.step()) {
    CatalogueRow row;
    row.id = select.text(0);
    row.created_ms = select.integer(1);
    row.state = select.text(2);
    row.prompt = select.text(3);
    row.width = select.integer(4);
    row.height = select.integer(5);
    row.fps = select.number(6);
    row.video_frames = select.integer(7);
    row.recorded_bytes = select.integer(8);
    row.details = select.text(9);
    rows.push_back(std::move(row));
  }
  return rows;
}

void Catalogue::put(CatalogueRow row) {
  state_->later([row = std::move(row)](sqlite3* database) {
    Statement put(database, kPut);
    put.bind(row.id).bind(row.created_ms).bind(row.state).bind(row.prompt).bind(row.width).bind(row.height);
    put.bind(row.fps).bind(row.video_frames).bind(row.recorded_bytes).bind(row.details).step();
  });
}

void Catalogue::remove(std::string id) {
  state_->later([id = std::move(id)](sqlite3* database) { Statement(database, kRemove).bind(id).step(); });
}

void Catalogue::flush() {
  std::promise<void> done;
  state_->later([&](sqlite3*) { done.set_value(); });
  done.get_future().wait();
}

}  // namespace rushes::delivery
