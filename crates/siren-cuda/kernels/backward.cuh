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

// Copies gradients with respect to jets to rows, and returns the largest magnitude of this thread's row. One thread has one row.
__device__ __forceinline__ float scatter_row(const ResultTile &result, const Scatter &scatter) {
    const Jets &jets = scatter.jets;
    const Rows &out = scatter.out;
    int row = result.thread, component = row / jets.points_per_tile, point = row % jets.points_per_tile;
    bool is_point = component < jets.components() && point < jets.tile_points();
    long index = (long)blockIdx.z * jets.points + (long)blockIdx.y * jets.points_per_tile + point;
    const float *from = scatter.d_jets + index * out.width * jets.components() + component;
    float *to = out.here().row(row), largest = 0.0f;
    int first = result.first_column();
    for (int channel = first; channel < min(out.stride, first + TILE_COLUMNS); channel += 4) {
        float x[4];
#pragma unroll
        for (int e = 0; e < 4; e++) {
            x[e] = is_point && channel + e < out.width ? from[(channel + e) * jets.components()] : 0.0f;
            // Written so that NaN stays.
            largest = fabsf(x[e]) <= largest ? largest : fabsf(x[e]);
        }
        float4 four = make_float4(x[0], x[1], x[2], x[3]);
        store_global(to + channel, four);
        if (result.keeps_activations) store_shared(result.row(row) + channel - first, four);
    }
    return largest;
}

// Blocks (x, y, z): (channels, tile, field).
extern "C" __global__ void __launch_bounds__(THREADS) scatter(const Scatter scatter) {
    ResultTile result = {nullptr, 0, nullptr, (int)blockIdx.x, (int)threadIdx.x, false};
    TileOfRows to = scatter.out.here();
    to.maxima[threadIdx.x * to.column_tiles + blockIdx.x] = scatter_row(result, scatter);
}

// How a product becomes the gradient with respect to the preactivations of the layer below.
struct BackwardStep {
    // The weights of this layer, packed so that its outputs are multiplied.
    Weights weights;
    // Activation and z of the layer below (σ'(z) for JetShape VALUES), and the gradient with respect to this z.
    Activation activation;
    Rows z;
    Rows d_input;
};

struct LayerBackward {
    Jets jets;
    // Gradient with respect to z of this layer.
    Rows d_output;
    BackwardStep step;
};

// For C components of sines, of which D are gradients.
template <int C, int D, int BATCH>
__device__ __forceinline__ void store_backward_fours(const ResultTile &result, const Jets &jets, const BackwardStep &step) {
    TileOfRows saved = step.z.here();
    auto load = [&](int point, int column) {
        Four<C> z;
#pragma unroll
        for (int c = 0; c < C; c++) z.load(c, saved.row(c * jets.points_per_tile + point) + column);
        return z;
    };
    change_and_store_fours<C, BATCH>(result, jets, step.d_input, load, [&](int, int, Four<C> &d, const Four<C> &z) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
            if (C == 1) {
                d.x[0][e] *= z.x[0][e];
            } else {
                activate_four_backward<C, D>(z, d, e, sine(step.activation.a, z.x[0][e]));
            }
        }
    });
}

// Goes backward through the activation of the layer below, and writes the tile. Loads the z of some values, or of some jets, at once.
template <int VALUES_AT_ONCE, int JETS_AT_ONCE>
__device__ __forceinline__ void store_backward(const ResultTile &result, const Jets &jets, const BackwardStep &step) {
    bool is_sine = step.activation.kind == SINE;
    if (jets.shape == VALUES) {
        store_backward_fours<1, 0, VALUES_AT_ONCE>(result, jets, step);
    } else if (jets.shape == GRADIENT_2 && is_sine) {
        store_backward_fours<3, 2, JETS_AT_ONCE>(result, jets, step);
    } else if (jets.shape == LAPLACIAN_2 && is_sine) {
        store_backward_fours<4, 2, JETS_AT_ONCE>(result, jets, step);
    } else if (jets.shape == GRADIENT_3 && is_sine) {
        store_backward_fours<4, 3, JETS_AT_ONCE>(result, jets, step);
    } else if (jets.shape == LAPLACIAN_3 && is_sine) {
        store_backward_fours<5, 3, JETS_AT_ONCE>(result, jets, step);
    } else {
        TileOfRows z = step.z.here();
        change_and_store(result, jets, step.d_input, [&](int point, int column, Element d) {
            Element x = {z.row(point) + column, jets.points_per_tile * z.stride};
            activate_backward(jets, step.activation, x, d);
        });
    }
    store_maxima(result, step.d_input);
}

// z̄ of the layer below: h̄ = Wᵀ z̄, then backward through its activation.
extern "C" __global__ void __launch_bounds__(THREADS, LAYER_BLOCKS) layer_backward(const LayerBackward layer) {
    extern __shared__ __align__(16) unsigned char shared[];
    ProductMemory &memory = *reinterpret_cast<ProductMemory *>(shared);
    multiply_tile<4>(memory, layer.d_output, layer.step.weights, layer.step.d_input.stride);
    store_backward<4, 2>(memory.tile(), layer.jets, layer.step);
}
