#include "rushes/delivery/catalogue.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/base/log.h"

namespace rushes::delivery {
namespace fs = std::filesystem;
namespace {

using Waiting = std::map<std::string, std::optional<CatalogueRow>>;  // by id; without a row it is to be removed

constexpr int kBusyMs = 5000;  // that somebody is waited for who looks into it with another program
constexpr std::chrono::seconds kRetry{1};
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

/// corrupt_data: the file is of no use; conflict: another program has it locked; unavailable: disk full and the like.
ErrorCode code_of(int result) {
  switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ErrorCode::conflict;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN: return ErrorCode::corrupt_data;
    default: return ErrorCode::unavailable;
  }
}

/// One SQL statement; bound and read by column. Throws Error with code_of() the result.
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
    require(result == SQLITE_OK, code_of(result), "the catalogue of recordings: {}", sqlite3_errmsg(database_));
  }

  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

void run(sqlite3* database, const char* sql) {
  Statement statement(database, sql);
  while (statement.step()) {}
}

/// Throws as Statement.
Handle open_database(const fs::path& path) {
  sqlite3* opened = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Handle database(opened);
  require(result == SQLITE_OK, code_of(result), "the catalogue {} cannot be opened: {}", path.string(),
          sqlite3_errstr(result));
  sqlite3_busy_timeout(opened, kBusyMs);
  // A commit appends to the log, without waiting for the disk; the database itself is never half written.
  run(opened, "PRAGMA journal_mode=WAL");
  run(opened, "PRAGMA synchronous=NORMAL");
  Statement check(opened, "PRAGMA quick_check(1)");
  require(check.step() && check.text(0) == "ok", ErrorCode::corrupt_data, "the catalogue {} is damaged", path.string());
  return database;
}

/// False: there is no table yet.
bool has_version(sqlite3* database, const fs::path& path) {
  Statement version(database, "PRAGMA user_version");
  const int64_t found = version.step() ? version.integer(0) : 0;
  require(found <= kVersion, ErrorCode::invalid_argument,
          "the catalogue {} was written by a newer version of rushes; upgrade rushes or choose another --data-dir",
          path.string());
  return found == kVersion;
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

/// As Catalogue's constructor. Of one that exists nothing is written, so that a lock for writing does not matter.
Handle open_catalogue(const fs::path& path) try {
  Handle database;
  try {
    database = open_database(path);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::corrupt_data) throw;
    const std::string aside = put_aside(path);
    log::warning("{}; it was renamed to {}, and a new catalogue is built from the recordings", error.what(), aside);
    database = open_database(path);
  }
  const bool is_new = !has_version(database.get(), path);
  run(database.get(), kCreate);
  if (is_new) run(database.get(), fmt::format("PRAGMA user_version={}", kVersion).c_str());
  return database;
} catch (const Error& error) {
  require(error.code() != ErrorCode::conflict, ErrorCode::unavailable,
          "another program has locked the catalogue {}; end it, or choose another --data-dir", path.string());
  throw;
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

/// What is to be written, and the thread that writes it. Of each session only its newest row waits, so that however
/// long somebody else has the database locked, it is no more than the sessions.
struct Catalogue::State {
  explicit State(const fs::path& directory)
      : lock(directory), database(open_catalogue(directory / "catalogue.sqlite")) {}

  void later(std::string id, std::optional<CatalogueRow> row) {
    const std::scoped_lock locked(mutex);
    waiting.insert_or_assign(std::move(id), std::move(row));
    changed.notify_all();
  }

  void write_until(const std::stop_token& stop) {
    std::unique_lock locked(mutex);
    while (changed.wait(locked, stop, [this] { return !waiting.empty(); })) {
      Waiting rows = std::exchange(waiting, {});
      writing = true;
      locked.unlock();
      const bool written = write(rows);
      locked.lock();
      writing = false;
      if (!written) waiting.merge(rows);  // what has come meanwhile is newer
      failing = !written;
      changed.notify_all();
      if (written) continue;
      if (stop.stop_requested()) return log::warning("{} sessions are not in the catalogue", waiting.size());
      changed.wait_for(locked, stop, kRetry, [] { return false; });
    }
  }

  /// All of it, or nothing.
  bool write(const Waiting& rows) try {
    run(database.get(), "BEGIN IMMEDIATE");
    try {
      for (const auto& [id, row] : rows) {
        if (!row) {
          Statement(database.get(), kRemove).bind(id).step();
          continue;
        }
        Statement put(database.get(), kPut);
        put.bind(row->id).bind(row->created_ms).bind(row->state).bind(row->prompt).bind(row->width).bind(row->height);
        put.bind(row->fps).bind(row->video_frames).bind(row->recorded_bytes).bind(row->details).step();
      }
      run(database.get(), "COMMIT");
    } catch (...) {
      if (!sqlite3_get_autocommit(database.get())) run(database.get(), "ROLLBACK");
      throw;
    }
    if (failing) log::info("the catalogue of recordings is written again");
    return true;
  } catch (const std::exception& error) {
    if (!failing) log::warning("{}; {} sessions are written when this is possible again", error.what(), rows.size());
    return false;
  }

  DirectoryLock lock;
  Handle database;
  std::mutex mutex;
  std::condition_variable_any changed;
  Waiting waiting;
  bool writing = false, failing = false;
  std::jthread writer{[this](const std::stop_token& stop) { write_until(stop); }};
};

Catalogue::Catalogue(const fs::path& directory) : state_(std::make_unique<State>(directory)) {}

Catalogue::~Catalogue() { close(); }

void Catalogue::close() {
  state_->writer.request_stop();
  if (state_->writer.joinable()) state_->writer.join();
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
  std::string id = row.id;
  state_->later(std::move(id), std::move(row));
}

void Catalogue::remove(std::string id) { state_->later(std::move(id), std::nullopt); }

void Catalogue::flush() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return state_->waiting.empty() && !state_->writing; });
}

std::size_t Catalogue::waiting() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->waiting.size();
}

}  // namespace rushes::delivery
