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
    // [buffer]: powers of two by which z̄ and h of a tile's rows are scaled.
    float d_scales[2][TILE_ROWS];
    float h_scales[2][TILE_ROWS];
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

// The largest magnitudes of a row for each of its tiles of columns, which are read some time before they are needed.
struct RowMaxima {
    static constexpr int COUNT = 4;
    float first[COUNT];
    // Those of the other tiles of columns are read when they are needed.
    const float *others;
    int other_count;

    __device__ __forceinline__ RowMaxima(const TileOfRows &rows, int row) {
        const float *all = rows.maxima + row * rows.column_tiles;
#pragma unroll
        for (int i = 0; i < COUNT; i++) first[i] = i < rows.column_tiles ? all[i] : 0.0f;
        others = all + COUNT;
        other_count = rows.column_tiles - COUNT;
    }
    __device__ __forceinline__ float largest() const {
        float largest = fmaxf(fmaxf(first[0], first[1]), fmaxf(first[2], first[3]));
#pragma unroll 4
        for (int i = 0; i < other_count; i++) largest = fmaxf(largest, others[i]);
        return largest;
    }
};

// The scales of z̄ and h cancel in every product: h of a row is scaled by 2^a, z̄ by 2^(t - a), with one t for all tiles of a split.

// Returns a, given the maxima of h of a row.
__device__ __forceinline__ int input_exponent(const RowMaxima &input) { return scale_exponent(input.largest()); }

// Returns t, given the largest z̄ 2^-a of this thread's rows.
__device__ __forceinline__ int choose_exponent(GradientMemory &memory, float largest) {
    largest = warp_maximum(largest);
    if (threadIdx.x % 32 == 0) memory.warp_maxima[threadIdx.x / 32] = largest;
    __syncthreads();
    // By the bits, so that NaN and infinity stay.
    u32 bits = 0;
    for (int warp = 0; warp < THREADS / 32; warp++) bits = max(bits, __float_as_uint(memory.warp_maxima[warp]));
    return scale_exponent(__uint_as_float(bits));
}

