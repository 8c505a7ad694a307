// What the tests of the layers with libtorch spend their compile time on. Each still includes what it uses.
#pragma once
#include "rushes/base/test_pch.h"
#include "rushes/tensor/ops.h"
