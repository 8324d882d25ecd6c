// Muon: momentum, and an approximation of the nearest orthogonal matrix by an iteration of Newton and Schulz. The products are in single
// precision. All matrices of a network share each launch: they are the third axis of every grid, whose first axes are those of the largest
// matrix; blocks beyond a smaller one return.
#pragma once

#include "sums.cuh"

// The iterated polynomial a x + b x³ + c x⁵.
constexpr float QUINTIC_A = 3.4445f, QUINTIC_B = -4.775f, QUINTIC_C = 2.0315f;
// Added to the norm by which the first iterate is divided.
constexpr double NORM_EPSILON = 1e-7;
// Elements of a matrix that a block of an elementwise kernel has.
constexpr int BLOCK_ELEMENTS = 8 * THREADS;
// Rows and columns of a tile of a product, and length of the slices in which the products are summed.
constexpr int MUON_TILE = 32;
// Floats between two rows of a slice in shared memory. Rows begin at multiples of 16 bytes, and the 8 x 4 elements that a warp stores
// transposed lie in 32 banks.
constexpr int MUON_STRIDE = MUON_TILE + 4;

// A matrix W (rows, columns) of the parameters. The iterates Y have its shape, or that of its transpose if W is wide, so that YᵀY is the
// smaller of the two squares.
struct TallMatrix {
    // Offsets of W in the parameters, of its momentum and Y among those of all matrices, and of YᵀY among the squares.
    long first, elements, squares;
    int rows, columns;
    // √max(1, rows / columns).
    double scale;

    __device__ int count() const { return rows * columns; }
    __device__ bool is_wide() const { return rows < columns; }
    __device__ int tall_rows() const { return max(rows, columns); }
    __device__ int tall_columns() const { return min(rows, columns); }
    // The place in Y of element i of W.
    __device__ long place(int i) const { return elements + (is_wide() ? i % columns * rows + i / columns : i); }
};

struct MuonMomentum {
    const TallMatrix *matrices;
    const float *gradient;
    float *momenta;
    // U, in the places of Y.
    float *y;
    // Sums of squares of U (matrix, block).
    double *sums;
    // Factor of the gradient; μ and 1 - μ.
    float factor;
    float momentum, rest;
};

// M ← μ M + (1 - μ) G, U = μ M + (1 - μ) G. Blocks (x, y, z): (BLOCK_ELEMENTS elements, 1, matrix).
extern "C" __global__ void __launch_bounds__(THREADS) muon_momentum(const MuonMomentum muon) {
    TallMatrix matrix = muon.matrices[blockIdx.z];
    double squares = 0.0;
    for (int k = 0; k < BLOCK_ELEMENTS; k += THREADS) {
        int i = blockIdx.x * BLOCK_ELEMENTS + k + threadIdx.x;
        if (i >= matrix.count()) break;
        float &momentum = muon.momenta[matrix.elements + i];
        float gradient = muon.gradient[matrix.first + i] * muon.factor * muon.rest;
        float m = muon.momentum * momentum + gradient, u = muon.momentum * m + gradient;
        momentum = m;
        muon.y[matrix.place(i)] = u;
        squares = fma((double)u, (double)u, squares);
    }
    double sum = block_sum(squares);
    // A block beyond the matrix writes 0.
    if (threadIdx.x == 0) muon.sums[blockIdx.z * gridDim.x + blockIdx.x] = sum;
}

struct MuonNormalize {
    const TallMatrix *matrices;
    // Sums of squares of U (matrix, block).
    const double *sums;
    float *y;
};

// Y = U / (‖U‖ + ε), where U lies. Blocks as in muon_momentum.
extern "C" __global__ void __launch_bounds__(THREADS) muon_normalize(const MuonNormalize muon) {
    TallMatrix matrix = muon.matrices[blockIdx.z];
    double squares = 0.0;
    for (int block = threadIdx.x; block < gridDim.x; block += THREADS) squares += muon.sums[blockIdx.z * gridDim.x + block];
    double factor = 1.0 / (sqrt(block_sum(squares)) + NORM_EPSILON);
    for (int k = 0; k < BLOCK_ELEMENTS; k += THREADS) {
        int i = blockIdx.x * BLOCK_ELEMENTS + k + threadIdx.x;
        if (i >= matrix.count()) break;
        float &element = muon.y[matrix.elements + i];
        element = (float)(element * factor);
    }
}

// A matrix in row-major order. It has at most 2^30 elements: offsets are 32 bits, since additions and products of 64 bits take several
// instructions.
struct RowMajor {
    const float *data;
    int rows, columns;

