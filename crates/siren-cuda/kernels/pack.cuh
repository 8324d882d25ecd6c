// Weights in the order in which tensor cores read them, once per step.
#pragma once

#include "product.cuh"

struct Maximum {
    Parameters parameters;
    long first;
    int elements;
    // Bits of the largest magnitude, one for each field; zero before.
    u32 *largest;
};

// The largest magnitude of a matrix. The order of a maximum is free, so blocks may meet in one number.
extern "C" __global__ void __launch_bounds__(THREADS) weight_maximum(const Maximum matrix) {
    const float *elements = matrix.parameters.of_field() + matrix.first;
    u32 own = 0;
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < matrix.elements; i += gridDim.x * THREADS) {
        own = max(own, __float_as_uint(fabsf(elements[i])));
    }
    float warp_largest = warp_maximum(__uint_as_float(own));
    if (threadIdx.x % 32 == 0) atomicMax(matrix.largest + blockIdx.z, __float_as_uint(warp_largest));
}

struct Pack {
    Parameters parameters;
    // Offset of W, whose elements (output, input) lie `output_stride` and `input_stride` apart.
    long first;
    int output_stride, input_stride;
    Weights weights;
    // Where weights.fragments points.
    u32 *fragments;
};

// One thread packs the pieces of four weights: elements (2 inputs, and 2 inputs 8 further) of one output.
extern "C" __global__ void __launch_bounds__(THREADS) pack(const Pack matrix) {
    const Weights &weights = matrix.weights;
    int output_tiles = weights.padded_outputs() / 8;
    long index = (long)blockIdx.x * THREADS + threadIdx.x;
    if (index >= (long)weights.padded_inputs() / 16 * output_tiles * 32) return;
    int lane = index % 32, n = index / 32 % output_tiles, k = index / 32 / output_tiles;
    const float *from = matrix.parameters.of_field() + matrix.first;
    float scale = power_of_two(weights.exponent());
    u32 *to = matrix.fragments + blockIdx.z * weights.field_length() + index * PIECES * 2;
    for (int half = 0; half < 2; half++) {
        int output = n * 8 + lane / 4, input = k * 16 + half * 8 + lane % 4 * 2;
        float w[2] = {0.0f, 0.0f};
        for (int e = 0; e < 2; e++) {
            if (output < weights.outputs && input + e < weights.inputs) {
                w[e] = from[(long)output * matrix.output_stride + (long)(input + e) * matrix.input_stride] * scale;
            }
        }
        u32 pieces[PIECES];
        split(w[0], w[1], pieces);
        for (int piece = 0; piece < PIECES; piece++) to[piece * 2 + half] = pieces[piece];
    }
}
