// Frames that a program makes itself, as a model that the server can serve: what is pushed here goes to every viewer
// (page, HLS, WebRTC, MP4), encoded once.
#pragma once
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "rushes/generation/generator.h"
#include "rushes/server/server.h"

namespace rushes::python {

/// The queue between the program and the session. Any thread.
class FrameQueue {
 public:
  struct Batch {
    std::shared_ptr<const uint8_t> rgb;  // [T, H, W, 3]
    int64_t video_frames = 0;
  };
  struct Size {
    int64_t width = 0, height = 0;
  };
  FrameQueue(std::size_t capacity, Size size) : capacity_(capacity), size_(size) {}
  /// For the session that starts next.
  void set_size(Size size);
  Size size() const;
  /// False when it is full or closed.
  bool push(Batch batch);
  /// Waits a little; nothing: none came.
  std::optional<Batch> pop();
  void close();
  /// For the session that starts next, when the one before has ended.
  void open();
  bool exhausted() const;  // closed, and everything was taken

  /// What viewers typed, the newest; for the program.
  void set_prompt(std::string prompt);
  std::optional<std::string> take_prompt();

 private:
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> batches_;
  Size size_;
  std::optional<std::string> prompt_;
  bool closed_ = false;
};

struct FrameServerOptions {
  int64_t width = 0, height = 0;
  double fps = 16;
  std::string host = "127.0.0.1";
  int port = 8000;  // 0: any free one
  std::string data_directory, web_root;
  std::size_t queue = 100;  // batches
  bool loop = false;        // pages play a video again from its start when it has ended
};

/// A server in this process with one model: the queue. The program starts a session through the API of it.
class FrameServer {
 public:
  explicit FrameServer(FrameServerOptions options);
  ~FrameServer();
  FrameServer(const FrameServer&) = delete;
  FrameServer& operator=(const FrameServer&) = delete;

  int port() const;
  FrameQueue& frames() { return *frames_; }
  const FrameServerOptions& options() const { return options_; }
  /// Ends the session and the server; may be called twice.
  void stop();

 private:
  const FrameServerOptions options_;
  std::shared_ptr<FrameQueue> frames_;
  std::unique_ptr<server::Server> server_;
  std::thread thread_;
};

}  // namespace rushes::python
