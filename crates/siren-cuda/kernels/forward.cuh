// Forward pass: the features of points, and one layer after the other.
#pragma once

#include "pointwise.cuh"

// What becomes of the preactivations of a layer in shared memory.
struct ForwardOutput {
    // h = σ(z), for the next layer.
    Rows h;
    // For the backward pass, if it exists: z, or σ'(z) for JetShape VALUES. Its maxima are not used.
    Rows z;
    // Instead of both, for the last layer: the jets (field, point, channel, component).
    float *jets;
    Activation activation;
};

// For jets of any shape and activations of any kind.
__device__ __forceinline__ void store_forward_any(const ResultTile &result, const Jets &jets, const ForwardOutput &out, const float *bias) {
    TileOfRows z = out.z.here();
    change_and_store(result, jets, out.h, [&](int point, int column, Element x) {
        if (bias) x[0] += bias[column];
        if (out.z.exists()) {
            for (int c = 0; c < jets.components(); c++) z.row(c * jets.points_per_tile + point)[column] = x[c];
        }
        activate(jets, out.activation, x);
    });
}

// For C components, of which D are gradients. IS_SINE: the activation too is known when this is compiled, so that there is no switch in the
// loop.
template <int C, int D, bool IS_SINE>
__device__ __forceinline__ void store_forward_fours(const ResultTile &result, const Jets &jets, const ForwardOutput &out, const float *bias) {
    TileOfRows saved = out.z.here();
    float own_bias[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll
    for (int e = 0; e < 4; e++) {
        int column = result.first_column() + four_columns(result) + e;
        if (bias && column < out.h.width) own_bias[e] = bias[column];
    }
    auto nothing = [](int, int) { return Nothing(); };
    change_and_store_fours<C, 1>(result, jets, out.h, nothing, [&](int point, int column, Four<C> &z, Nothing) {
        Four<C> save;
#pragma unroll
        for (int e = 0; e < 4; e++) {
            z.x[0][e] += own_bias[e];
            Derivatives s = IS_SINE ? sine(out.activation.a, z.x[0][e]) : derivatives(out.activation, z.x[0][e]);
#pragma unroll
            for (int c = 0; c < C; c++) save.x[c][e] = z.x[c][e];
            if (C == 1) save.x[0][e] = s.s1;
            activate_four<C, D>(z, e, s);
        }
        if (out.z.exists()) {
#pragma unroll
            for (int c = 0; c < C; c++) store_global(saved.row(c * jets.points_per_tile + point) + column, save.all(c));
        }
    });
}

// Adds `bias`, if there is one, and saves, activates and writes a tile.
__device__ __forceinline__ void store_forward(const ResultTile &result, const Jets &jets, const ForwardOutput &out, const float *bias) {
    bool is_sine = out.activation.kind == SINE;
    if (jets.shape == VALUES && is_sine) {
        store_forward_fours<1, 0, true>(result, jets, out, bias);
    } else if (jets.shape == VALUES) {
        store_forward_fours<1, 0, false>(result, jets, out, bias);
    } else if (jets.shape == GRADIENT_2 && is_sine) {
        store_forward_fours<3, 2, true>(result, jets, out, bias);
    } else if (jets.shape == LAPLACIAN_2 && is_sine) {
        store_forward_fours<4, 2, true>(result, jets, out, bias);
    } else if (jets.shape == GRADIENT_3 && is_sine) {
        store_forward_fours<4, 3, true>(result, jets, out, bias);
    } else if (jets.shape == LAPLACIAN_3 && is_sine) {
        store_forward_fours<5, 3, true>(result, jets, out, bias);
    } else {
        store_forward_any(result, jets, out, bias);
    }
    store_maxima(result, out.h);
}

// Adds `bias` to the values of the last layer and writes them as jets.
__device__ __forceinline__ void store_jets(const ResultTile &result, const Jets &jets, const ForwardOutput &out, int channels, const float *bias) {
    int columns = min(channels - result.first_column(), TILE_COLUMNS);
    if (columns <= 0) return;
    for (int i = result.thread; i < jets.tile_points() * columns; i += THREADS) {
        int point = i / columns, column = i % columns, channel = result.first_column() + column;
        Element x = element_of(result, jets, point, column);
        long index = ((long)blockIdx.z * jets.points + (long)blockIdx.y * jets.points_per_tile + point) * channels + channel;
        for (int c = 0; c < jets.components(); c++) out.jets[index * jets.components() + c] = c == 0 && bias ? x[c] + bias[channel] : x[c];
    }
}

// How a product becomes the next layer.
struct ForwardStep {
    Weights weights;
    // Offset of the biases in the parameters.
    long bias;
    ForwardOutput out;
};

struct LayerForward {
    Jets jets;
    Rows input;
    Parameters parameters;
    ForwardStep step;
};

// Activates and writes the preactivations of a layer.
__device__ __forceinline__ void finish_forward(const ResultTile &result, const Jets &jets, const ForwardStep &step, const Parameters &parameters) {
    const float *bias = parameters.of_field() + step.bias;
    if (step.out.jets) {
        store_jets(result, jets, step.out, step.weights.outputs, bias);
    } else {
        store_forward(result, jets, step.out, bias);
    }
}

// Columns of a product that are read afterwards.
__device__ __forceinline__ int columns_read(const ForwardStep &step) { return step.out.jets ? step.weights.outputs : step.out.h.stride; }

// One layer: z = W h + b, then its activation.
extern "C" __global__ void __launch_bounds__(THREADS, LAYER_BLOCKS) layer_forward(const LayerForward layer) {
    extern __shared__ __align__(16) unsigned char shared[];
    ProductMemory &memory = *reinterpret_cast<ProductMemory *>(shared);
    multiply_tile<1>(memory, layer.input, layer.step.weights, columns_read(layer.step));
    finish_forward(memory.tile(), layer.jets, layer.step, layer.parameters);
}

enum FeatureKind { AFFINE, SINUSOIDS, DISTANCES };

// Features of points.
struct PointFeatures {
    Jets jets;
    // Coordinates (field, point, dims).
    const float *coords;
    int dims;
    int kind;
    Parameters parameters;
    // AFFINE: offset of the first layer's weights (features, dims), with its biases at `second`. The layer is computed in single precision,
    // because its operands are coordinates.
    // DISTANCES: offset of the centers (features, dims), with their widths at `second`.
    long first, second;
    // SINUSOIDS: the angular frequencies (features, dims), zeros for a coordinate; and for each feature the axis of its coordinate, or -1 for
    // a sine, -2 for a cosine.
    const float *frequencies;
    const int *axes;
};

struct FeaturesForward {
    PointFeatures features;
    ForwardOutput out;
};

// The coordinates of a point of this block's tile.
__device__ __forceinline__ const float *point_coords(const PointFeatures &features, int point) {
    const Jets &jets = features.jets;
    long index = (long)blockIdx.z * jets.points + (long)blockIdx.y * jets.points_per_tile + point;
    return features.coords + index * features.dims;
}

// A thread has every FEATURE_POINTS-th point of a tile.
constexpr int FEATURE_POINTS = THREADS / TILE_COLUMNS;
// Coordinates whose weights stay in registers.
constexpr int REGISTER_DIMS = 4;

// z = w x + b of one feature, for all points of a thread.
__device__ __forceinline__ void compute_affine(const ResultTile &result, const PointFeatures &features, int column, int feature) {
    const Jets &jets = features.jets;
    const float *parameters = features.parameters.of_field();
    const float *weights = parameters + features.first + (long)feature * features.dims;
    float bias = parameters[features.second + feature], w[REGISTER_DIMS];
#pragma unroll
    for (int i = 0; i < REGISTER_DIMS; i++) w[i] = i < features.dims ? weights[i] : 0.0f;
#pragma unroll 4
    for (int point = result.thread / TILE_COLUMNS; point < jets.tile_points(); point += FEATURE_POINTS) {
        const float *x = point_coords(features, point);
        Element z = element_of(result, jets, point, column);
        float sum = bias;
#pragma unroll
        for (int i = 0; i < REGISTER_DIMS; i++) {
            if (i < features.dims) sum = fmaf(w[i], x[i], sum);
            if (i < jets.gradients) z[1 + i] = w[i];
        }
        for (int i = REGISTER_DIMS; i < features.dims; i++) sum = fmaf(weights[i], x[i], sum);
        for (int i = REGISTER_DIMS; i < jets.gradients; i++) z[1 + i] = weights[i];
        for (int k = 0; k < jets.traces; k++) z[1 + jets.gradients + k] = 0.0f;
        z[0] = sum;
    }
}

// A coordinate, or the sine or cosine of ⟨ω, x⟩.
__device__ __forceinline__ void sinusoid(const PointFeatures &features, const float *x, int column, Element z) {
    const Jets &jets = features.jets;
    int axis = features.axes[column];
    if (axis >= 0) {
        z[0] = x[axis];
        for (int i = 0; i < jets.gradients; i++) z[1 + i] = i == axis ? 1.0f : 0.0f;
        for (int k = 0; k < jets.traces; k++) z[1 + jets.gradients + k] = 0.0f;
        return;
    }
    const float *omega = features.frequencies + (long)column * features.dims;
    float phase = 0.0f;
    for (int i = 0; i < features.dims; i++) phase = fmaf(omega[i], x[i], phase);
    SinCos u = sin_cos(phase);
    float value = axis == -1 ? u.sin : u.cos, slope = axis == -1 ? u.cos : -u.sin;
    z[0] = value;
    for (int i = 0; i < jets.gradients; i++) z[1 + i] = omega[i] * slope;
    for (int k = 0; k < jets.traces; k++) {
        float q = 0.0f;
        for (int e = jets.first_entry(k); e < jets.entry_ends[k]; e++) {
            q += jets.entries[e].coefficient * omega[jets.entries[e].i] * omega[jets.entries[e].j];
        }
        z[1 + jets.gradients + k] = -q * value;
    }
}

// s ‖x - c‖².
__device__ __forceinline__ void distance(const PointFeatures &features, const float *x, int column, Element z) {
    const Jets &jets = features.jets;
    const float *parameters = features.parameters.of_field();
    const float *center = parameters + features.first + (long)column * features.dims;
    float sigma = parameters[features.second + column], square = 0.0f;
    for (int i = 0; i < features.dims; i++) square = fmaf(x[i] - center[i], x[i] - center[i], square);
    z[0] = sigma * square;
    for (int i = 0; i < jets.gradients; i++) z[1 + i] = 2.0f * sigma * (x[i] - center[i]);
    for (int k = 0; k < jets.traces; k++) {
        float diagonal = 0.0f;
        for (int e = jets.first_entry(k); e < jets.entry_ends[k]; e++) {
            if (jets.entries[e].i == jets.entries[e].j) diagonal += jets.entries[e].coefficient;
        }
        z[1 + jets.gradients + k] = 2.0f * sigma * diagonal;
    }
}

// Computes the features of a tile's points: preactivations, or features that have none.
__device__ __forceinline__ void compute_features(const ResultTile &result, const PointFeatures &features, const Rows &h) {
    const Jets &jets = features.jets;
    int column = result.thread % TILE_COLUMNS, feature = result.first_column() + column;
    if (feature >= max(h.width, h.stride)) return;
    if (features.kind == AFFINE && feature < h.width) {
        compute_affine(result, features, column, feature);
        return;
    }
    for (int point = result.thread / TILE_COLUMNS; point < jets.tile_points(); point += FEATURE_POINTS) {
        const float *x = point_coords(features, point);
        Element z = element_of(result, jets, point, column);
        if (feature >= h.width) {
            // Padding: elements are read four at a time.
            for (int c = 0; c < jets.components(); c++) z[c] = 0.0f;
        } else if (features.kind == SINUSOIDS) {
            sinusoid(features, x, feature, z);
        } else {
            distance(features, x, feature, z);
        }
    }
}

// The first layer of coordinates, sinusoids of them, or radial basis functions.
extern "C" __global__ void __launch_bounds__(THREADS) features_forward(const FeaturesForward layer) {
    extern __shared__ __align__(16) unsigned char shared[];
    ProductMemory &memory = *reinterpret_cast<ProductMemory *>(shared);
    const Jets &jets = layer.features.jets;
    memory.maxima[threadIdx.x] = 0;
    ResultTile result = memory.tile();
    compute_features(result, layer.features, layer.out.h);
    __syncthreads();
    if (layer.out.jets) {
        store_jets(result, jets, layer.out, layer.out.h.width, nullptr);
    } else {
        store_forward(result, jets, layer.out, nullptr);
    }
}
