#include "frame_feed.h"

#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/base/log.h"

namespace rushes::python {
namespace {

// A step may not wait for long: the session is stopped and paused between steps.
constexpr std::chrono::milliseconds kWait{50};

class FeedGenerator final : public generation::Generator {
 public:
  FeedGenerator(std::shared_ptr<FrameQueue> frames, generation::VideoFormat format, std::string prompt)
      : frames_(std::move(frames)), format_(format), prompt_(std::move(prompt)) {}

  generation::VideoFormat format() const override { return format_; }
  bool at_block_border() const override { return true; }
  std::unique_ptr<Generator> fork() const override {
    fail(ErrorCode::unsupported, "a session with frames from a program cannot be forked");
  }
  int64_t bytes() const override { return 0; }

  generation::StepResult step(const generation::Inbox& inbox) override {
    generation::StepResult result;
    if (inbox.prompt) {
      prompt_ = *inbox.prompt;
      frames_->set_prompt(prompt_);
      result.events.push_back(generation::PromptApplied{prompt_, 0, blocks_});
    }
    if (const auto batch = frames_->pop()) {
      generation::FrameBlock block;
      block.rgb = batch->rgb;
      block.video_frames = batch->video_frames;
      block.height = format_.height;
      block.width = format_.width;
      block.fps = format_.fps;
      block.first_video_frame = made_;
      block.block = blocks_++;
      block.prompt = prompt_;
      made_ += batch->video_frames;
      result.events.push_back(std::move(block));
    }
    if (frames_->exhausted()) result.outcome = generation::StepOutcome::finished;
    return result;
  }

 private:
  std::shared_ptr<FrameQueue> frames_;
  generation::VideoFormat format_;
  std::string prompt_;
  int64_t made_ = 0, blocks_ = 0;
};

class FeedModel final : public generation::Model {
 public:
  FeedModel(std::shared_ptr<FrameQueue> frames, double fps, bool loop)
      : frames_(std::move(frames)), fps_(fps), options_(loop ? 1 : 0, kLoop) {}
  const generation::ModelCard& card() const override { return card_; }
  generation::Capabilities capabilities() const override {
    using generation::Modality;
    return {.takes = Modality::text, .needs = {}, .feeds = Modality::text, .yields = Modality::video, .endless = true};
  }
  std::span<const OptionField> options() const override { return options_; }
  std::unique_ptr<generation::Plan> plan(const generation::Request& request) const override {
    auto planned = std::make_unique<Planned>();
    const FrameQueue::Size size = frames_->size();
    planned->video = {.height = size.height, .width = size.width, .fps = fps_, .video_frames = {}};
    if (!request.prompts.empty()) planned->prompt = request.prompts.front();
    return planned;
  }
  std::unique_ptr<generation::Generator> start(std::unique_ptr<generation::Plan> plan) const override {
    const auto& planned = dynamic_cast<const Planned&>(*plan);
    return std::make_unique<FeedGenerator>(frames_, planned.video, planned.prompt);
  }

 private:
  struct Planned final : generation::Plan {
    generation::VideoFormat video;
    std::string prompt;
    generation::VideoFormat format() const override { return video; }
  };

  static inline const OptionField kLoop{.name = "loop",
                                        .type = OptionType::boolean,
                                        .doc = "pages play the video again from its start when it has ended",
                                        .standard = true};
  std::shared_ptr<FrameQueue> frames_;
  double fps_;
  const std::vector<OptionField> options_;
  const generation::ModelCard card_{.name = "frames", .family = "frames", .description = "frames of a program"};
};

server::ServerOptions server_options(const FrameServerOptions& options) {
  server::ServerOptions server;
  server.listen = {fmt::format(fmt::runtime(options.host.find(':') == std::string::npos ? "{}:{}" : "[{}]:{}"),
                               options.host, options.port)};
  server.data_directory = options.data_directory;
  server.web_root = options.web_root;
  server.sessions.max_running = 1;  // the program's
  server.access.no_auth = true;     // as the interface that this stands in for; it is the program that names the host
  server.drain = std::chrono::milliseconds{2'000};
  return server;
}

}  // namespace

bool FrameQueue::push(Batch batch) {
  {
    const std::scoped_lock lock(mutex_);
    if (closed_ || batches_.size() >= capacity_) return false;
    batches_.push_back(std::move(batch));
  }
  changed_.notify_all();
  return true;
}

void FrameQueue::set_size(Size size) {
  require(size.width > 0 && size.height > 0, ErrorCode::invalid_argument,
          "width and height must be positive (got {} and {})", size.width, size.height);
  const std::scoped_lock lock(mutex_);
  size_ = size;
}

FrameQueue::Size FrameQueue::size() const {
  const std::scoped_lock lock(mutex_);
  return size_;
}

std::optional<FrameQueue::Batch> FrameQueue::pop() {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kWait, [&] { return closed_ || !batches_.empty(); }) || batches_.empty())
    return std::nullopt;
  Batch batch = std::move(batches_.front());
  batches_.pop_front();
  return batch;
}

void FrameQueue::close() {
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

void FrameQueue::open() {
  const std::scoped_lock lock(mutex_);
  closed_ = false;
}

bool FrameQueue::exhausted() const {
  const std::scoped_lock lock(mutex_);
  return closed_ && batches_.empty();
}

void FrameQueue::set_prompt(std::string prompt) {
  const std::scoped_lock lock(mutex_);
  prompt_ = std::move(prompt);
}

std::optional<std::string> FrameQueue::take_prompt() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(prompt_, std::nullopt);
}

FrameServer::FrameServer(FrameServerOptions options)
    : options_(std::move(options)),
      frames_(std::make_shared<FrameQueue>(options_.queue, FrameQueue::Size{options_.width, options_.height})) {
  require(options_.width > 0 && options_.height > 0 && options_.fps > 0, ErrorCode::invalid_argument,
          "width, height and fps must be positive (got {}, {}, {})", options_.width, options_.height, options_.fps);
  server_ = std::make_unique<server::Server>(server_options(options_),
                                             std::make_shared<FeedModel>(frames_, options_.fps, options_.loop));
  thread_ = std::thread([this] {
    try {
      server_->run();
    } catch (const std::exception& error) {
      log::error("the frame server has ended: {}", error.what());
    }
  });
}

FrameServer::~FrameServer() { stop(); }

int FrameServer::port() const { return server_->ports().at(0); }

void FrameServer::stop() {
  frames_->close();
  server_->stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace rushes::python
