// Gradients with respect to the parameters, as sums over points. The tiles of a field are cut into `splits` parts of equal length; each
// part has a partial gradient of its own, and `reduce` adds them in order. No addition is left to chance.
#pragma once

#include "pointwise.cuh"

// Halves between two rows of an operand in shared memory.
constexpr int GRADIENT_STRIDE = TILE_COLUMNS + 8;
constexpr int GRADIENT_PIECE = SLICE * GRADIENT_STRIDE;

// Partial gradients (field, split, parameter).
struct Partials {
    float *data;
    long parameters;
    int splits;

    // Those of this block's field and split.
    __device__ float *here(int split) const { return data + ((long)blockIdx.z * splits + split) * parameters; }
};

// A range of tiles.
struct TileRange {
    int first, end;
};

__device__ __forceinline__ TileRange tiles_of_split(int tiles, int splits, int split) {
    int each = (tiles + splits - 1) / splits;
    return {min(tiles, split * each), min(tiles, (split + 1) * each)};
}

struct GradientMemory {
    // [buffer][operand][piece]: z̄ and h.
    u16 slices[2][2][PIECES][GRADIENT_PIECE];
    // Powers of two by which z̄ of the tile's rows are scaled, so that the scales of z̄ and h cancel in every product; those of h.
    float d_scales[TILE_ROWS];
    float h_scales[TILE_ROWS];
    float warp_maxima[THREADS / 32];
    float4 bias[THREADS];
};

// A layer whose gradient is computed.
struct GradientLayer {
    // z̄ of the layer and its input h.
    Rows d_output;
    Rows input;
    // Offsets of W (outputs, inputs) and b in the parameters.
    long weight, bias;
};

struct WeightGradient {
    Jets jets;
    Partials partials;
    int tiles;
    // Tiles of outputs and of inputs of the largest layer.
    int output_tiles, input_tiles;
    GradientLayer layers[MOST_LAYERS];
};

// Four rows of 16 threads for each of 8 x 4 floats: a slice of 32 rows and 64 columns.
__device__ __forceinline__ void load_gradient_slice(float4 slice[4], const TileOfRows &rows, int first_row, int first_column) {
    int column = first_column + (int)threadIdx.x % 16 * 4;
    const float *from = rows.row(first_row + threadIdx.x / 16) + column;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        slice[i] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        if (column < rows.stride) slice[i] = *reinterpret_cast<const float4 *>(from + i * 8 * rows.stride);
    }
}

__device__ __forceinline__ void store_gradient_slice(u16 *to, const float4 slice[4], const float *scales) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int row = (int)threadIdx.x / 16 + i * 8;
        store_pieces(to + row * GRADIENT_STRIDE + (int)threadIdx.x % 16 * 4, GRADIENT_PIECE, slice[i], scales[row]);
    }
}

// sums (32 outputs x 32 inputs of this warp) += z̄ᵀ h over a slice of 32 rows.
__device__ __forceinline__ void multiply_gradient_slice(float sums[2][4][4], const u16 (*slices)[PIECES][GRADIENT_PIECE]) {
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int first_output = warp % 2 * 32, first_input = warp / 2 * 32;
#pragma unroll
    for (int k = 0; k < SLICE / 16; k++) {
        u32 a[2][PIECES][4];
#pragma unroll
        for (int m = 0; m < 2; m++) {
#pragma unroll
            for (int piece = 0; piece < PIECES; piece++) {
                int row = k * 16 + lane / 16 * 8 + lane % 8, column = first_output + m * 16 + lane / 8 % 2 * 8;
                load_transposed_matrices(a[m][piece], slices[0][piece] + row * GRADIENT_STRIDE + column);
            }
        }
#pragma unroll
        for (int n = 0; n < 4; n += 2) {
            u32 pair[PIECES][4];
#pragma unroll
            for (int piece = 0; piece < PIECES; piece++) {
                int row = k * 16 + lane / 8 % 2 * 8 + lane % 8, column = first_input + n * 8 + lane / 16 * 8;
                load_transposed_matrices(pair[piece], slices[1][piece] + row * GRADIENT_STRIDE + column);
            }
#pragma unroll
            for (int e = 0; e < 2; e++) {
                u32 b[PIECES][2];
#pragma unroll
                for (int piece = 0; piece < PIECES; piece++) {
                    b[piece][0] = pair[piece][e * 2];
                    b[piece][1] = pair[piece][e * 2 + 1];
                }
#pragma unroll
                for (int m = 0; m < 2; m++) multiply_add_pieces(sums[m][n + e], a[m], b);
            }
        }
    }
}

