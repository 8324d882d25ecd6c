// Operands of tensor cores: a float in one or two halves, scaled by a power of two.
//
// A half has 11 significant bits and ends at 65,504. With two halves, x = high + low, a product takes three multiplications
// (high·high + high·low + low·high) and has 22 bits, as many as single precision keeps after a sum. Rows are scaled so that their largest
// element lies in [2^13, 2^14): nothing overflows, and elements down to 2^-16 of the largest keep all bits.
#pragma once

#include "primitives.cuh"

// 1: fast. 2: exact.
#ifndef PIECES
#define PIECES 2
#endif

// Returns e for which largest · 2^e lies in [2^13, 2^14), as far as 2^e is a float. `largest` is not negative.
__device__ __forceinline__ int scale_exponent(float largest) {
    int biased = __float_as_int(largest) >> 23;
    return biased == 255 ? 0 : min(140 - biased, 126);
}

// 2^e, with e clamped to the exponents of normal floats.
__device__ __forceinline__ float power_of_two(int e) { return __int_as_float((max(-126, min(e, 127)) + 127) << 23); }

// 1 / x of a power of two whose exponent is within ±126.
__device__ __forceinline__ float inverse_power(float x) { return __int_as_float((254 << 23) - __float_as_int(x)); }

// Splits two floats into pieces: halves[piece] holds both.
__device__ __forceinline__ void split(float x, float y, u32 halves[PIECES]) {
    halves[0] = halves_of(x, y);
#if PIECES > 1
    halves[1] = halves_of(x - float_of_half((u16)halves[0]), y - float_of_half((u16)(halves[0] >> 16)));
#endif
}

// Splits four adjacent floats, times `factor`.
__device__ __forceinline__ void split_four(float4 x, float factor, uint2 pieces[PIECES]) {
    u32 low[PIECES], high[PIECES];
    split(x.x * factor, x.y * factor, low);
    split(x.z * factor, x.w * factor, high);
#pragma unroll
    for (int piece = 0; piece < PIECES; piece++) pieces[piece] = make_uint2(low[piece], high[piece]);
}

// Splits four adjacent floats, times `factor`, and stores the pieces `piece_stride` halves apart.
__device__ __forceinline__ void store_pieces(u16 *to, int piece_stride, float4 x, float factor) {
    uint2 pieces[PIECES];
    split_four(x, factor, pieces);
#pragma unroll
    for (int piece = 0; piece < PIECES; piece++) *reinterpret_cast<uint2 *>(to + piece * piece_stride) = pieces[piece];
}

// sum += a b with all products of pieces that matter, the smallest first.
__device__ __forceinline__ void multiply_add_pieces(float sum[4], const u32 a[PIECES][4], const u32 b[PIECES][2]) {
#if PIECES > 1
    multiply_add(sum, a[1], b[0][0], b[0][1]);
    multiply_add(sum, a[0], b[1][0], b[1][1]);
#endif
    multiply_add(sum, a[0], b[0][0], b[0][1]);
}
