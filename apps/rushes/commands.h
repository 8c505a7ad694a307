// The sub-commands: each adds itself to the command line and runs from its callback. They throw rushes::Error; main
// turns that into a message and an exit code.
#pragma once
#include <CLI/CLI.hpp>

namespace rushes::app {

void add_avatar(CLI::App& app);              // talk.cpp
void add_bench(CLI::App& app);               // bench.cpp
void add_client(CLI::App& app);              // client.cpp
void add_describe(CLI::App& app);            // foresee.cpp
void add_foresee(CLI::App& app);             // foresee.cpp
void add_generate(CLI::App& app);            // generate.cpp
void add_inspect(CLI::App& app);             // inspect.cpp
void add_portrait(CLI::App& app);            // portrait.cpp
void add_report(CLI::App& app);              // report.cpp
void add_serve(CLI::App& app);               // serve.cpp
void add_stream(CLI::App& app);              // stream.cpp
void add_talk(CLI::App& app);                // talk.cpp
void add_talk_stages(CLI::App* train);       // train_talk.cpp: those of `train` that make the talking head
void add_portrait_stages(CLI::App* train);   // train_ditto.cpp
void add_avatar_stages(CLI::App* train);     // train_avatar.cpp
void add_foresight_stages(CLI::App* train);  // train_foresight.cpp
void add_train(CLI::App& app);               // train.cpp
void add_verify(CLI::App& app);              // verify.cpp

}  // namespace rushes::app