// Chooses the scales of a tile's rows: h of a row by 2^a, z̄ by 2^(t - a), with one t for the tile. Returns t.
__device__ __forceinline__ int choose_scales(GradientMemory &memory, const TileOfRows &d_output, const TileOfRows &input) {
    int row = threadIdx.x;
    int a = scale_exponent(input.maximum(row));
    float largest = warp_maximum(d_output.maximum(row) * power_of_two(-a));
    memory.h_scales[row] = power_of_two(a);
    if (row % 32 == 0) memory.warp_maxima[row / 32] = largest;
    __syncthreads();
    for (int warp = 0; warp < THREADS / 32; warp++) {
        // By the bits, so that NaN and infinity stay.
        largest = __uint_as_float(max(__float_as_uint(largest), __float_as_uint(memory.warp_maxima[warp])));
    }
    int t = scale_exponent(largest);
    memory.d_scales[row] = power_of_two(t - a);
    __syncthreads();
    return t;
}

// Adds the columns of the slices' values: those of the bias.
__device__ __forceinline__ void add_bias(float4 &sum, const float4 slice[4], int first_row, int value_rows) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
        if (first_row + (int)threadIdx.x / 16 + i * 8 < value_rows) {
            sum.x += slice[i].x;
            sum.y += slice[i].y;
            sum.z += slice[i].z;
            sum.w += slice[i].w;
        }
    }
}

// Adds the bias sums of the eight threads of each column and writes them.
__device__ __forceinline__ void store_bias(GradientMemory &memory, const GradientLayer &layer, float4 sum, int first_output, float *out) {
    memory.bias[threadIdx.x] = sum;
    __syncthreads();
    int output = first_output + (int)threadIdx.x;
    if ((int)threadIdx.x < TILE_COLUMNS && output < layer.d_output.width) {
        float total = 0.0f;
        for (int i = 0; i < 8; i++) {
            total += reinterpret_cast<const float *>(&memory.bias[i * 16 + threadIdx.x / 4])[threadIdx.x % 4];
        }
        out[layer.bias + output] = total;
    }
}

// W̄ = z̄ᵀ h and b̄ = Σ z̄ over the tiles of one split. Blocks (x, y, z): (layer and 64 outputs, split and 64 inputs, field).
extern "C" __global__ void __launch_bounds__(THREADS, 3) weight_gradient(const WeightGradient gradient) {
    extern __shared__ __align__(16) unsigned char shared[];
    GradientMemory &memory = *reinterpret_cast<GradientMemory *>(shared);
    const GradientLayer &layer = gradient.layers[blockIdx.x / gradient.output_tiles];
    int split = blockIdx.y / gradient.input_tiles, input_tile = blockIdx.y % gradient.input_tiles;
    int first_output = blockIdx.x % gradient.output_tiles * TILE_COLUMNS, first_input = input_tile * TILE_COLUMNS;
    // A layer that is smaller than the largest one.
    if (first_output >= layer.d_output.width || first_input >= layer.input.width) return;
    TileRange range = tiles_of_split(gradient.tiles, gradient.partials.splits, split);
    float totals[2][4][4] = {};
    float4 bias = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    for (int tile = range.first; tile < range.end; tile++) {
        long first_row = Rows::first_row(blockIdx.z, gradient.tiles, tile);
        TileOfRows d_output = layer.d_output.tile(first_row), input = layer.input.tile(first_row);
        int exponent = choose_scales(memory, d_output, input);
        float sums[2][4][4] = {};
        float4 d[4], h[4];
        load_gradient_slice(d, d_output, 0, first_output);
        load_gradient_slice(h, input, 0, first_input);
        for (int slice = 0; slice < TILE_ROWS / SLICE; slice++) {
            int row = slice * SLICE;
            store_gradient_slice(memory.slices[slice % 2][0][0], d, memory.d_scales + row);
            store_gradient_slice(memory.slices[slice % 2][1][0], h, memory.h_scales + row);
            if (input_tile == 0) add_bias(bias, d, row, gradient.jets.points_per_tile);
            __syncthreads();
            if (row + SLICE < TILE_ROWS) {
                load_gradient_slice(d, d_output, row + SLICE, first_output);
                load_gradient_slice(h, input, row + SLICE, first_input);
            }
            multiply_gradient_slice(sums, memory.slices[slice % 2]);
        }
        float scale = power_of_two(-exponent);
#pragma unroll
        for (int i = 0; i < 32; i++) totals[i / 16][i / 4 % 4][i % 4] += sums[i / 16][i / 4 % 4][i % 4] * scale;
        // No barrier: the next tile's scales are written after the last ones are read, and its slices after the barriers between.
    }
    float *out = gradient.partials.here(split);
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
    for (int i = 0; i < 32; i++) {
        int m = i / 16, n = i / 4 % 4, e = i % 4;
        int output = first_output + warp % 2 * 32 + m * 16 + e / 2 * 8 + lane / 4;
        int input = first_input + warp / 2 * 32 + n * 8 + lane % 4 * 2 + e % 2;
        if (output < layer.d_output.width && input < layer.input.width) {
            out[layer.weight + (long)output * layer.input.width + input] = totals[m][n][e];
        }
    }
    if (input_tile == 0) store_bias(memory, layer, bias, first_output, out);
}

