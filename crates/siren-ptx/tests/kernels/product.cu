// c = a b on tensor cores: a (m, k) and b (k, n) in halves, c (m, n) in floats, all row-major; k and n are multiples of 16 and 64.
//
// A block of 4 warps computes 64 rows and 64 columns. Rows beyond m are loaded as zeros and not stored.

#define TILE 64
#define DEPTH 16
// Rows in shared memory are 16 bytes longer than they need be, so that the 8 rows of an ldmatrix lie in different banks.
#define A_STRIDE (DEPTH + 8)
#define B_STRIDE (TILE + 8)

typedef unsigned short half_bits;

__device__ __forceinline__ unsigned shared_address(const void *pointer) {
    return (unsigned)__cvta_generic_to_shared(pointer);
}

extern "C" __global__ void __launch_bounds__(128) product(const half_bits *a, const half_bits *b, float *c, int m, int n, int k) {
    __shared__ __align__(16) half_bits a_tile[TILE * A_STRIDE];
    __shared__ __align__(16) half_bits b_tile[DEPTH * B_STRIDE];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int first_row = blockIdx.y * TILE, first_column = blockIdx.x * TILE;
    float sums[TILE / 8][4] = {};

#pragma unroll 1
    for (int depth = 0; depth < k; depth += DEPTH) {
        // 128 threads load 8 halves each, first of a, then of b.
        int row = threadIdx.x / 2, part = threadIdx.x % 2 * 8;
        uint4 values = make_uint4(0, 0, 0, 0);
        if (first_row + row < m) {
            values = *(const uint4 *)(a + (long)(first_row + row) * k + depth + part);
        }
        *(uint4 *)(a_tile + row * A_STRIDE + part) = values;
        row = threadIdx.x / 8;
        part = threadIdx.x % 8 * 8;
        *(uint4 *)(b_tile + row * B_STRIDE + part) = *(const uint4 *)(b + (long)(depth + row) * n + first_column + part);
        __syncthreads();

        unsigned x[4];
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                     : "r"(shared_address(a_tile + (warp * 16 + lane % 16) * A_STRIDE + lane / 16 * 8))
                     : "memory");
#pragma unroll
        for (int column = 0; column < TILE / 8; column++) {
            unsigned y[2];
            asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                         : "=r"(y[0]), "=r"(y[1])
                         : "r"(shared_address(b_tile + lane % 16 * B_STRIDE + column * 8))
                         : "memory");
            float *d = sums[column];
            asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                         : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                         : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
        }
        __syncthreads();
    }

    for (int column = 0; column < TILE / 8; column++) {
        for (int half = 0; half < 2; half++) {
            int row = first_row + warp * 16 + half * 8 + lane / 4;
            if (row < m) {
                float2 pair = make_float2(sums[column][half * 2], sums[column][half * 2 + 1]);
                *(float2 *)(c + (long)row * n + first_column + column * 8 + lane % 4 * 2) = pair;
            }
        }
    }
}
