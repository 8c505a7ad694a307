// What the files here spend their compile time on. Each still includes what it uses.
#pragma once
#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include "rushes/tensor/ops.h"
