// Owner of the one precompiled libtorch header.
#include "rushes/tensor/ops.h"
