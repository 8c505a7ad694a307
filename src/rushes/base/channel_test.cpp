#include "rushes/base/channel.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace rushes::base {
namespace {

TEST(Channel, hands_values_over_in_order) {
  Channel<int> channel(4);
  std::jthread sender([&] {
    for (int i = 0; i < 100; ++i) channel.send(i);
    channel.close();
  });
  std::vector<int> received;
  while (auto value = channel.receive()) received.push_back(*value);
  ASSERT_EQ(received.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(received[static_cast<std::size_t>(i)], i);
}

TEST(Channel, a_sender_into_a_full_channel_that_is_stopped_leaves_what_is_there) {
  Channel<int> channel(1);
  EXPECT_TRUE(channel.send(1));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(channel.send(2, stop.get_token()));
  EXPECT_EQ(channel.receive(), 1);
  EXPECT_EQ(channel.size(), 0u);
}

TEST(Channel, a_closed_channel_gives_what_is_left_and_then_nothing) {
  Channel<int> channel(2);
  channel.send(7);
  channel.close();
  EXPECT_FALSE(channel.send(8));
  EXPECT_EQ(channel.receive(), 7);
  EXPECT_EQ(channel.receive(), std::nullopt);
}

TEST(Channel, a_stop_request_ends_a_waiting_receiver) {
  Channel<int> channel(1);
  std::jthread receiver([&](std::stop_token stop) { EXPECT_EQ(channel.receive(stop), std::nullopt); });
  receiver.request_stop();
}

}  // namespace
}  // namespace rushes::base
