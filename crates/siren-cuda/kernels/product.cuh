// A tile of a product of rows with packed weights: TILE_ROWS x TILE_COLUMNS elements, by four warps of 32 rows each.
#pragma once

#include "rows.cuh"

// Halves between two rows of a slice in shared memory: 80 bytes, so that the eight rows of a matrix lie in different banks.
constexpr int SLICE_STRIDE = SLICE + 8;
constexpr int SLICE_PIECE = TILE_ROWS * SLICE_STRIDE;
// Blocks that a multiprocessor is to hold at least: as many as there are registers for.
constexpr int LAYER_BLOCKS = PIECES > 1 ? 2 : 3;
// Floats between two rows of a result in shared memory.
constexpr int RESULT_STRIDE = TILE_COLUMNS + 8;

// Weights (outputs x inputs) as second operands of tensor cores, in the order in which warps read them:
// [inputs / 16][outputs / 8][lane][piece][2], with inputs padded to a multiple of SLICE and outputs to one of TILE_COLUMNS.
struct Weights {
    const u32 *fragments;
    // Bits of the largest magnitude, one for each field.
    const u32 *maximum;
    int inputs;
    int outputs;

    __device__ int padded_inputs() const { return (inputs + SLICE - 1) / SLICE * SLICE; }
    __device__ int padded_outputs() const { return (outputs + TILE_COLUMNS - 1) / TILE_COLUMNS * TILE_COLUMNS; }
    __device__ long field_length() const { return (long)padded_inputs() * padded_outputs() / 2 * PIECES; }
    __device__ int exponent() const { return scale_exponent(__uint_as_float(maximum[blockIdx.z])); }
};

// A tile of results in shared memory, and the THREADS threads that share it. In a kernel of one layer they are a block; a kernel of a whole
// narrow network has such threads for every tile of columns.
struct ResultTile {
    float *data;
    // Floats between two rows.
    int stride;
    // Bits of the largest magnitudes of the rows.
    u32 *maxima;
    // The tile of columns in the layer, and the number of this thread among those of the tile.
    int column_tile, thread;
    // Whether activations replace results here, besides being written to global memory if their rows exist there.
    bool keeps_activations;

    __device__ int first_column() const { return column_tile * TILE_COLUMNS; }
    __device__ float *row(int row) const { return data + row * stride; }
};

// Dynamic shared memory of every kernel of one layer that holds a result: two slices of the first operand, and later the result in their place.
struct ProductMemory {
    union {
        u16 slices[2][PIECES][SLICE_PIECE];
        float result[TILE_ROWS * RESULT_STRIDE];
    };
    // Scales of the rows of the operand, powers of two.
    float scales[TILE_ROWS];
    // Bits of the largest magnitudes of the rows of the result.
    u32 maxima[TILE_ROWS];

    __device__ ResultTile tile() { return {result, RESULT_STRIDE, maxima, (int)blockIdx.x, (int)threadIdx.x, false}; }
};

// A slice of the first operand of a product, as pieces.
struct Slice {
    const u16 *pieces;

    // Eight halves of a row, from `column` on.
    __device__ const u16 *at(int row, int piece, int column) const { return pieces + piece * SLICE_PIECE + row * SLICE_STRIDE + column; }
};

// The first of the 8 rows of a slice of which this thread has four columns; the others follow 16 rows apart. Half a warp has two rows, four
// apart: they are stored to different banks.
__device__ __forceinline__ int slice_row() {
    int eight = (int)threadIdx.x / 8;
    return eight / 8 * 8 + eight / 2 % 4 + eight % 2 * 4;
}

// Loads a slice of the tile's rows to registers.
__device__ __forceinline__ void load_slice(float4 slice[8], const TileOfRows &rows, int first_column) {
    const float *from = rows.row(slice_row()) + first_column + (int)threadIdx.x % 8 * 4;
#pragma unroll
    for (int i = 0; i < 8; i++) slice[i] = *reinterpret_cast<const float4 *>(from + i * 16 * rows.stride);
}

__device__ __forceinline__ void store_slice(ProductMemory &memory, int buffer, const float4 slice[8]) {
#pragma unroll
    for (int i = 0; i < 8; i++) {
        int row = slice_row() + i * 16;
        u16 *to = memory.slices[buffer][0] + row * SLICE_STRIDE + (int)threadIdx.x % 8 * 4;
        store_pieces(to, SLICE_PIECE, slice[i], memory.scales[row]);
    }
}

// Both registers of each piece, which are adjacent, in one load.
__device__ __forceinline__ void load_fragment(u32 b[PIECES][2], const u32 *packed) {
#if PIECES > 1
    uint4 all = *reinterpret_cast<const uint4 *>(packed);
    b[1][0] = all.z;
    b[1][1] = all.w;
#else
    uint2 all = *reinterpret_cast<const uint2 *>(packed);
#endif
    b[0][0] = all.x;
    b[0][1] = all.y;
}

// The fragments of 8 N columns, in parts of 8 SIZE columns. AHEAD: a part is multiplied while the next one is on its way, for which two parts
// need registers.
template <int N, int SIZE, bool AHEAD> struct FragmentParts {
    u32 b[AHEAD ? 2 : 1][SIZE][PIECES][2];

    // Loads a part of 16 inputs.
    __device__ __forceinline__ void load(int buffer, const u32 *inputs, int part) {
        const u32 *from = inputs + (part * SIZE * 32 + (int)threadIdx.x % 32) * PIECES * 2;
#pragma unroll
        for (int n = 0; n < SIZE; n++) load_fragment(b[buffer][n], from + n * 32 * PIECES * 2);
    }
};

