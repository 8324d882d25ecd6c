// Arrays of floats.
#pragma once

#include "sums.cuh"

struct SumOfSquares {
    const float *elements;
    long length;
    // The sum of each block.
    double *sums;
};

// The squares of every gridDim.x-th group of THREADS elements.
extern "C" __global__ void __launch_bounds__(THREADS) sum_of_squares(const SumOfSquares array) {
    double squares = 0.0;
    for (long i = (long)blockIdx.x * THREADS + threadIdx.x; i < array.length; i += (long)gridDim.x * THREADS) {
        double element = array.elements[i];
        squares = fma(element, element, squares);
    }
    double sum = block_sum(squares);
    if (threadIdx.x == 0) array.sums[blockIdx.x] = sum;
}

struct Addition {
    // The array to which `from` is added.
    float *sum;
    const float *from;
    long length;
};

extern "C" __global__ void __launch_bounds__(THREADS) add(const Addition arrays) {
    long i = (long)blockIdx.x * THREADS + threadIdx.x;
    if (i < arrays.length) arrays.sum[i] += arrays.from[i];
}

struct Gather {
    // Rows (row, column), and the index of the row that each row of the output is.
    const float *from;
    const u32 *indices;
    float *out;
    // Elements of the output.
    long length;
    long width;
};

extern "C" __global__ void __launch_bounds__(THREADS) gather(const Gather rows) {
    long i = (long)blockIdx.x * THREADS + threadIdx.x;
    if (i >= rows.length) return;
    long row = i / rows.width, column = i % rows.width;
    rows.out[i] = rows.from[rows.indices[row] * rows.width + column];
}
