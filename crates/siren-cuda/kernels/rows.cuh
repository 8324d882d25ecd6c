// Where the jets of a layer lie in memory.
//
// Points are cut into tiles. A tile has TILE_ROWS rows: for each component of the jet (value, gradient, second-order traces) one row per
// point of the tile; rows that are left over are zero. A row has the features of a layer, padded with zeros to a multiple of SLICE. Blocks
// (x, y, z) of a grid are (columns, tile, field): the blocks of a tile run at about the same time, so that its rows come from the cache, and
// a batch of fields with parameters of their own is the third axis. The number of blocks depends on the numbers of points and features
// alone, so results do not depend on the card.
#pragma once

#include "pieces.cuh"

constexpr int TILE_ROWS = 128;
constexpr int TILE_COLUMNS = 64;
// Columns that are multiplied between two barriers.
constexpr int SLICE = 32;

// Layers of a network that one launch takes at most.
constexpr int MOST_LAYERS = 16;

// A term coefficient · ∂²/∂x_i∂x_j of a second-order trace.
struct TraceEntry {
    int i, j;
    float coefficient;
};

// Components of jets that are known when kernels are compiled; all others are counted at run time.
enum JetShape { ANY, VALUES, GRADIENT_2, LAPLACIAN_2, GRADIENT_3, LAPLACIAN_3 };

// The jets of n points.
struct Jets {
    const TraceEntry *entries;
    // The end of each trace in `entries`.
    const int *entry_ends;
    int points;
    int points_per_tile;
    // 0, or the number of coordinates.
    int gradients;
    int traces;
    // A JetShape.
    int shape;

    __device__ int components() const { return 1 + gradients + traces; }
    __device__ int first_entry(int trace) const { return trace == 0 ? 0 : entry_ends[trace - 1]; }
    // Points of this block's tile.
    __device__ int tile_points() const { return min(points_per_tile, points - (int)blockIdx.y * points_per_tile); }
};

// A tile of rows.
struct TileOfRows {
    float *data;
    float *maxima;
    int stride;
    int column_tiles;

    __device__ float *row(int row) const { return data + row * stride; }

    // The largest magnitude of a row.
    __device__ float maximum(int row) const {
        float largest = 0.0f;
        // Four loads are on their way at a time.
#pragma unroll 4
        for (int tile = 0; tile < column_tiles; tile++) largest = fmaxf(largest, maxima[row * column_tiles + tile]);
        return largest;
    }
};

// The rows of a layer: `stride` floats each, and their largest magnitudes, one for every TILE_COLUMNS columns.
struct Rows {
    float *data;
    float *maxima;
    int width;
    int stride;

    __device__ int column_tiles() const { return (width + TILE_COLUMNS - 1) / TILE_COLUMNS; }
    __device__ bool exists() const { return data != nullptr; }

    // The first row of a tile; `tiles` is the number of tiles of a field. Offsets within a tile are 32 bits: on the device, additions and
    // products of 64 bits take several instructions.
    __device__ static long first_row(int field, int tiles, int tile) { return ((long)field * tiles + tile) * TILE_ROWS; }
    __device__ TileOfRows tile(long first_row) const {
        return {data + first_row * stride, maxima + first_row * column_tiles(), stride, column_tiles()};
    }
    // This block's tile.
    __device__ TileOfRows here() const { return tile(first_row(blockIdx.z, gridDim.y, blockIdx.y)); }
};

// Flat parameters of a batch of fields.
struct Parameters {
    const float *data;
    // Parameters of a field.
    long count;

    __device__ const float *of_field() const { return data + blockIdx.z * count; }
};
