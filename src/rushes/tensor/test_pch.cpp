// Owner of the precompiled header of tests with libtorch.
#include "rushes/tensor/test_pch.h"