    // An element; 0 outside.
    __device__ float at(int row, int column) const {
        return row < rows && column < columns ? data[row * columns + column] : 0.0f;
    }
};

// Along which axis of the left operand a product is summed: its rows, LᵀR, or its columns, L R.
enum SummedAxis { ROWS, COLUMNS };

// An operand's part of a slice of a product: 32 positions of the sum by 32 rows or columns of the tile.
struct OperandSlice {
    float elements[8];

    // Loads elements whose sum runs over rows. A warp reads 32 columns of a row.
    __device__ __forceinline__ void load(const RowMajor &from, int first_row, int first_column) {
#pragma unroll
        for (int i = 0; i < 8; i++) elements[i] = from.at(first_row + i * 4 + (int)threadIdx.x / 32, first_column + (int)threadIdx.x % 32);
    }
    __device__ __forceinline__ void store(float *to) const {
#pragma unroll
        for (int i = 0; i < 8; i++) to[(i * 4 + threadIdx.x / 32) * MUON_STRIDE + threadIdx.x % 32] = elements[i];
    }

    // The same where the sum runs over columns, which become rows of shared memory. A warp reads 8 columns of 4 rows.
    __device__ __forceinline__ void load_transposed(const RowMajor &from, int first_row, int first_column) {
        int row = first_row + (int)threadIdx.x % 32 / 8, column = first_column + (int)threadIdx.x / 32 * 8 + (int)threadIdx.x % 8;
#pragma unroll
        for (int i = 0; i < 8; i++) elements[i] = from.at(row + i * 4, column);
    }
    __device__ __forceinline__ void store_transposed(float *to) const {
        int row = threadIdx.x % 32 / 8, column = threadIdx.x / 32 * 8 + threadIdx.x % 8;
#pragma unroll
        for (int i = 0; i < 8; i++) to[column * MUON_STRIDE + row + i * 4] = elements[i];
    }
};

// The sums of a tile that a thread has: 2 rows x 4 columns.
struct TileSums {
    float sums[8];
    int first_row, first_column;

    __device__ __forceinline__ int row(int e) const { return first_row + (int)threadIdx.x / 8 * 2 + e / 4; }
    __device__ __forceinline__ int column(int e) const { return first_column + (int)threadIdx.x % 8 * 4 + e % 4; }

    __device__ __forceinline__ void add_slice(const float *left, const float *right) {
#pragma unroll 8
        for (int k = 0; k < MUON_TILE; k++) {
            float2 l = *reinterpret_cast<const float2 *>(left + k * MUON_STRIDE + threadIdx.x / 8 * 2);
            float4 r = *reinterpret_cast<const float4 *>(right + k * MUON_STRIDE + threadIdx.x % 8 * 4);
            float ls[2] = {l.x, l.y}, rs[4] = {r.x, r.y, r.z, r.w};
#pragma unroll
            for (int e = 0; e < 8; e++) sums[e] = fmaf(ls[e / 4], rs[e % 4], sums[e]);
        }
    }
};

// A tile of LᵀR or L R. Slices are summed in order. The next slice is loaded to registers while one is multiplied.
template <SummedAxis AXIS> __device__ __forceinline__ TileSums multiply(const RowMajor &left, const RowMajor &right, int first_row, int first_column) {
    __shared__ __align__(16) float slices[2][2][MUON_TILE * MUON_STRIDE];
    TileSums tile = {{}, first_row, first_column};
    OperandSlice l, r;
    auto load = [&](int k) {
        if (AXIS == ROWS) l.load(left, k, first_row);
        if (AXIS == COLUMNS) l.load_transposed(left, first_row, k);
        r.load(right, k, first_column);
    };
    load(0);
#pragma unroll 1
    for (int k = 0; k < right.rows; k += MUON_TILE) {
        float(*slice)[MUON_TILE * MUON_STRIDE] = slices[k / MUON_TILE % 2];
        if (AXIS == ROWS) l.store(slice[0]);
        if (AXIS == COLUMNS) l.store_transposed(slice[0]);
        r.store(slice[1]);
        // One barrier: the slice after the next is stored here only after all warps have passed the next barrier.
        __syncthreads();
        if (k + MUON_TILE < right.rows) load(k + MUON_TILE);
        tile.add_slice(slice[0], slice[1]);
    }
    return tile;
}

