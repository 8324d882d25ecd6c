// Backward pass through the layers: gradients with respect to their preactivations.
#pragma once

#include "pointwise.cuh"

struct Scatter {
    Jets jets;
    // Gradient with respect to the jets (field, point, channel, component).
    const float *d_jets;
    // The same as rows of the last layer, whose width is the number of channels.
    Rows out;
};

// Copies gradients with respect to jets to rows. One thread has one row.
extern "C" __global__ void __launch_bounds__(THREADS) scatter(const Scatter scatter) {
    const Jets &jets = scatter.jets;
    const Rows &out = scatter.out;
    int row = threadIdx.x, component = row / jets.points_per_tile, point = row % jets.points_per_tile;
    bool is_point = component < jets.components() && point < jets.tile_points();
    long index = (long)blockIdx.z * jets.points + (long)blockIdx.x * jets.points_per_tile + point;
    TileOfRows to = out.here();
    for (int tile = 0; tile < to.column_tiles; tile++) {
        float largest = 0.0f;
        for (int channel = tile * TILE_COLUMNS; channel < min(out.stride, (tile + 1) * TILE_COLUMNS); channel++) {
            float value = 0.0f;
            if (is_point && channel < out.width) value = scatter.d_jets[(index * out.width + channel) * jets.components() + component];
            to.row(row)[channel] = value;
            // Written so that NaN stays.
            largest = fabsf(value) <= largest ? largest : fabsf(value);
        }
        to.maxima[row * to.column_tiles + tile] = largest;
    }
}

struct LayerBackward {
    Jets jets;
    // Gradient with respect to z of this layer.
    Rows d_output;
    // The weights of this layer, packed so that its outputs are multiplied.
    Weights weights;
    // Activation and z of the layer below (σ'(z) if there are only values), and the gradient with respect to this z.
    Activation activation;
    Rows z;
    Rows d_input;
};

// z̄ of the layer below: h̄ = Wᵀ z̄, then backward through its activation.
extern "C" __global__ void __launch_bounds__(THREADS, LAYER_BLOCKS) layer_backward(const LayerBackward layer) {
    extern __shared__ __align__(16) unsigned char shared[];
    ProductMemory &memory = *reinterpret_cast<ProductMemory *>(shared);
    const Jets &jets = layer.jets;
    multiply_tile(memory, layer.d_output, layer.weights);
    TileOfRows z = layer.z.here();
    if (jets.values_only()) {
        change_and_store_values(memory, jets, layer.d_input, [&](int point, int column, float d[4]) {
            float4 slope = *reinterpret_cast<const float4 *>(z.row(point) + column);
            d[0] *= slope.x;
            d[1] *= slope.y;
            d[2] *= slope.z;
            d[3] *= slope.w;
        });
    } else {
        change_and_store(memory, jets, layer.d_input, [&](int point, int column, Element d) {
            Element x = {z.row(point) + column, jets.points_per_tile * z.stride};
            activate_backward(jets, layer.activation, x, d);
        });
    }
}
