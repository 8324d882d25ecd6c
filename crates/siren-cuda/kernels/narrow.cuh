// Networks whose layers have at most two tiles of columns: all layers in one kernel, forward and backward. A block has one tile of rows, which
// stays in shared memory from layer to layer, and THREADS threads for every tile of columns. Sums and scales are those of the kernels of one
// layer, to the bit.
#pragma once

#include "backward.cuh"
#include "forward.cuh"

constexpr int NARROW_TILES = 2;
// Blocks of two tiles of columns that a multiprocessor is to hold at least.
constexpr int NARROW_BLOCKS = PIECES > 1 ? 1 : 2;

// A tile of rows as the first operand of a product. Eight columns take 32 bytes: eight floats, or the pieces of eight halves in their place. An
// exchange of the two pieces in every other four rows and four such groups keeps the matrices of a load, and the halves that a row's threads
// store, in different banks.
struct SplitRows {
    float *data;
    int stride;
    // The slice of columns that is multiplied.
    int slice;

    // Floats from the first of eight columns to a piece.
    __device__ static int place(int row, int piece, int slice) { return (piece ^ (row >> 2 & 1) ^ (slice & 1)) * 4; }
    __device__ const u16 *at(int row, int piece, int column) const {
        return reinterpret_cast<const u16 *>(data + row * stride + slice * SLICE + column / 8 * 8 + place(row, piece, slice));
    }
};

// Dynamic shared memory.
struct NarrowMemory {
    // TILE_ROWS rows of all columns: results, activations, or the pieces of activations.
    float *rows;
    // Tiles of columns.
    int tiles;

    // 32 bytes beyond a multiple of 128.
    __device__ int stride() const { return tiles * TILE_COLUMNS + 8; }
    // Scales of the rows of the operand.
    __device__ float *scales() const { return rows + TILE_ROWS * stride(); }
    // Bits of the largest magnitudes (tile of columns, row).
    __device__ u32 *maxima() const { return reinterpret_cast<u32 *>(scales() + TILE_ROWS); }
    __device__ ResultTile tile() const {
        int thread = thread_index(), column_tile = thread / THREADS;
        return {rows + column_tile * TILE_COLUMNS, stride(), maxima() + column_tile * TILE_ROWS, column_tile, thread % THREADS, true};
    }
};

// Rows of a tile that a thread splits at once.
constexpr int SPLIT_ROWS = 4;

// Replaces activations by their pieces, the first `columns` of them, and the maxima by zeros. The maxima must be those that all threads see.
__device__ __forceinline__ void split_rows(const NarrowMemory &memory, int columns) {
    ResultTile own = memory.tile();
    if (threadIdx.x < TILE_ROWS) {
        float largest = 0.0f;
        for (int tile = 0; tile < memory.tiles; tile++) {
            largest = fmaxf(largest, __uint_as_float(memory.maxima()[tile * TILE_ROWS + threadIdx.x]));
        }
        memory.scales()[threadIdx.x] = power_of_two(scale_exponent(largest));
    }
    __syncthreads();
    own.maxima[own.thread] = 0;
    int column = four_columns(own), first_row = own.thread / ROW_THREADS, step = GROUP_POINTS * own.stride;
    bool is_column = own.first_column() + column < columns;
    float *from = own.row(first_row) + column;
    // Two threads share eight columns. The second piece lies beside the first one.
    int place = SplitRows::place(first_row, 0, column / SLICE);
    float *to = own.row(first_row) + column / 8 * 8 + place + column / 4 % 2 * 2;
    const float *scales = memory.scales() + first_row;
#pragma unroll 1
    for (int i = 0; i < TILE_ROWS / GROUP_POINTS / SPLIT_ROWS; i++) {
        float4 x[SPLIT_ROWS];
        if (is_column) {
#pragma unroll
            for (int k = 0; k < SPLIT_ROWS; k++) x[k] = *reinterpret_cast<const float4 *>(from + k * step);
        }
        __syncwarp();
        if (is_column) {
#pragma unroll
            for (int k = 0; k < SPLIT_ROWS; k++) {
                uint2 pieces[PIECES];
                split_four(x[k], scales[k * GROUP_POINTS], pieces);
#pragma unroll
                for (int piece = 0; piece < PIECES; piece++) store_shared(to + k * step + piece * (4 - 2 * place), pieces[piece]);
            }
        }
        from += SPLIT_ROWS * step;
        to += SPLIT_ROWS * step;
        scales += SPLIT_ROWS * GROUP_POINTS;
    }
    __syncthreads();
}

// A number as a type.
template <int N> struct Number {
    static constexpr int value = N;
};

