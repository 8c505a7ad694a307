#include "rushes/delivery/catalogue.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
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
/// `reason`: the system's number of it.
ErrorCode code_of(int result, int reason) {
  switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ErrorCode::conflict;
    case SQLITE_CANTOPEN:
      // There is no room for what stands beside it.
      if (reason == ENOSPC || reason == EDQUOT || reason == EFBIG || reason == EMFILE || reason == ENFILE)
        return ErrorCode::unavailable;
      [[fallthrough]];
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_READONLY: return ErrorCode::corrupt_data;
    default: return ErrorCode::unavailable;
  }
}

/// Throws Error with code_of() the result, if it is one of failure, naming the file and what the system says.
void check(sqlite3* database, int result) {
  if (result == SQLITE_OK) return;
  const bool of_system = (result & 0xff) == SQLITE_IOERR || (result & 0xff) == SQLITE_CANTOPEN;
  const int reason = of_system ? sqlite3_system_errno(database) : 0;
  const char* path = sqlite3_db_filename(database, "main");  // null where it could not even be opened
  fail(code_of(result, reason), "the catalogue of recordings {}: {}{}", path ? path : "", sqlite3_errmsg(database),
       reason ? fmt::format(" ({})", std::strerror(reason)) : "");
}

/// One SQL statement; bound and read by column. Throws Error with code_of() the result.
class Statement {
 public:
  Statement(sqlite3* database, const char* sql) : database_(database) {
    check(database, sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr));
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(const std::string& value) {
    check(database_,
          sqlite3_bind_text(statement_, ++bound_, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT));
    return *this;
  }
  Statement& bind(int64_t value) {
    check(database_, sqlite3_bind_int64(statement_, ++bound_, value));
    return *this;
  }
  Statement& bind(double value) {
    check(database_, sqlite3_bind_double(statement_, ++bound_, value));
    return *this;
  }
  /// False: no further row.
  bool step() {
    const int result = sqlite3_step(statement_);
    if (result != SQLITE_ROW && result != SQLITE_DONE) check(database_, result);
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
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

void run(sqlite3* database, const char* sql) {
  Statement statement(database, sql);
  while (statement.step()) {}
}

/// alone: no other program may look into it meanwhile, and nothing beside it is needed on the disk.
enum class Opened { shared, alone };

/// Throws as check().
Handle open_database(const fs::path& path, Opened how) {
  sqlite3* opened = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Handle database(opened);
  require(opened != nullptr, ErrorCode::unavailable, "out of memory for the catalogue {}", path.string());
  check(opened, result);
  sqlite3_busy_timeout(opened, kBusyMs);
  if (how == Opened::alone) run(opened, "PRAGMA locking_mode=EXCLUSIVE");
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

/// Of one that exists nothing is written, so that a lock for writing does not matter. Throws as check() and
/// has_version().
Handle with_table(Handle database, const fs::path& path) {
  const bool is_new = !has_version(database.get(), path);
  run(database.get(), kCreate);
  if (is_new) run(database.get(), fmt::format("PRAGMA user_version={}", kVersion).c_str());
  return database;
}

/// Throws as with_table().
Handle open_catalogue(const fs::path& path) {
  Handle database;
  try {
    database = open_database(path, Opened::shared);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::corrupt_data) throw;
    const std::string aside = put_aside(path);
    log::warning("{}; it was renamed to {}, and a new catalogue is built from the recordings", error.what(), aside);
    database = open_database(path, Opened::shared);
  }
  return with_table(std::move(database), path);
}

std::vector<CatalogueRow> rows_of(sqlite3* database) {
  std::vector<CatalogueRow> rows;
  Statement select(database, kSelect);
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

/// What a database has to which nothing can be written, since the disk is full. Throws as check().
std::vector<CatalogueRow> rows_without_writing(const fs::path& path) {
  std::error_code status;
  if (const auto bytes = fs::file_size(path, status); status || bytes == 0) return {};  // never written to
  const Handle database = open_database(path, Opened::alone);
  return has_version(database.get(), path) ? rows_of(database.get()) : std::vector<CatalogueRow>();
}

/// A lock that ends with the process, however it ends.
class DirectoryLock {
 public:
  explicit DirectoryLock(const fs::path& directory) {
    file_ = ::open((directory / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file_ < 0)
      fail(ErrorCode::unavailable,
           "cannot write to the data directory {}: {}; make room, or choose another one with --data-dir",
           directory.string(), std::strerror(errno));
    if (::flock(file_, LOCK_EX | LOCK_NB) == 0) return;
    ::close(file_);
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
  explicit State(const fs::path& directory) : lock(directory), path(directory / "catalogue.sqlite") {
    try {
      database = open_catalogue(path);
    } catch (const Error& error) {
      require(error.code() != ErrorCode::conflict, ErrorCode::unavailable,
              "another program has locked the catalogue {}; end it, or choose another --data-dir", path.string());
      if (error.code() != ErrorCode::unavailable) throw;
      read_without_writing(error.what());
    }
    writer = std::jthread([this](const std::stop_token& stop) { write_until(stop); });
  }

  /// A full disk must not keep the server from its start: with its help room is made.
  void read_without_writing(std::string_view reason) {
    try {
      found = rows_without_writing(path);
    } catch (const Error& error) {
      fail(ErrorCode::unavailable, "{}; make room on the disk, or choose another --data-dir", error.what());
    }
    failing = true;
    log::warning("{}; nothing is written to it until this is possible: delete recordings, or choose another --data-dir",
                 reason);
  }

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
    if (!database) database = with_table(open_database(path, Opened::shared), path);
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
  const fs::path path;
  Handle database;                  // null: nothing can be written; the thread's own then
  std::vector<CatalogueRow> found;  // in a database that is not open
  std::mutex mutex;
  std::condition_variable_any changed;
  Waiting waiting;
  bool writing = false, failing = false;
  std::jthread writer;
};

Catalogue::Catalogue(const fs::path& directory) : state_(std::make_unique<State>(directory)) {}

Catalogue::~Catalogue() { close(); }

void Catalogue::close() {
  state_->writer.request_stop();
  if (state_->writer.joinable()) state_->writer.join();
}

std::vector<CatalogueRow> Catalogue::rows() const {
  return state_->database ? rows_of(state_->database.get()) : state_->found;
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
