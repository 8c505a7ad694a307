// Owner of the tests' precompiled header.
#include "rushes/base/test_pch.h"
