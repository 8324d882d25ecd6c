// Sums in double precision: squares of finite floats neither overflow nor vanish.
#pragma once

#include "primitives.cuh"

// Adds a number of each thread of the block, in an order that is always the same. Every thread returns the sum. All threads must
// meet before a second sum, which writes to the shared memory that slow warps still read.
__device__ __forceinline__ double block_sum(double own) {
    __shared__ double warp_sums[THREADS / 32];
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) own += __shfl_xor_sync(0xffffffff, own, offset);
    if (threadIdx.x % 32 == 0) warp_sums[threadIdx.x / 32] = own;
    __syncthreads();
    double sum = 0.0;
#pragma unroll
    for (int warp = 0; warp < THREADS / 32; warp++) sum += warp_sums[warp];
    return sum;
}