// sums (32 rows of this warp x 8 N columns) += a slice times the weights of its 32 inputs, of which the first part has been loaded if AHEAD.
// Then the first part of the next slice, at `next`, is loaded. `sums` has room for 8 M columns. Warps are counted within the tile of results.
template <int N, int SIZE, bool AHEAD, int M, typename Operand>
__device__ __forceinline__ void multiply_slice(float (&sums)[2][M][4], const Operand &slice, int warp, FragmentParts<N, SIZE, AHEAD> &parts,
                                               const u32 *fragments, const u32 *next, int output_tiles) {
    constexpr int COUNT = N / SIZE;
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < SLICE / 16; k++) {
        u32 a[2][PIECES][4];
#pragma unroll
        for (int m = 0; m < 2; m++) {
#pragma unroll
            for (int piece = 0; piece < PIECES; piece++) {
                int row = warp * 32 + m * 16 + lane % 16;
                load_matrices(a[m][piece], slice.at(row, piece, k * 16 + lane / 16 * 8));
            }
        }
#pragma unroll
        for (int part = 0; part < COUNT; part++) {
            int own = k * COUNT + part, loaded = own + AHEAD, step = loaded / COUNT, buffer = AHEAD ? own % 2 : 0;
            const u32 *inputs = step < SLICE / 16 ? fragments + step * output_tiles * 32 * PIECES * 2 : next;
            parts.load(AHEAD ? loaded % 2 : 0, inputs, loaded % COUNT);
#pragma unroll
            for (int n = 0; n < SIZE; n++) {
#pragma unroll
                for (int m = 0; m < 2; m++) multiply_add_pieces(sums[m][part * SIZE + n], a[m], parts.b[buffer][n]);
            }
        }
    }
}

// Scales sums of columns 8 FIRST to 8 END back and writes them to the tile of results.
template <int FIRST, int END, int M>
__device__ __forceinline__ void store_sums(const ResultTile &result, const float (&sums)[2][M][4], const float *row_scales,
                                           float weight_scale) {
    int lane = threadIdx.x % 32, warp = result.thread / 32;
#pragma unroll
    for (int m = 0; m < 2; m++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            int row = warp * 32 + m * 16 + half * 8 + lane / 4;
            // Two factors, because their product may lie beyond the floats.
            float row_scale = inverse_power(row_scales[row]);
#pragma unroll
            for (int n = FIRST; n < END; n++) {
                float2 pair = make_float2(sums[m][n][half * 2] * row_scale * weight_scale, sums[m][n][half * 2 + 1] * row_scale * weight_scale);
                store_shared(result.row(row) + n * 8 + lane % 4 * 2, pair);
            }
        }
    }
}

// Registers of the fragments of a slice of inputs, of all columns.
__device__ __forceinline__ int slice_fragments(int output_tiles) { return (SLICE / 16) * output_tiles * 32 * PIECES * 2; }

// The fragments of the weights of a tile of columns, from the first input on.
__device__ __forceinline__ const u32 *fragments_of(const Weights &weights, int column_tile) {
    return weights.fragments + blockIdx.z * weights.field_length() + (long)column_tile * 8 * 32 * PIECES * 2;
}

// Writes the first 8 N columns of this block's tile of rows Wᵀ to memory.result.
template <int N> __device__ __forceinline__ void multiply_columns(ProductMemory &memory, const TileOfRows &tile, const Weights &weights) {
    float sums[2][N][4] = {};
    float4 slice[8];
    FragmentParts<N, N / 2 ? N / 2 : 1, true> parts;
    int slices = weights.padded_inputs() / SLICE, output_tiles = weights.padded_outputs() / 8;
    const u32 *fragments = fragments_of(weights, blockIdx.x);
    load_slice(slice, tile, 0);
    parts.load(0, fragments, 0);
    __syncthreads();
    store_slice(memory, 0, slice);
    __syncthreads();
    for (int k = 0; k < slices; k++) {
        bool more = k + 1 < slices;
        if (more) load_slice(slice, tile, (k + 1) * SLICE);
        const u32 *next = more ? fragments + slice_fragments(output_tiles) : fragments;
        multiply_slice(sums, Slice{memory.slices[k % 2][0]}, threadIdx.x / 32, parts, fragments, next, output_tiles);
        fragments = next;
        if (more) store_slice(memory, (k + 1) % 2, slice);
        __syncthreads();
    }
    store_sums<0, N>(memory.tile(), sums, memory.scales, power_of_two(-weights.exponent()));
}

// Writes rows Wᵀ, for this block's tile of rows and of columns, to memory.result, and zeros to memory.maxima. All threads see both. `width` is
// the number of columns that are read afterwards, over all blocks: the outputs, with their padding where it is stored. It leaves at least
// 8 LEAST columns to every block.
template <int LEAST>
__device__ __forceinline__ void multiply_tile(ProductMemory &memory, const Rows &rows, const Weights &weights, int width) {
    TileOfRows tile = rows.here();
    memory.scales[threadIdx.x] = power_of_two(scale_exponent(tile.maximum(threadIdx.x)));
    memory.maxima[threadIdx.x] = 0;
    int columns = width - (int)blockIdx.x * TILE_COLUMNS;
    if (LEAST == 1 && columns <= 8) {
        multiply_columns<1>(memory, tile, weights);
    } else if (columns <= TILE_COLUMNS / 2) {
        multiply_columns<4>(memory, tile, weights);
    } else {
        multiply_columns<8>(memory, tile, weights);
    }
    __syncthreads();
}
