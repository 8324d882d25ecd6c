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

__device__ __forceinline__ Element element_of(const ResultTile &result, const Jets &jets, int point, int column) {
    return {result.row(point) + column, jets.points_per_tile * result.stride};
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

// The following calls change a tile of results, and write it to `out` if these rows exist. Rows and columns that belong to no point or no
// feature become zero. The largest magnitudes of the rows are left in the tile's maxima, which must be zeros that all threads see; all
// threads must call.

// Waits for the maxima of the tile, and writes them beside the rows if these exist.
__device__ __forceinline__ void store_maxima(const ResultTile &result, const Rows &out) {
    __syncthreads();
    TileOfRows tile = out.here();
    if (out.exists() && result.column_tile < tile.column_tiles) {
        tile.maxima[result.thread * tile.column_tiles + result.column_tile] = __uint_as_float(result.maxima[result.thread]);
    }
}

// Calls `change(point, column, element)` for every element. A thread has one column.
template <typename Change>
__device__ __forceinline__ void change_and_store(const ResultTile &result, const Jets &jets, const Rows &out, Change change) {
    int column = result.thread % TILE_COLUMNS, group = result.thread / TILE_COLUMNS, out_column = result.first_column() + column;
    bool is_feature = out_column < out.width, is_column = out_column < out.stride, is_stored = is_column && out.exists();
    TileOfRows tile = out.here();
    for (int point = group; point < jets.points_per_tile; point += THREADS / TILE_COLUMNS) {
        Element x = element_of(result, jets, point, column);
        bool is_element = is_feature && point < jets.tile_points();
        if (is_element) change(point, out_column, x);
        for (int c = 0; c < jets.components(); c++) {
            int row = c * jets.points_per_tile + point;
            float value = is_element ? x[c] : 0.0f;
            if (is_stored) tile.row(row)[out_column] = value;
            if (result.keeps_activations && is_column && !is_element) x[c] = 0.0f;
            // NaN has the largest bits of all: it stays visible.
            float largest = warp_maximum(fabsf(value));
            if (threadIdx.x % 32 == 0) atomicMax(&result.maxima[row], __float_as_uint(largest));
        }
    }
    for (int row = jets.components() * jets.points_per_tile + group; row < TILE_ROWS; row += THREADS / TILE_COLUMNS) {
        if (is_stored) tile.row(row)[out_column] = 0.0f;
        if (result.keeps_activations && is_column) result.row(row)[column] = 0.0f;
    }
}

// Threads of a row where a thread has four columns.
constexpr int ROW_THREADS = TILE_COLUMNS / 4;
// Points that a block changes at once then.
constexpr int GROUP_POINTS = THREADS / ROW_THREADS;

// The first of the four columns of this thread in the tile.
__device__ __forceinline__ int four_columns(const ResultTile &result) { return result.thread % ROW_THREADS * 4; }

// Four columns of C components in registers.
template <int C> struct Four {
    float x[C][4];

    __device__ __forceinline__ void load(int component, const float *from) {
        float4 all = *reinterpret_cast<const float4 *>(from);
        x[component][0] = all.x;
        x[component][1] = all.y;
        x[component][2] = all.z;
        x[component][3] = all.w;
    }
    __device__ __forceinline__ float4 all(int component) const {
        return make_float4(x[component][0], x[component][1], x[component][2], x[component][3]);
    }
    // Bits of the largest magnitude, in which NaN is the largest of all.
    __device__ __forceinline__ u32 largest(int component) const {
        u32 bits = 0;
#pragma unroll
        for (int e = 0; e < 4; e++) bits = max(bits, __float_as_uint(fabsf(x[component][e])));
        return bits;
    }
};

// What `change` below needs besides its element: nothing.
struct Nothing {};

// As change_and_store for C components, four adjacent columns of a point in each thread, for points of the tile and columns that are stored:
// calls `load(point, column)` for BATCH points, so that their loads are on their way together, and then `change(point, column, four, loaded)`
// for each.
template <int C, int BATCH, typename Load, typename Change>
__device__ __forceinline__ void change_and_store_fours(const ResultTile &result, const Jets &jets, const Rows &out, Load load, Change change) {
    int column = four_columns(result), out_column = result.first_column() + column, own_point = result.thread / ROW_THREADS;
    bool is_column = out_column < out.stride, is_stored = is_column && out.exists(), is_even = own_point % 2 == 0;
    TileOfRows tile = out.here();
    // Whole groups, so that whole warps look for the maxima.
    for (int first = 0; first < jets.points_per_tile; first += BATCH * GROUP_POINTS) {
        decltype(load(0, 0)) loaded[BATCH];
#pragma unroll
        for (int k = 0; k < BATCH; k++) {
            int point = first + k * GROUP_POINTS + own_point;
            // One alone is loaded where it is used, which takes fewer registers.
            if (BATCH > 1 && is_column && point < jets.tile_points()) loaded[k] = load(point, out_column);
        }
#pragma unroll
        for (int k = 0; k < BATCH; k++) {
            int point = first + k * GROUP_POINTS + own_point;
            bool has_rows = point < jets.points_per_tile;
            Four<C> four = {};
            if (is_column && point < jets.tile_points()) {
#pragma unroll
                for (int c = 0; c < C; c++) four.load(c, result.row(c * jets.points_per_tile + point) + column);
                if (BATCH == 1) loaded[k] = load(point, out_column);
                change(point, out_column, four, loaded[k]);
#pragma unroll
                for (int c = 0; c < C; c++) {
#pragma unroll
                    for (int e = 0; e < 4; e++) four.x[c][e] = out_column + e < out.width ? four.x[c][e] : 0.0f;
                }
            }
#pragma unroll
            for (int c = 0; c < C; c++) {
                int row = c * jets.points_per_tile + point;
                if (is_stored && has_rows) store_global(tile.row(row) + out_column, four.all(c));
                if (result.keeps_activations && is_column && has_rows) store_shared(result.row(row) + column, four.all(c));
                // Two points meet in a warp.
                u32 own = four.largest(c);
                float even = warp_maximum(__uint_as_float(is_even ? own : 0)), odd = warp_maximum(__uint_as_float(is_even ? 0 : own));
                if (has_rows && threadIdx.x % ROW_THREADS == 0) result.maxima[row] = __float_as_uint(is_even ? even : odd);
            }
        }
    }
    for (int row = C * jets.points_per_tile + own_point; row < TILE_ROWS; row += GROUP_POINTS) {
        float4 zeros = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        if (is_stored) store_global(tile.row(row) + out_column, zeros);
        if (result.keeps_activations && is_column) store_shared(result.row(row) + column, zeros);
    }
}

// Replaces column `e` of z by σ(z), given the derivatives at its value. D: gradient components; then, if C is larger, the Laplacian.
template <int C, int D> __device__ __forceinline__ void activate_four(Four<C> &z, int e, Derivatives s) {
    if (C > 1 + D) {
        float q = 0.0f;
#pragma unroll
        for (int i = 1; i <= D; i++) q = fmaf(z.x[i][e], z.x[i][e], q);
        z.x[C - 1][e] = fmaf(s.s2, q, s.s1 * z.x[C - 1][e]);
    }
#pragma unroll
    for (int i = 1; i <= D; i++) z.x[i][e] *= s.s1;
    z.x[0][e] = s.s0;
}

// Replaces column `e` of h̄ by z̄.
template <int C, int D> __device__ __forceinline__ void activate_four_backward(const Four<C> &z, Four<C> &d, int e, Derivatives s) {
    float sum = s.s1 * d.x[0][e], q = 0.0f, curvature = 0.0f;
    if (C > 1 + D) curvature = 2.0f * s.s2 * d.x[C - 1][e];
#pragma unroll
    for (int i = 1; i <= D; i++) {
        sum = fmaf(s.s2 * z.x[i][e], d.x[i][e], sum);
        q = fmaf(z.x[i][e], z.x[i][e], q);
        d.x[i][e] = fmaf(curvature, z.x[i][e], s.s1 * d.x[i][e]);
    }
    if (C > 1 + D) {
        sum = fmaf(fmaf(s.s3, q, s.s2 * z.x[C - 1][e]), d.x[C - 1][e], sum);
        d.x[C - 1][e] *= s.s1;
    }
    d.x[0][e] = sum;
}