struct FeaturesGradient {
    Jets jets;
    const float *coords;
    int dims;
    // AFFINE or DISTANCES.
    int kind;
    Parameters parameters;
    long first, second;
    // z̄ of the affine layer, or the gradient with respect to the scaled distances.
    Rows d_output;
    Partials partials;
    int tiles;
};

// Sums over the points of a split for one feature: for an affine layer Σ z̄ xᵢ + z̄ᵢ and Σ z̄; for a distance Σ d (xᵢ - cᵢ) + dᵢ and the
// gradient with respect to its width.
struct FeatureSums {
    float axis;
    float second;
};

__device__ __forceinline__ FeatureSums sum_feature(const FeaturesGradient &features, TileRange range, int feature, int axis, int group) {
    const Jets &jets = features.jets;
    const Rows &rows = features.d_output;
    float center = 0.0f;
    if (features.kind == DISTANCES) center = features.parameters.of_field()[features.first + (long)feature * features.dims + axis];
    FeatureSums sums = {0.0f, 0.0f};
    for (int tile = range.first; tile < range.end; tile++) {
        int points = min(jets.points_per_tile, jets.points - tile * jets.points_per_tile);
        const float *d = rows.tile(Rows::first_row(blockIdx.z, features.tiles, tile)).data + feature;
        for (int point = group; point < points; point += THREADS / TILE_COLUMNS) {
            long index = (long)blockIdx.z * jets.points + (long)tile * jets.points_per_tile + point;
            auto component = [&](int c) { return d[(c * jets.points_per_tile + point) * rows.stride]; };
            float x = features.coords[index * features.dims + axis] - center, d0 = component(0);
            float di = jets.gradients ? component(1 + axis) : 0.0f;
            sums.axis += fmaf(d0, x, di);
            if (features.kind == DISTANCES) {
                sums.second += x * fmaf(d0, x, 2.0f * di);
                for (int k = 0; k < jets.traces; k++) {
                    for (int e = jets.first_entry(k); e < jets.entry_ends[k]; e++) {
                        TraceEntry entry = jets.entries[e];
                        if (entry.i == axis && entry.j == axis) {
                            sums.second += 2.0f * entry.coefficient * component(1 + jets.gradients + k);
                        }
                    }
                }
            } else {
                sums.second += d0;
            }
        }
    }
    return sums;
}

// Gradient with respect to the parameters of the features. Blocks (x, y, z): (64 features, split, field).
extern "C" __global__ void __launch_bounds__(THREADS) features_gradient(const FeaturesGradient features) {
    __shared__ FeatureSums halves[TILE_COLUMNS];
    int column = threadIdx.x % TILE_COLUMNS, group = threadIdx.x / TILE_COLUMNS, feature = blockIdx.x * TILE_COLUMNS + column;
    bool is_feature = feature < features.d_output.width;
    TileRange range = tiles_of_split(features.tiles, features.partials.splits, blockIdx.y);
    float *out = features.partials.here(blockIdx.y);
    float second = 0.0f;
    for (int axis = 0; axis < features.dims; axis++) {
        FeatureSums sums = {0.0f, 0.0f};
        if (is_feature) sums = sum_feature(features, range, feature, axis, group);
        if (group == 1) halves[column] = sums;
        __syncthreads();
        if (group == 0 && is_feature) {
            sums.axis += halves[column].axis;
            sums.second += halves[column].second;
            float factor = 1.0f;
            if (features.kind == DISTANCES) factor = -2.0f * features.parameters.of_field()[features.second + feature];
            out[features.first + (long)feature * features.dims + axis] = factor * sums.axis;
            second = features.kind == DISTANCES ? second + sums.second : sums.second;
        }
        __syncthreads();
    }
    if (group == 0 && is_feature) out[features.second + feature] = second;
}

struct Reduce {
    Partials partials;
    // Gradient (field, parameter), to which the partial gradients are added.
    float *gradient;
};

extern "C" __global__ void __launch_bounds__(THREADS) reduce(const Reduce reduce) {
    long parameter = (long)blockIdx.x * THREADS + threadIdx.x;
    if (parameter >= reduce.partials.parameters) return;
    float &sum = reduce.gradient[blockIdx.z * reduce.partials.parameters + parameter];
    float total = sum;
    for (int split = 0; split < reduce.partials.splits; split++) total += reduce.partials.here(split)[parameter];
    sum = total;
}