// Whether this block has no tile of a symmetric matrix: tiles below the diagonal are written by those above it.
__device__ __forceinline__ bool has_no_symmetric_tile(int size) { return blockIdx.y > blockIdx.x || (int)blockIdx.x * MUON_TILE >= size; }

// Stores an element of a symmetric matrix above the diagonal tiles, and its mirror image.
__device__ __forceinline__ void store_symmetric(float *to, int size, int row, int column, float element) {
    to[row * size + column] = element;
    if (blockIdx.x != blockIdx.y) to[column * size + row] = element;
}

struct MuonGram {
    const TallMatrix *matrices;
    const float *y;
    float *squares;
};

// A = YᵀY. Blocks (x, y, z): (32 columns, 32 rows, matrix).
extern "C" __global__ void __launch_bounds__(THREADS) muon_gram(const MuonGram muon) {
    TallMatrix matrix = muon.matrices[blockIdx.z];
    int size = matrix.tall_columns();
    if (has_no_symmetric_tile(size)) return;
    RowMajor y = {muon.y + matrix.elements, matrix.tall_rows(), size};
    TileSums tile = multiply<ROWS>(y, y, blockIdx.y * MUON_TILE, blockIdx.x * MUON_TILE);
#pragma unroll
    for (int e = 0; e < 8; e++) {
        int row = tile.row(e), column = tile.column(e);
        if (row < size && column < size) store_symmetric(muon.squares + matrix.squares, size, row, column, tile.sums[e]);
    }
}

struct MuonPolynomial {
    const TallMatrix *matrices;
    const float *squares;
    float *polynomials;
};

// B = b A + c A². A is symmetric, so A² = AᵀA. Blocks as in muon_gram.
extern "C" __global__ void __launch_bounds__(THREADS) muon_polynomial(const MuonPolynomial muon) {
    TallMatrix matrix = muon.matrices[blockIdx.z];
    int size = matrix.tall_columns();
    if (has_no_symmetric_tile(size)) return;
    RowMajor square = {muon.squares + matrix.squares, size, size};
    TileSums tile = multiply<ROWS>(square, square, blockIdx.y * MUON_TILE, blockIdx.x * MUON_TILE);
#pragma unroll
    for (int e = 0; e < 8; e++) {
        int row = tile.row(e), column = tile.column(e);
        if (row >= size || column >= size) continue;
        float element = QUINTIC_B * square.at(row, column) + QUINTIC_C * tile.sums[e];
        store_symmetric(muon.polynomials + matrix.squares, size, row, column, element);
    }
}

struct MuonMultiply {
    const TallMatrix *matrices;
    const float *y;
    const float *polynomials;
    float *next;
};

// The next iterate, a Y + Y B. Blocks (x, y, z): (32 columns, 32 rows, matrix).
extern "C" __global__ void __launch_bounds__(THREADS) muon_multiply(const MuonMultiply muon) {
    TallMatrix matrix = muon.matrices[blockIdx.z];
    int rows = matrix.tall_rows(), columns = matrix.tall_columns();
    if ((int)blockIdx.y * MUON_TILE >= rows || (int)blockIdx.x * MUON_TILE >= columns) return;
    RowMajor y = {muon.y + matrix.elements, rows, columns}, polynomial = {muon.polynomials + matrix.squares, columns, columns};
    TileSums tile = multiply<COLUMNS>(y, polynomial, blockIdx.y * MUON_TILE, blockIdx.x * MUON_TILE);
#pragma unroll
    for (int e = 0; e < 8; e++) {
        int row = tile.row(e), column = tile.column(e);
        if (row >= rows || column >= columns) continue;
        muon.next[matrix.elements + row * columns + column] = QUINTIC_A * y.at(row, column) + tile.sums[e];
    }
}

struct MuonUpdate {
    const TallMatrix *matrices;
    const float *y;
    float *parameters;
    // η.
    double rate;
    // 1 - η λ.
    float rest;
};

// W ← rest · W - η · scale · Y. Blocks as in muon_momentum.
extern "C" __global__ void __launch_bounds__(THREADS) muon_update(const MuonUpdate muon) {
    TallMatrix matrix = muon.matrices[blockIdx.z];
    float rate = (float)(muon.rate * matrix.scale);
    for (int k = 0; k < BLOCK_ELEMENTS; k += THREADS) {
        int i = blockIdx.x * BLOCK_ELEMENTS + k + threadIdx.x;
        if (i >= matrix.count()) break;
        float &weight = muon.parameters[matrix.first + i];
        weight = weight * muon.rest - muon.y[matrix.place(i)] * rate;
    }
}
