// Speech for IMTalker's chunked sessions that comes without a header, or in pieces of which only the first has one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/server/talk_test_server.h"

namespace rushes::server {
namespace {

using testing::HasSubstr;

/// A piece with a media type of its own.
FormBody piece_of_type(const std::string& id, const std::string& bytes, const std::string& type) {
  FormBody form;
  form.add("session_id", id).add("is_final_chunk", "true");
  form.text +=
      "--b0undary\r\nContent-Disposition: form-data; name=\"audio_chunk\"; filename=\"chunk\"\r\nContent-Type: " +
      type + "\r\n\r\n" + bytes + "\r\n";
  return form;
}

TEST_F(TalkServer, speech_without_a_header_is_heard_where_it_is_said_how_it_is_written) {
  const auto server = start();
  const std::string wav = media::wav_file(media::test_audio(8'000), 16'000), bare = wav.substr(44);
  std::string swapped = bare, floats;
  for (std::size_t i = 0; i + 1 < swapped.size(); i += 2) std::swap(swapped[i], swapped[i + 1]);
  for (const float value : media::test_audio(8'000)) floats.append(reinterpret_cast<const char*>(&value), sizeof value);
  const auto begin = [&](const std::string& id, const std::string& rate, const std::string& format = {}) {
    FormBody form;
    form.add("image", picture(), true).add("session_id", id).add("mode", "aligned");
    if (!rate.empty()) form.add("audio_sample_rate", rate);
    if (!format.empty()) form.add("format", format);
    return post(*server, "/api/audio-driven/chunked/init", form).status;
  };
  const auto complete = [&](const std::string& id) {
    EXPECT_EQ(wait_for(*server, id, "complete")["total_frames_generated"], 13) << id;  // half a second
  };
  ASSERT_EQ(begin("rate", "16000"), 200);
  const Reply guessed = feed(*server, "rate", bare, true);
  ASSERT_EQ(guessed.status, 200) << guessed.body;
  EXPECT_THAT(guessed.json()["warnings"][0].get<std::string>(), HasSubstr("s16le, 16000 Hz"));
  complete("rate");
  ASSERT_EQ(begin("format", "16000", "f32le"), 200);
  EXPECT_EQ(feed(*server, "format", floats, true).status, 200);
  complete("format");
  for (const auto& [type, bytes] : {std::pair<std::string, std::string>{"audio/L16;rate=16000", swapped},
                                    {"audio/pcm;rate=16000;channels=1", bare},
                                    {"audio/pcm;rate=8000;channels=2", bare}}) {
    SCOPED_TRACE(type);
    ASSERT_EQ(begin("type", ""), 200);
    const Reply fed = post(*server, "/api/audio-driven/chunked/feed", piece_of_type("type", bytes, type));
    ASSERT_EQ(fed.status, 200) << fed.body;
    complete("type");
  }
  for (const char* rate : {"0", "-5", "1", "999", "768001", "999999999", "99999999999"})
    for (const char* format : {"", "s16le"}) EXPECT_EQ(begin("wrong", rate, format), 400) << rate;
  for (const char* rate : {"1000", "768000"}) EXPECT_EQ(begin("bound", rate), 200) << rate;
  ASSERT_EQ(begin("none", ""), 200);
  EXPECT_EQ(feed(*server, "none", bare, true).status, 500);
  EXPECT_EQ(begin("wrong", "16000", "mp3"), 400);
  EXPECT_EQ(post(*server, "/api/audio-driven/chunked/feed", piece_of_type("none", bare, "audio/L16;rate=x")).status,
            400);
}

TEST_F(TalkServer, mp3_which_has_no_magic_word_is_no_samples_where_samples_are_expected) {
  const auto server = start();
  const std::string stream = media::silent_mp3(38);  // 0.99 s; as samples it would be half of that
  for (const std::size_t size : {std::size_t{300}, std::size_t{777}, std::size_t{4000}, stream.size()}) {
    SCOPED_TRACE(size);
    ASSERT_EQ(post(*server, "/api/audio-driven/chunked/init",
                   FormBody()
                       .add("image", picture(), true)
                       .add("session_id", "mp3")
                       .add("mode", "aligned")
                       .add("audio_sample_rate", "16000"))
                  .status,
              200);
    for (std::size_t at = 0; at < stream.size(); at += size) {
      const Reply fed = feed(*server, "mp3", stream.substr(at, size), at + size >= stream.size());
      ASSERT_EQ(fed.status, 200) << fed.body;
      EXPECT_FALSE(fed.json().contains("warnings")) << fed.body;
    }
    EXPECT_NEAR(wait_for(*server, "mp3", "complete")["total_frames_generated"].get<double>(), 25, 1);
  }
}

TEST_F(TalkServer, a_file_of_which_nothing_can_be_heard_does_not_complete_in_silence) {
  const auto server = start();
  ASSERT_EQ(init(*server, "abc", "aligned").status, 200);
  const std::string file = media::mp4_without_index();
  EXPECT_EQ(feed(*server, "abc", file.substr(0, 2000), false).status, 200);
  const Reply last = feed(*server, "abc", file.substr(2000), true);
  EXPECT_NE(last.status, 200);
  EXPECT_THAT(last.json()["detail"], HasSubstr("before its index (moov)"));
  EXPECT_THAT(wait_for(*server, "abc", "error")["error"], HasSubstr("before its index (moov)"));
}

TEST_F(TalkServer, pieces_of_which_only_the_first_has_a_header_are_one_stream) {
  const auto server = start();
  ASSERT_EQ(init(*server, "abc", "aligned").status, 200);
  const std::string file = media::wav_file(media::test_audio(16'000), 16'000, 1, 0xffffffff);
  for (std::size_t at = 0; at < file.size(); at += 6001) {
    const Reply fed = feed(*server, "abc", file.substr(at, 6001), at + 6001 >= file.size());
    ASSERT_EQ(fed.status, 200) << fed.body;
  }
  const json done = wait_for(*server, "abc", "complete");
  EXPECT_EQ(done["total_frames_generated"], 25);
  EXPECT_EQ(done["buffer_samples"], 16'000);
}

}  // namespace
}  // namespace rushes::server
