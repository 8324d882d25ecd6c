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
    // Activation and z of the layer below (σ'(z) for JetShape VALUES), and the gradient with respect to this z.
    Activation activation;
    Rows z;
    Rows d_input;
};

// For C components of sines, of which D are gradients.
template <int C, int D>
__device__ __forceinline__ void store_backward_fours(ProductMemory &memory, const Jets &jets, const LayerBackward &layer) {
    TileOfRows saved = layer.z.here();
    change_and_store_fours<C>(memory, jets, layer.d_input, [&](int point, int column, Four<C> &d) {
        Four<C> z;
#pragma unroll
        for (int c = 0; c < C; c++) z.load(c, saved.row(c * jets.points_per_tile + point) + column);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            if (C == 1) {
                d.x[0][e] *= z.x[0][e];
            } else {
                activate_four_backward<C, D>(z, d, e, sine(layer.activation.a, z.x[0][e]));
            }
        }
    });
}

// z̄ of the layer below: h̄ = Wᵀ z̄, then backward through its activation.
extern "C" __global__ void __launch_bounds__(THREADS, LAYER_BLOCKS) layer_backward(const LayerBackward layer) {
    extern __shared__ __align__(16) unsigned char shared[];
    ProductMemory &memory = *reinterpret_cast<ProductMemory *>(shared);
    const Jets &jets = layer.jets;
    multiply_tile<4>(memory, layer.d_output, layer.weights, layer.d_input.stride);
    bool is_sine = layer.activation.kind == SINE;
    if (jets.shape == VALUES) {
        store_backward_fours<1, 0>(memory, jets, layer);
    } else if (jets.shape == GRADIENT_2 && is_sine) {
        store_backward_fours<3, 2>(memory, jets, layer);
    } else if (jets.shape == LAPLACIAN_2 && is_sine) {
        store_backward_fours<4, 2>(memory, jets, layer);
    } else if (jets.shape == GRADIENT_3 && is_sine) {
        store_backward_fours<4, 3>(memory, jets, layer);
    } else if (jets.shape == LAPLACIAN_3 && is_sine) {
        store_backward_fours<5, 3>(memory, jets, layer);
    } else {
        TileOfRows z = layer.z.here();
        change_and_store(memory, jets, layer.d_input, [&](int point, int column, Element d) {
            Element x = {z.row(point) + column, jets.points_per_tile * z.stride};
            activate_backward(jets, layer.activation, x, d);
        });
    }
    store_maxima(memory, layer.d_input);
}
