// The CUDA engine: multilayer perceptrons with spatial derivatives, forward and backward. Read in this order: rows.cuh (where jets lie),
// product.cuh (a tile of a matrix product), pointwise.cuh (activations of jets), forward.cuh, backward.cuh, narrow.cuh, gradient.cuh, pack.cuh,
// loss.cuh. Arrays and optimizers are in training.cu.
#include "forward.cuh"
#include "backward.cuh"
#include "narrow.cuh"
#include "gradient.cuh"
#include "pack.cuh"
#include "loss.cuh"
