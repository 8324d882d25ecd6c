// Weights in the order in which tensor cores read them, once per step, all layers in one launch.
#pragma once

#include "product.cuh"

// A layer whose weights are packed.
struct PackedLayer {
    // Offset of W (outputs, inputs) in the parameters.
    long first;
    // Offset of its fragments.
    long fragments;
    int inputs, outputs;
};

struct Maximum {
    Parameters parameters;
    const PackedLayer *layers;
    // Bits of the largest magnitudes (layer, field); zero before.
    u32 *largest;
};

// The largest magnitude of each matrix. The order of a maximum is free, so blocks may meet in one number. Blocks (x, y, z): (some, layer,
// field).
extern "C" __global__ void __launch_bounds__(THREADS) weight_maximum(const Maximum matrices) {
    PackedLayer layer = matrices.layers[blockIdx.y];
    const float *elements = matrices.parameters.of_field() + layer.first;
    u32 own = 0;
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < layer.inputs * layer.outputs; i += gridDim.x * THREADS) {
        own = max(own, __float_as_uint(fabsf(elements[i])));
    }
    float warp_largest = warp_maximum(__uint_as_float(own));
    if (threadIdx.x % 32 == 0) atomicMax(matrices.largest + blockIdx.y * gridDim.z + blockIdx.z, __float_as_uint(warp_largest));
}

struct Pack {
    Parameters parameters;
    const PackedLayer *layers;
    const u32 *largest;
    u32 *fragments;
    // 0: W for z = W h. 1: its transpose for h̄ = Wᵀ z̄, with inputs and outputs exchanged.
    int is_backward;
};

// One thread packs the pieces of four weights: elements (2 inputs, and 2 inputs 8 further) of one output. Blocks (x, y, z): (some, layer,
// field).
extern "C" __global__ void __launch_bounds__(THREADS) pack(const Pack matrices) {
    PackedLayer layer = matrices.layers[blockIdx.y];
    bool is_backward = matrices.is_backward;
    int output_stride = is_backward ? 1 : layer.inputs, input_stride = is_backward ? layer.inputs : 1;
    Weights weights = {matrices.fragments + layer.fragments, matrices.largest + blockIdx.y * gridDim.z,
                       is_backward ? layer.outputs : layer.inputs, is_backward ? layer.inputs : layer.outputs};
    int output_tiles = weights.padded_outputs() / 8;
    long index = (long)blockIdx.x * THREADS + threadIdx.x;
    if (index >= (long)weights.padded_inputs() / 16 * output_tiles * 32) return;
    int lane = index % 32, n = index / 32 % output_tiles, k = index / 32 / output_tiles;
    const float *from = matrices.parameters.of_field() + layer.first;
    float scale = power_of_two(weights.exponent());
    u32 *to = matrices.fragments + layer.fragments + blockIdx.z * weights.field_length() + index * PIECES * 2;
    for (int half = 0; half < 2; half++) {
        int output = n * 8 + lane / 4, input = k * 16 + half * 8 + lane % 4 * 2;
        float w[2] = {0.0f, 0.0f};
        for (int e = 0; e < 2; e++) {
            if (output < weights.outputs && input + e < weights.inputs) {
                w[e] = from[(long)output * output_stride + (long)(input + e) * input_stride] * scale;
            }
        }
        u32 pieces[PIECES];
        split(w[0], w[1], pieces);
        for (int piece = 0; piece < PIECES; piece++) to[piece * 2 + half] = pieces[piece];
    }
}