// Writes rows Wᵀ over the rows, as far as `width` columns are read afterwards. It leaves at least 8 LEAST columns to the first tile of columns.
template <int LEAST>
__device__ __forceinline__ void multiply_rows(const NarrowMemory &memory, const Weights &weights, int width) {
    ResultTile own = memory.tile();
    constexpr int HALF = TILE_COLUMNS / 16;
    float sums[2][2 * HALF][4] = {};
    int columns = width - own.first_column();
    int output_tiles = weights.padded_outputs() / 8, warp = own.thread / 32;
    const u32 *fragments = fragments_of(weights, own.column_tile);
    SplitRows rows = {memory.rows, memory.stride(), 0};
    int slices = weights.padded_inputs() / SLICE;
    auto multiply = [&](auto n) {
        constexpr int N = decltype(n)::value;
        // In fast mode there are no registers for two parts.
        constexpr bool AHEAD = PIECES > 1;
        constexpr int SIZE = N > 1 ? N / 2 : 1;
        FragmentParts<N, SIZE, AHEAD> parts;
        if (AHEAD) parts.load(0, fragments, 0);
#pragma unroll 1
        for (; rows.slice < slices; rows.slice++) {
            const u32 *next = rows.slice + 1 < slices ? fragments + slice_fragments(output_tiles) : fragments;
            multiply_slice(sums, rows, warp, parts, fragments, next, output_tiles);
            fragments = next;
        }
    };
    // No tile of columns has a barrier of its own: all threads meet at the two below.
    if (columns <= 0) {
        // The layer is narrower than the widest one.
    } else if (LEAST == 1 && columns <= 8) {
        multiply(Number<1>());
    } else if (columns <= 8 * HALF) {
        multiply(Number<HALF>());
    } else {
        multiply(Number<2 * HALF>());
    }
    __syncthreads();
    // Anew, and in two halves, for 128 registers to suffice in fast mode.
    own = memory.tile();
    float weight_scale = power_of_two(-weights.exponent());
    if (columns > 0) store_sums<0, HALF>(own, sums, memory.scales(), weight_scale);
    if (columns > 8 * HALF) store_sums<HALF, 2 * HALF>(own, sums, memory.scales(), weight_scale);
    __syncthreads();
}

struct NarrowForward {
    PointFeatures features;
    // Tiles of columns of the widest layer.
    int tiles;
    // Number of steps. The first one is the features, whose weights and biases are not used; the last one writes jets.
    int count;
    ForwardStep steps[MOST_LAYERS + 1];
};

// Blocks (y, z): (tile of rows, field).
extern "C" __global__ void __launch_bounds__(NARROW_TILES *THREADS, NARROW_BLOCKS) narrow_forward(const NarrowForward network) {
    extern __shared__ __align__(16) unsigned char shared[];
    NarrowMemory memory = {reinterpret_cast<float *>(shared), network.tiles};
    const Jets &jets = network.features.jets;
    for (int i = 0; i < network.count; i++) {
        const ForwardStep &step = network.steps[i];
        if (i == 0) {
            ResultTile own = memory.tile();
            own.maxima[own.thread] = 0;
            compute_features(own, network.features, step.out.h);
            __syncthreads();
        } else {
            split_rows(memory, step.weights.padded_inputs());
            multiply_rows<1>(memory, step.weights, columns_read(step));
        }
        ResultTile own = memory.tile();
        const float *bias = i == 0 ? nullptr : network.features.parameters.of_field() + step.bias;
        if (step.out.jets) {
            store_jets(own, jets, step.out, step.weights.outputs, bias);
        } else {
            store_forward(own, jets, step.out, bias);
        }
    }
}

struct NarrowBackward {
    Scatter scatter;
    // Tiles of columns of the widest layer.
    int tiles;
    // Number of steps, from the last layer to the first.
    int count;
    BackwardStep steps[MOST_LAYERS];
};

// Blocks (y, z): (tile of rows, field).
extern "C" __global__ void __launch_bounds__(NARROW_TILES *THREADS, NARROW_BLOCKS) narrow_backward(const NarrowBackward network) {
    extern __shared__ __align__(16) unsigned char shared[];
    NarrowMemory memory = {reinterpret_cast<float *>(shared), network.tiles};
    ResultTile own = memory.tile();
    own.maxima[own.thread] = __float_as_uint(scatter_row(own, network.scatter));
    store_maxima(own, network.scatter.out);
    for (int i = 0; i < network.count; i++) {
        // A copy takes fewer registers here than a reference.
        const BackwardStep step = network.steps[i];
        split_rows(memory, step.weights.padded_inputs());
        multiply_rows<4>(memory, step.weights, step.d_input.stride);
        store_backward<2, 1>(memory.tile(), network.scatter.jets, step);
    }
}
