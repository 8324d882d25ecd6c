// Instructions of tensor cores and conversions, by their names in PTX. Nothing else in these files is assembly.
#pragma once

typedef unsigned int u32;
typedef unsigned short u16;

// Of a block of every kernel.
constexpr int THREADS = 128;

// Two floats, rounded to nearest, as two halves: `low` in the low bits.
__device__ __forceinline__ u32 halves_of(float low, float high) {
    u32 packed;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
    return packed;
}

__device__ __forceinline__ float float_of_half(u16 half) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
    return value;
}

// Four 8 x 8 matrices of halves. Lane l holds the address of row l % 8 of matrix l / 8 in shared memory.
__device__ __forceinline__ void load_matrices(u32 out[4], const u16 *row) {
    u32 address = (u32)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(address)
                 : "memory");
}

// As load_matrices, each matrix transposed.
__device__ __forceinline__ void load_transposed_matrices(u32 out[4], const u16 *row) {
    u32 address = (u32)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(address)
                 : "memory");
}

// sum (16 x 8) += a (16 x 16) b (16 x 8), halves with sums in single precision.
__device__ __forceinline__ void multiply_add(float sum[4], const u32 a[4], u32 b0, u32 b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Stores of several values at once. In C the compiler takes such a store apart and puts only some of the parts together again.
__device__ __forceinline__ void store_shared(void *to, uint2 x) {
    u32 address = (u32)__cvta_generic_to_shared(to);
    asm volatile("st.shared.v2.u32 [%0], {%1,%2};" : : "r"(address), "r"(x.x), "r"(x.y) : "memory");
}

__device__ __forceinline__ void store_shared(void *to, float2 x) {
    u32 address = (u32)__cvta_generic_to_shared(to);
    asm volatile("st.shared.v2.f32 [%0], {%1,%2};" : : "r"(address), "f"(x.x), "f"(x.y) : "memory");
}

__device__ __forceinline__ void store_shared(void *to, float4 x) {
    u32 address = (u32)__cvta_generic_to_shared(to);
    asm volatile("st.shared.v4.f32 [%0], {%1,%2,%3,%4};" : : "r"(address), "f"(x.x), "f"(x.y), "f"(x.z), "f"(x.w) : "memory");
}

__device__ __forceinline__ void store_global(float *to, float4 x) {
    asm volatile("st.global.v4.f32 [%0], {%1,%2,%3,%4};" : : "l"(__cvta_generic_to_global(to)), "f"(x.x), "f"(x.y), "f"(x.z), "f"(x.w) : "memory");
}

// Largest of the 32 values of a warp, which must not be negative: their bits are then ordered as the values are.
__device__ __forceinline__ float warp_maximum(float value) {
    u32 largest;
    asm volatile("redux.sync.max.u32 %0, %1, 0xffffffff;" : "=r"(largest) : "r"(__float_as_uint(value)));
    return __uint_as_float(largest);
}

// threadIdx.x, read anew: what is computed from it is not kept in registers from one call to the next.
__device__ __forceinline__ int thread_index() {
    int index;
    asm volatile("mov.u32 %0, %tid.x;" : "=r"(index));
    __builtin_assume(index >= 0 && index < 1024);
    return index;
}
