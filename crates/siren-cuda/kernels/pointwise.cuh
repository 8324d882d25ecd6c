// Activations of jets, forward and backward, on a tile in shared memory. With h = σ(z) and q_A = Σᵢⱼ Aᵢⱼ ∂ᵢz ∂ⱼz:
//
//   ∂ᵢh = σ' ∂ᵢz                                    t_A(h) = σ' t_A(z) + σ'' q_A
//   z̄   = σ' h̄ + Σᵢ σ'' ∂ᵢz h̄ᵢ + Σ_A (σ'' t_A(z) + σ''' q_A) h̄_A
//   ∂ᵢz̄ = σ' h̄ᵢ + Σ_A 2 σ'' (A ∂z)ᵢ h̄_A              t̄_A(z) = σ' h̄_A
//
// where a bar denotes the derivative of the loss.
#pragma once

#include "function.cuh"
#include "product.cuh"

// One feature of one point of the tile: its components lie `stride` floats apart.
struct Element {
    float *value;
    int stride;

    __device__ float &operator[](int component) const { return value[component * stride]; }
};

__device__ __forceinline__ Element element_of(ProductMemory &memory, const Jets &jets, int point, int column) {
    return {memory.result + point * RESULT_STRIDE + column, jets.points_per_tile * RESULT_STRIDE};
}

// Replaces z by σ(z).
__device__ __forceinline__ void activate(const Jets &jets, Activation f, Element x) {
    if (f.kind == LINEAR) return;
    Derivatives s = derivatives(f, x[0]);
    for (int k = 0; k < jets.traces; k++) {
        float q = 0.0f;
        for (int e = jets.first_entry(k); e < jets.entry_ends[k]; e++) {
            TraceEntry entry = jets.entries[e];
            q += entry.coefficient * x[1 + entry.i] * x[1 + entry.j];
        }
        float &trace = x[1 + jets.gradients + k];
        trace = fmaf(s.s2, q, s.s1 * trace);
    }
    for (int i = 1; i <= jets.gradients; i++) x[i] *= s.s1;
    x[0] = s.s0;
}

// Replaces h̄ by z̄, given the jet z.
__device__ __forceinline__ void activate_backward(const Jets &jets, Activation f, Element z, Element d) {
    if (f.kind == LINEAR) return;
    Derivatives s = derivatives(f, z[0]);
    float sum = s.s1 * d[0];
    for (int c = 1; c < jets.components(); c++) sum += s.s2 * z[c] * d[c];
    for (int i = 1; i <= jets.gradients; i++) d[i] *= s.s1;
    for (int k = 0; k < jets.traces; k++) {
        float &dk = d[1 + jets.gradients + k];
        float curvature = s.s2 * dk, q = 0.0f;
        for (int e = jets.first_entry(k); e < jets.entry_ends[k]; e++) {
            TraceEntry entry = jets.entries[e];
            float zi = z[1 + entry.i], zj = z[1 + entry.j];
            q += entry.coefficient * zi * zj;
            d[1 + entry.i] += entry.coefficient * curvature * zj;
            d[1 + entry.j] += entry.coefficient * curvature * zi;
        }
        sum += s.s3 * q * dk;
        dk *= s.s1;
    }
    d[0] = sum;
}

// Calls `change(point, column, element)` for every element of the tile in shared memory, then writes the tile to `out` with the largest
// magnitudes of its rows. Rows and columns that belong to no point or no feature become zero. All threads must call; memory.maxima must be
// zeros that all of them see. A thread has one column.
template <typename Change>
__device__ __forceinline__ void change_and_store(ProductMemory &memory, const Jets &jets, const Rows &out, Change change) {
    int column = threadIdx.x % TILE_COLUMNS, group = threadIdx.x / TILE_COLUMNS, out_column = blockIdx.y * TILE_COLUMNS + column;
    bool is_feature = out_column < out.width, is_stored = out_column < out.stride;
    TileOfRows tile = out.here();
    for (int point = group; point < jets.points_per_tile; point += THREADS / TILE_COLUMNS) {
        Element x = element_of(memory, jets, point, column);
        bool is_element = is_feature && point < jets.tile_points();
        if (is_element) change(point, out_column, x);
        for (int c = 0; c < jets.components(); c++) {
            int row = c * jets.points_per_tile + point;
            float value = is_element ? x[c] : 0.0f;
            if (is_stored) tile.row(row)[out_column] = value;
            // NaN has the largest bits of all: it stays visible.
            float largest = warp_maximum(fabsf(value));
            if (threadIdx.x % 32 == 0) atomicMax(&memory.maxima[row], __float_as_uint(largest));
        }
    }
    for (int row = jets.components() * jets.points_per_tile + group; row < TILE_ROWS; row += THREADS / TILE_COLUMNS) {
        if (is_stored) tile.row(row)[out_column] = 0.0f;
    }
    __syncthreads();
    tile.maxima[threadIdx.x * tile.column_tiles + blockIdx.y] = __uint_as_float(memory.maxima[threadIdx.x]);
}

// Threads of a row where a thread has four columns.
constexpr int ROW_THREADS = TILE_COLUMNS / 4;

// The first of the four columns of this thread in the tile.
__device__ __forceinline__ int four_columns() { return threadIdx.x % ROW_THREADS * 4; }

// As change_and_store for values alone: a row is a point, and a thread has four adjacent columns, x[0] to x[3]. Calls
// `change(point, column, x)` for points of the tile and columns that are stored.
template <typename Change>
__device__ __forceinline__ void change_and_store_values(ProductMemory &memory, const Jets &jets, const Rows &out, Change change) {
    int column = four_columns(), out_column = blockIdx.y * TILE_COLUMNS + column, points = jets.tile_points();
    bool is_stored = out_column < out.stride;
    TileOfRows tile = out.here();
    for (int row = threadIdx.x / ROW_THREADS; row < TILE_ROWS; row += THREADS / ROW_THREADS) {
        float4 values = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        if (is_stored) {
            if (row < points) {
                values = *reinterpret_cast<const float4 *>(memory.result + row * RESULT_STRIDE + column);
                float x[4] = {values.x, values.y, values.z, values.w};
                change(row, out_column, x);
#pragma unroll
                for (int e = 0; e < 4; e++) x[e] = out_column + e < out.width ? x[e] : 0.0f;
                values = make_float4(x[0], x[1], x[2], x[3]);
            }
            *reinterpret_cast<float4 *>(tile.row(row) + out_column) = values;
        }
        // Two rows meet in a warp. By the bits, in which NaN is the largest.
        u32 own = max(max(__float_as_uint(fabsf(values.x)), __float_as_uint(fabsf(values.y))),
                      max(__float_as_uint(fabsf(values.z)), __float_as_uint(fabsf(values.w))));
        bool is_first_row = threadIdx.x % 32 < ROW_THREADS;
        float first = warp_maximum(__uint_as_float(is_first_row ? own : 0)), second = warp_maximum(__uint_as_float(is_first_row ? 0 : own));
        if (threadIdx.x % ROW_THREADS == 0) memory.maxima[row] = __float_as_uint(is_first_row ? first : second);
    }
    __syncthreads();
    tile.maxima[threadIdx.x * tile.column_tiles + blockIdx.y] = __uint_as_float(memory.maxima[threadIdx.x]);
}