// Writes the scales of this thread's row of a tile.
__device__ __forceinline__ void store_scales(GradientMemory &memory, int buffer, const RowMaxima &input, int t) {
    int a = input_exponent(input);
    memory.h_scales[buffer][threadIdx.x] = power_of_two(a);
    memory.d_scales[buffer][threadIdx.x] = power_of_two(t - a);
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
extern "C" __global__ void __launch_bounds__(THREADS, 4) weight_gradient(const WeightGradient gradient) {
    extern __shared__ __align__(16) unsigned char shared[];
    GradientMemory &memory = *reinterpret_cast<GradientMemory *>(shared);
    const GradientLayer &layer = gradient.layers[blockIdx.x / gradient.output_tiles];
    int split = blockIdx.y / gradient.input_tiles, input_tile = blockIdx.y % gradient.input_tiles;
    int first_output = blockIdx.x % gradient.output_tiles * TILE_COLUMNS, first_input = input_tile * TILE_COLUMNS;
    // A layer that is smaller than the largest one.
    if (first_output >= layer.d_output.width || first_input >= layer.input.width) return;
    TileRange range = tiles_of_split(gradient.tiles, gradient.partials.splits, split);
    float totals[2][4][4] = {};
    float4 bias = make_float4(0.0f, 0.0f, 0.0f, 0.0f), d[4], h[4];
    auto d_output = [&](int tile) { return layer.d_output.tile(Rows::first_row(blockIdx.z, gradient.tiles, tile)); };
    auto input = [&](int tile) { return layer.input.tile(Rows::first_row(blockIdx.z, gradient.tiles, tile)); };
    float largest = 0.0f;
#pragma unroll 2
    for (int tile = range.first; tile < range.end; tile++) {
        RowMaxima d_maxima(d_output(tile), threadIdx.x), h_maxima(input(tile), threadIdx.x);
        float own = d_maxima.largest() * power_of_two(-input_exponent(h_maxima));
        largest = __uint_as_float(max(__float_as_uint(largest), __float_as_uint(own)));
    }
    int exponent = choose_exponent(memory, largest);
    float scale = power_of_two(-exponent);
    // What a tile needs first is loaded during the last products of the tile before.
    if (range.first < range.end) {
        store_scales(memory, range.first % 2, RowMaxima(input(range.first), threadIdx.x), exponent);
        load_gradient_slice(d, d_output(range.first), 0, first_output);
        load_gradient_slice(h, input(range.first), 0, first_input);
    }
    __syncthreads();
    for (int tile = range.first; tile < range.end; tile++) {
        int next = min(tile + 1, range.end - 1);
        RowMaxima next_maxima(input(next), threadIdx.x);
        float sums[2][4][4] = {};
        for (int slice = 0; slice < TILE_ROWS / SLICE; slice++) {
            int row = slice * SLICE;
            bool is_last = row + SLICE == TILE_ROWS;
            store_gradient_slice(memory.slices[slice % 2][0][0], d, memory.d_scales[tile % 2] + row);
            store_gradient_slice(memory.slices[slice % 2][1][0], h, memory.h_scales[tile % 2] + row);
            if (input_tile == 0) add_bias(bias, d, row, gradient.jets.points_per_tile);
            if (is_last) store_scales(memory, (tile + 1) % 2, next_maxima, exponent);
            __syncthreads();
            int from = is_last ? next : tile, next_row = is_last ? 0 : row + SLICE;
            load_gradient_slice(d, d_output(from), next_row, first_output);
            load_gradient_slice(h, input(from), next_row, first_input);
            multiply_gradient_slice(sums, memory.slices[slice % 2]);
        }
        // Tensor cores cut sums off: few products stay in them.
#pragma unroll
        for (int i = 0; i < 32; i++) totals[i / 16][i / 4 % 4][i % 4] += sums[i / 16][i / 4 % 4][i % 4] * scale;
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

// Coordinates whose sums a thread has at once.
constexpr int SUMMED_AXES = 2;
// Threads that share 64 features, four each, and groups of them that share the points.
constexpr int FEATURE_THREADS = TILE_COLUMNS / 4;
constexpr int FEATURE_GROUPS = THREADS / FEATURE_THREADS;

// Sums over points for four features: for an affine layer Σ z̄ xᵢ + z̄ᵢ, and Σ z̄; for a distance Σ d (xᵢ - cᵢ) + dᵢ, and the part of the
// coordinates i in the gradient with respect to its width.
struct FeatureSums {
    float axes[SUMMED_AXES][4];
    float second[4];
};

// Returns the sums of the four features from `feature` on, over the points of this thread's group. Those of an axis beyond the last one repeat
// the last one, and are not used.
template <int KIND, bool HAS_GRADIENTS>
__device__ __forceinline__ FeatureSums sum_features(const FeaturesGradient &features, TileRange range, int feature, int first_axis) {
    const Jets &jets = features.jets;
    const Rows &rows = features.d_output;
    int group = threadIdx.x / FEATURE_THREADS;
    FeatureSums sums = {};
    float center[SUMMED_AXES][4] = {};
    if (KIND == DISTANCES) {
#pragma unroll
        for (int a = 0; a < SUMMED_AXES; a++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                int axis = min(first_axis + a, features.dims - 1), column = min(feature + e, rows.width - 1);
                center[a][e] = features.parameters.of_field()[features.first + (long)column * features.dims + axis];
            }
        }
    }
    for (int tile = range.first; tile < range.end; tile++) {
        int points = min(jets.points_per_tile, jets.points - tile * jets.points_per_tile);
        const float *d = rows.tile(Rows::first_row(blockIdx.z, features.tiles, tile)).data + feature;
        const float *coords = features.coords + ((long)blockIdx.z * jets.points + (long)tile * jets.points_per_tile) * features.dims;
        auto component = [&](int c, int point) { return d + (c * jets.points_per_tile + point) * rows.stride; };
#pragma unroll 4
        for (int point = group; point < points; point += FEATURE_GROUPS) {
            Four<1> d0;
            d0.load(0, component(0, point));
#pragma unroll
            for (int a = 0; a < SUMMED_AXES; a++) {
                // The last axis once more rather than a branch.
                int axis = min(first_axis + a, features.dims - 1);
                float x = coords[point * features.dims + axis];
                Four<1> di = {};
                if (HAS_GRADIENTS) di.load(0, component(1 + axis, point));
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    float from_center = x - center[a][e];
                    sums.axes[a][e] += fmaf(d0.x[0][e], from_center, di.x[0][e]);
                    if (KIND == DISTANCES && first_axis + a < features.dims) {
                        sums.second[e] += from_center * fmaf(d0.x[0][e], from_center, 2.0f * di.x[0][e]);
                    }
                }
                if (KIND == DISTANCES && first_axis + a < features.dims) {
                    for (int k = 0; k < jets.traces; k++) {
                        for (int entry = jets.first_entry(k); entry < jets.entry_ends[k]; entry++) {
                            TraceEntry of = jets.entries[entry];
                            if (of.i != axis || of.j != axis) continue;
                            Four<1> trace;
                            trace.load(0, component(1 + jets.gradients + k, point));
#pragma unroll
                            for (int e = 0; e < 4; e++) sums.second[e] += 2.0f * of.coefficient * trace.x[0][e];
                        }
                    }
                }
            }
            if (KIND != DISTANCES) {
#pragma unroll
                for (int e = 0; e < 4; e++) sums.second[e] += d0.x[0][e];
            }
        }
    }
    return sums;
}

// Gradient with respect to the parameters of the features. Blocks (x, y, z): (64 features, split, field).
extern "C" __global__ void __launch_bounds__(THREADS, 4) features_gradient(const FeaturesGradient features) {
    __shared__ FeatureSums groups[THREADS];
    int first_feature = blockIdx.x * TILE_COLUMNS, own = first_feature + (int)threadIdx.x % FEATURE_THREADS * 4;
    // One thread adds the sums of all groups for one feature.
    int feature = first_feature + (int)threadIdx.x, column = threadIdx.x;
    bool is_writer = column < TILE_COLUMNS && feature < features.d_output.width, is_distance = features.kind == DISTANCES;
    TileRange range = tiles_of_split(features.tiles, features.partials.splits, blockIdx.y);
    float *out = features.partials.here(blockIdx.y);
    float second = 0.0f;
    for (int first_axis = 0; first_axis < features.dims; first_axis += SUMMED_AXES) {
        FeatureSums sums = {};
        if (own >= features.d_output.stride) {
            // Beyond the padding of the rows.
        } else if (is_distance && features.jets.gradients) {
            sums = sum_features<DISTANCES, true>(features, range, own, first_axis);
        } else if (is_distance) {
            sums = sum_features<DISTANCES, false>(features, range, own, first_axis);
        } else if (features.jets.gradients) {
            sums = sum_features<AFFINE, true>(features, range, own, first_axis);
        } else {
            sums = sum_features<AFFINE, false>(features, range, own, first_axis);
        }
        groups[threadIdx.x] = sums;
        __syncthreads();
        if (is_writer) {
            float axes[SUMMED_AXES] = {}, part = 0.0f;
            for (int group = 0; group < FEATURE_GROUPS; group++) {
                const FeatureSums &some = groups[group * FEATURE_THREADS + column / 4];
#pragma unroll
                for (int a = 0; a < SUMMED_AXES; a++) axes[a] += some.axes[a][column % 4];
                part += some.second[column % 4];
            }
            float factor = is_distance ? -2.0f * features.parameters.of_field()[features.second + feature] : 1.0f;
#pragma unroll
            for (int a = 0; a < SUMMED_AXES; a++) {
                int axis = first_axis + a;
                if (axis < features.dims) out[features.first + (long)feature * features.dims + axis] = factor * axes[a];
            }
            second = is_distance ? second + part : part;
        }
        __syncthreads();
    }
    if (is_writer) out[features.second + feature] = second;
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
